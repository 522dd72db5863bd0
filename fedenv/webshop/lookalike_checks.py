"""What a lookalike must pass before it ships.

*Reward*: bought with the best options it offers, exactly the attacked terms fail for every goal of
the target, and every other term is that of buying the target as the goal wants it.

*Search*: in the shop that it ships in (full fields, k1 = 1.2, b = .75, all lookalikes of its pool
on sale) a search for the target's instruction ranks it at most ``MAX_DISTANCE`` places from the
target, or among the first ``TOP_RANKS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from fedenv.webshop.catalog import Catalog, Product
from fedenv.webshop.goals import Goal
from fedenv.webshop.index import FieldIndex, tokenize
from fedenv.webshop.lookalikes import Lookalike
from fedenv.webshop.nouns import RuleNounTagger
from fedenv.webshop.pipeline import FIELDS, PipelineConfig, index_document
from fedenv.webshop.reward import purchase_reward
from fedenv.webshop.scoring import OkapiView

MAX_DISTANCE: Final = 10
TOP_RANKS: Final = 20

STILL_MET = "an attacked term is still met"
OTHER_TERM = "another term of the reward changes"
FAILS_ANYWAY = "the target itself fails the attacked term for every goal"


class RewardCheck:
    """Judges the lookalikes of one pool with the reward of the shop and the tagger ``rules``.

    Args:
        pool: Its name says which terms are attacked.
    """

    def __init__(self, pool: str) -> None:
        self._terms = pool.split("+")
        self._nouns = lru_cache(maxsize=1024)(RuleNounTagger().nouns)

    def judge(
        self,
        target: Product,
        lookalike: Product,
        goals: Sequence[Goal],
        attacked: Sequence[str],
    ) -> tuple[float, ...] | str:
        """Compare buying the lookalike with buying the target, for every goal of the target.

        Args:
            target: The product that the goals ask for.
            lookalike: What is bought instead.
            goals: Its synthetic goals, at least one.
            attacked: Names of the option groups with other values.

        Returns:
            The change of the score per goal, or the reason why the lookalike does not ship.
        """
        nouns = self._nouns(target.name)
        own_nouns = self._nouns(lookalike.name)
        everything = _all_values(lookalike, lookalike.options)
        offered = _all_values(lookalike, attacked)
        changes: list[float] = []
        lost = 0
        for goal in goals:
            wanted: dict[str, str] = {o[0]: o[1] for o in goal.options}
            unchanged = {name: value for name, value in wanted.items() if name not in attacked}
            kept = {n: v for n, v in unchanged.items() if v in lookalike.options.get(n, ())}
            others = replace(goal, options=tuple(unchanged.items()))
            aims = tuple((name, value) for name, value in wanted.items() if name in attacked)
            aimed = replace(goal, options=aims)
            base = purchase_reward(target, goal, wanted, nouns, nouns)
            base_others = purchase_reward(target, others, wanted, nouns, nouns)
            # One value per group can be chosen; that all of them together meet no more says
            # that no choice does.
            best = purchase_reward(lookalike, goal, {**kept, **offered}, own_nouns, nouns)
            if purchase_reward(lookalike, aimed, everything, own_nouns, nouns).option_matches:
                return STILL_MET
            if "price" in self._terms and best.price_ok:
                return STILL_MET
            if (
                best.r_type != base.r_type
                or best.attribute_matches != base.attribute_matches
                or best.option_matches != base_others.option_matches
                or ("price" not in self._terms and best.price_ok != base.price_ok)
            ):
                return OTHER_TERM
            lost += base.option_matches - base_others.option_matches
            changes.append(best.score - base.score)
        if attacked and not lost:
            return FAILS_ANYWAY
        return tuple(changes)


def _all_values(product: Product, groups: Iterable[str]) -> dict[str, str]:
    """Return every value of some groups as if all were chosen (their names play no part)."""
    return {f"{n} {i}": v for n in groups for i, v in enumerate(product.options[n])}


def far_from_target(
    catalog: Catalog, products: Sequence[Product], lookalikes: Sequence[Lookalike]
) -> set[int]:
    """Return which lookalikes of a pool a search does not show near their targets.

    Dropping one changes the statistics of the others' shop a little, so the search is repeated
    without the dropped ones until all that are left pass.

    Args:
        catalog: The products on sale anyway.
        products: The lookalikes of the pool as products.
        lookalikes: The same as differences.
    """
    documents = [index_document(product) for product in (*catalog.products, *products)]
    reference = PipelineConfig()
    postings = FieldIndex.build(documents, reference.tokenizer).postings(FIELDS)
    first = len(catalog.products)
    mask = np.ones(len(documents), dtype=bool)
    far: set[int] = set()
    while True:
        view = OkapiView(postings, k1=reference.k1, b=reference.b, mask=mask)
        found: set[int] = set()
        for i, lookalike in enumerate(lookalikes):
            if i in far:
                continue
            target = catalog.position(lookalike.target)
            text = catalog.products[target].instruction or ""
            results, _ = view.top(tokenize(text, reference.tokenizer), len(documents))
            if not _near(results, target, first + i):
                found.add(i)
        if not found:
            return far
        far |= found
        mask[[first + i for i in found]] = False


def _near(results: np.ndarray, target: int, lookalike: int) -> bool:
    """Tell whether a lookalike is near its target in a list of results, or near the top."""
    places = np.flatnonzero(results == lookalike)
    if not len(places):
        return False
    if places[0] < TOP_RANKS:
        return True
    wanted = np.flatnonzero(results == target)
    return len(wanted) > 0 and abs(int(places[0]) - int(wanted[0])) <= MAX_DISTANCE
