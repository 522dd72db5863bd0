"""Pools and labels for the tests of partitions."""

from hypothesis import strategies as st

from fedenv.partitions.labels import Labels, Provenance
from fedenv.tasks import Task, TaskPool

MADE = Provenance("made", "none", "e" * 16, "d" * 16, 8, 0)


def make_pool(categories):
    return TaskPool(tuple(Task(f"t{i:05d}", category) for i, category in enumerate(categories)))


def make_labels(pool, success):
    return Labels({t.id: float(s) for t, s in zip(pool.tasks, success, strict=True)}, MADE)


@st.composite
def pools(draw, min_size=1, max_size=60):
    """Any pool: one category, a category per task, success tied to type, and what lies between."""
    n = draw(st.integers(min_size, max_size))
    categories = draw(st.lists(st.sampled_from("abcdefg"), min_size=n, max_size=n))
    rates = draw(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=n, max_size=n))
    pool = make_pool(categories)
    return pool, make_labels(pool, rates)


SHAPES = {
    "uniform": {},
    "preference": {"omega": 0.9, "tasks_per_client": 12},
    "coverage": {"xi": 1.0, "bounds": [3, 9, 30]},
    "hardness": {"xi": 1.0, "tasks_per_client": 12},
    "composite": {"omega": 0.5, "xi": 2.0, "xi_hard": 1.0, "bounds": [3, 9, 30]},
}
"""Knobs of each partition that suit the pool of :func:`small`."""


def small():
    """Return a pool of 120 tasks in three categories with its labels."""
    pool = make_pool(["abc"[(i * i) % 3 if i % 4 else 2] for i in range(120)])
    return pool, make_labels(pool, [(i * 7 % 10) / 10 for i in range(120)])
