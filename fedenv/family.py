"""The seams between the core and an environment family (WebShop, ALFWorld, yours).

The core knows clients, tasks, splits, seeds and episodes; a family knows what an action does.
``registration`` names the family of each environment id; everything else goes through these
protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fedenv.partitions.labels import Labels
from fedenv.tasks import TaskSplits

COMMON_ARGUMENTS = (
    *("client_id", "num_clients", "federation_seed", "partition", "split", "eval_tasks"),
    *("kernel", "data", "reward", "render_mode"),
)
"""Arguments that every environment id takes besides its family's knobs."""

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


class Episode(Protocol):
    """One running episode."""

    @property
    def observation(self) -> str:
        """What the agent sees now."""

    @property
    def admissible_actions(self) -> list[str]:
        """A new list of the actions offered now."""

    @property
    def done(self) -> bool:
        """Whether the episode has ended by itself (not by a step limit)."""

    @property
    def score(self) -> float:
        """Score in [0, 1]; 0.0 until the end."""

    @property
    def success(self) -> bool:
        """Whether the task was solved; False until the end."""

    @property
    def reward_terms(self) -> dict[str, float]:
        """What the result is made of, by name; empty until the end.

        A family says what its terms are and whether they add up to the score.
        """

    def act(self, action: object) -> bool:
        """Take one action; return whether it was valid. An invalid one changes nothing."""


class Kernel(Protocol):
    """One client's transition kernel, or the reference kernel."""

    @property
    def pool_index(self) -> int | None:
        """Entry of the variant pool, None where the family has no pool."""

    @property
    def digests(self) -> Mapping[str, str]:
        """Digest of each pipeline stage."""

    @property
    def digest(self) -> str:
        """Name of the whole kernel."""

    def begin(self, task: int, episode_seed: int) -> Episode:
        """Start an episode.

        Args:
            task: Position of the task in the world's splits.
            episode_seed: Names every draw inside the episode.
        """


class World(Protocol):
    """A family opened on one data set with one set of knobs: all that is not about a client."""

    @property
    def knobs(self) -> Mapping[str, Any]:
        """Every knob with its value, JSON only."""

    @property
    def data_digest(self) -> str:
        """Name of the data."""

    @property
    def splits(self) -> TaskSplits:
        """The tasks and their split."""

    @property
    def pool_labels(self) -> tuple[str, ...]:
        """A short name of each entry of the variant pool; empty without a pool."""

    def labels(self) -> Labels | None:
        """Return the success labels that come with the data; None where it has none."""

    def kernel(self, client_id: int | None, federation_seed: int) -> Kernel:
        """Return a client's kernel; for None the reference kernel, which no variant changes."""


@dataclass(frozen=True)
class DerivedFile:
    """A file that is made from a data set, with what there is to say about it.

    Attributes:
        name: File name, to be put beside the data; ends in ``.gz``.
        content: What it holds, before compression.
        counts: Rows of a table of what was made and what was not, and why.
        report: Rows of a table of measurements.
        note: How the measurements are to be read.
    """

    name: str
    content: bytes
    counts: tuple[Mapping[str, str], ...]
    report: tuple[Mapping[str, str], ...]
    note: str


class Family(Protocol):
    """Opens worlds."""

    @property
    def knobs(self) -> Mapping[str, Mapping[str, str]]:
        """Per variant: legal knob names and what they mean."""

    @property
    def agents(self) -> Mapping[str, str]:
        """Scripted agents by name, each as ``module:factory``."""

    @property
    def category_titles(self) -> Mapping[str, str]:
        """Short names of the tasks' categories, in the order of published tables.

        Empty where results are not published by category.
        """

    @property
    def disagreement(self) -> str:
        """What disagreement of kernels is here, as ``module:name`` (``fedenv.disagreement``)."""

    def stamp(self, data: str | None) -> Hashable:
        """Return what tells one state of the data from another without reading it."""

    def describe_data(self, data: str | None) -> Mapping[str, int | str]:
        """Load a data set and return what is in it, by what it is.

        Raises:
            DataError: The data is broken; the message names file, record and field.
        """

    def derive_lookalikes(self, data: str | None) -> DerivedFile:
        """Make the confusable products (or whatever the family has for them) of a data set.

        Raises:
            DataError: The data is broken.
            ConfigError: The family has none.
        """

    def index_data(self, data: str, progress: Progress) -> Mapping[str, int | str]:
        """Save an index beside a data set, which every later opening uses.

        Args:
            data: Where the user's data is.
            progress: Told now and then how far the build is.

        Returns:
            What was written, by what it is.

        Raises:
            DataError: The data is broken, or nothing can be written there.
        """

    def open(self, variant: str, data: str | None, knobs: Mapping[str, Any]) -> World:
        """Open a data set.

        Args:
            variant: Name of the family's variant.
            data: None for the bundled data, or where the user's data is.
            knobs: The caller's choices; unknown or illegal ones are a ConfigError.
        """
