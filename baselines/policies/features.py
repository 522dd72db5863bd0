"""The seam between the small policy and an environment's texts.

A *reader* follows one episode. It turns what the policy sees (observation, admissible actions) and
what it remembers of the episode into numbers: one vector for the state, and one row for every
action that the policy considers. It may consider more than was offered: a slot such as
``"search[<query>]"`` is filled in several ways. It knows nothing that is not in these texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

import numpy as np

from fedenv.errors import ConfigError, unknown_name


@dataclass(frozen=True, slots=True)
class Candidates:
    """What the policy chooses from.

    Attributes:
        actions: Texts that can be sent to the environment, at least one.
        rows: Features of each action, float32, shape (A, action features).
        state: Features of the situation, float32, shape (state features,).
    """

    actions: Sequence[str]
    rows: np.ndarray
    state: np.ndarray


class Reader(Protocol):
    """Follows one episode."""

    def look(self, observation: str, admissible: tuple[str, ...]) -> Candidates:
        """Take in a page and return what can be done, at least one action."""

    def note(self, action: str) -> None:
        """Remember that this action was taken on the page looked at last."""


class ReaderFactory(Protocol):
    """What is known of an environment's features before an episode."""

    @property
    def state_names(self) -> Sequence[str]:
        """A name for each feature of the state."""

    @property
    def action_names(self) -> Sequence[str]:
        """A name for each feature of an action."""

    def __call__(self, step: int = 0) -> Reader:
        """Start following an episode.

        Args:
            step: Number of steps already taken in it (0-based index of the next).
        """


READERS: Mapping[str, str] = {
    "webshop": "baselines.policies.features_webshop:WEBSHOP",
    "alfworld": "baselines.policies.features_alfworld:ALFWORLD",
}


def reader_factory(name: str) -> ReaderFactory:
    """Return the features of an environment.

    Args:
        name: One of ``READERS``, or ``module:attribute``.

    Raises:
        ConfigError: There are none of this name.
    """
    module, colon, attribute = READERS.get(name, name).partition(":")
    if not colon:
        raise unknown_name("features", name, READERS)
    try:
        factory: ReaderFactory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"no features {name!r}: {error}") from error
    return factory
