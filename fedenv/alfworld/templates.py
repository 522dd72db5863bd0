"""The sentences in which a task is put: two for every task type, as in ALFWorld.

What follows "Your task is to: ", without the full stop. The words are part of the environment's
text (ALFRED's goal library, MIT; see NOTICE).
"""

from __future__ import annotations

from fedenv.alfworld.goals import TASK_TYPES
from fedenv.errors import unknown_name

TEMPLATES = dict(
    zip(
        TASK_TYPES,
        (
            ("put a {item} in {place}", "put some {item} on {place}"),
            ("look at {item} under the {place}", "examine the {item} with the {place}"),
            ("put a clean {item} in {place}", "clean some {item} and put it in {place}"),
            ("put a hot {item} in {place}", "heat some {item} and put it in {place}"),
            ("put a cool {item} in {place}", "cool some {item} and put it in {place}"),
            ("put two {item} in {place}", "find two {item} and put them in {place}"),
        ),
        strict=True,
    )
)


def task_sentence(task_type: str, template: int, item: str, place: str) -> str:
    """Return a task in words.

    Args:
        task_type: One of ``goals.TASK_TYPES``.
        template: 0 or 1.
        item: Class of the thing.
        place: Class of the receptacle; of the lamp for ``look_at_obj_in_light``.

    Raises:
        ConfigError: The task type is unknown.
    """
    if task_type not in TEMPLATES:
        raise unknown_name("task_type", task_type, TASK_TYPES)
    return TEMPLATES[task_type][template].format(item=item.lower(), place=place.lower())
