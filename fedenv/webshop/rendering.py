"""Stage 4 of the pipeline, first half: the order in which ranked products are shown.

The rules of the Rank Wrapper variant. A rule is applied once per search; its draw depends on the
client's seed, the episode seed and the number of the search in the episode, so that turning a page
shows the same list again and an episode replays from its seed. The second half, page text, is in
:mod:`fedenv.webshop.pages`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError, unknown_name

RANK_RULES = ("default", "shuffle", "invert", "partial-random")


@dataclass(frozen=True)
class RankRule:
    """How one client reorders what scoring returned.

    Attributes:
        kind: ``"default"`` keeps the order; ``"shuffle"`` permutes the first
            ``max(shuffle_k, surface_k)``; ``"invert"`` reverses the first ``surface_k``;
            ``"partial-random"`` puts, with probability ``random_prob``, ``surface_k`` products
            drawn from the whole catalog in front, followed by the list without them.
        surface_k: Window in products (10 is page one).
        shuffle_k: Window of the shuffle.
        random_prob: Probability per search of the random front.

    Raises:
        ConfigError: Unknown kind, a window below 1, or a probability outside [0, 1].
    """

    kind: str = "default"
    surface_k: int = 10
    shuffle_k: int = 50
    random_prob: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in RANK_RULES:
            raise unknown_name("rank rule", self.kind, RANK_RULES)
        for name in ("surface_k", "shuffle_k"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)!r}")
        if not 0.0 <= self.random_prob <= 1.0:
            raise ConfigError(f"random_prob must lie in [0, 1], got {self.random_prob!r}")

    def apply(
        self,
        ranked: np.ndarray,
        num_products: int,
        client_seed: int,
        episode_seed: int,
        search_number: int,
    ) -> np.ndarray:
        """Return the product indices in the order in which the client's shop shows them.

        Args:
            ranked: Product indices, best first, shape (m,).
            num_products: Size of the whole catalog.
            client_seed: The paper's per-client seed (42 + i).
            episode_seed: Seed of the episode.
            search_number: 0 for the first search of the episode.
        """
        if self.kind == "default":
            return ranked
        if self.kind == "invert":
            return np.concatenate((ranked[: self.surface_k][::-1], ranked[self.surface_k :]))
        rng = seeding.frozen_rng("webshop", "rank", client_seed, episode_seed, search_number)
        if self.kind == "shuffle":
            window = max(self.shuffle_k, self.surface_k)
            return np.concatenate((rng.permutation(ranked[:window]), ranked[window:]))
        if rng.random_sample() >= self.random_prob:
            return ranked
        front = _draw_distinct(rng, num_products, self.surface_k)
        return np.concatenate((front, ranked[~np.isin(ranked, front)]))


def _draw_distinct(rng: np.random.RandomState, population: int, size: int) -> np.ndarray:
    """Draw an ordered sample without replacement in time proportional to its size."""
    if population <= 4 * size:
        return rng.permutation(population)[:size]
    drawn: dict[int, None] = {}
    while len(drawn) < size:
        drawn.update(dict.fromkeys(rng.randint(population, size=size).tolist()))
    return np.array(list(drawn)[:size], dtype=np.int64)
