"""Disagreement of shops: the same searches, the first results of each shop compared."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fedenv import seeding
from fedenv.comparison import Measure
from fedenv.disagreement import ProbeSource
from fedenv.errors import ConfigError
from fedenv.family import World
from fedenv.webshop.actions import SEARCH, parse_action
from fedenv.webshop.reading import read_request
from fedenv.webshop.session import PRODUCTS_PER_PAGE

Ranking = Sequence[int]

REPORTED: Mapping[tuple[str, int], Mapping[str, float]] = {
    ("field-subset", 8): {"top10_jaccard": 0.78},
    ("bm25-reweight", 4): {"top10_jaccard": 0.65, "rank1_disagreement": 0.70},
}
"""By variant and pool size; FedAgent paper, 287 replayed agent queries, public 1,000 products."""


@dataclass(frozen=True)
class SearchProbe:
    """One search: the lower-cased query, and the seed of the episode whose first search it is."""

    query: str
    episode_seed: int


class Searchable(Protocol):
    """What is asked of a kernel."""

    def search(self, query: str, episode_seed: int, search_number: int) -> list[int]:
        """Return product indices in the order in which the shop shows them."""


def top10_jaccard(one: Ranking, other: Ranking) -> float:
    """Return the Jaccard index of two result pages; 1.0 where both are empty."""
    first, second = set(one[:PRODUCTS_PER_PAGE]), set(other[:PRODUCTS_PER_PAGE])
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def rank1_disagreement(one: Ranking, other: Ranking) -> float:
    """Return 1.0 where the first results differ or only one list has one, else 0.0."""
    return float(one[:1] != other[:1])


class SearchDisagreement:
    """Disagreement of WebShop kernels.

    Default probes are what the scripted agents ``first`` and ``keyword`` search for on the
    validation goals, repeats included: different goals of one kind of product share a query.
    Probe number n runs in an episode of its own whose seed is named by n, so that rank rules that
    draw are compared on one fixed draw per probe and kernel.
    """

    probe_noun = ("search", "searches")
    measures = (
        Measure(
            "top10_jaccard",
            "top-10 Jaccard",
            "products on both first result pages over products on either; two empty pages count 1, "
            "an empty page and another count 0",
            1.0,
            top10_jaccard,
        ),
        Measure(
            "rank1_disagreement",
            "rank-1 disagreement",
            "share of searches whose first result differs; two searches that find nothing agree, "
            "one that finds nothing disagrees with one that finds something",
            0.0,
            rank1_disagreement,
        ),
    )

    def probes(self, world: World, source: ProbeSource) -> list[SearchProbe]:
        """Return the searches of a source.

        Raises:
            ConfigError: There are none.
        """
        if source.lines is not None:
            queries = [line.strip().lower() for line in source.lines if line.strip()]
            place, remedy = "the file of queries", "write one query a line"
        elif source.records is not None:
            queries = list(_searches(source))
            place, remedy = "the episodes", "record an agent that searches a WebShop environment"
        else:
            queries = list(_validation_queries(world))
            place, remedy = "the validation split", "take data with more than one goal"
        if not queries:
            raise ConfigError(f"expected searches to replay, found none in {place}; {remedy}")
        return [
            SearchProbe(query, seeding.bits_for("webshop", "disagreement", "episode", n, bits=31))
            for n, query in enumerate(queries)
        ]

    def describe(self, probe: SearchProbe) -> dict[str, Any]:
        """Return a search as JSON."""
        return {"query": probe.query, "episode_seed": probe.episode_seed}

    def answers(self, kernel: Searchable, probes: Sequence[SearchProbe]) -> list[Ranking]:
        """Return what each search shows."""
        return [kernel.search(probe.query, probe.episode_seed, 0) for probe in probes]

    def reported(self, variant: str, knobs: Mapping[str, Any]) -> Mapping[str, float]:
        """Return the paper's means for a variant at a pool size."""
        return REPORTED.get((variant, knobs.get("pool_size", 0)), {})


def _validation_queries(world: World) -> Iterable[str]:
    kernel = world.kernel(None, 0)
    for task in world.splits.of("val"):
        yield read_request(kernel.begin(task, 0).observation).query.lower()


def _searches(source: ProbeSource) -> Iterable[str]:
    for record in source.records or ():
        for step in record.steps:
            parsed = parse_action(step.action) if step.action_valid else None
            if parsed is not None and parsed[0] == SEARCH:
                yield parsed[1]


DISAGREEMENT = SearchDisagreement()
