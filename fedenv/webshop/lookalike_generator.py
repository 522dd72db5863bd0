"""The generator of lookalikes: draws one per target and pool, and ships what passes the checks.

Everything is drawn from frozen streams named by the paper's seed 99999, the pool and the product,
so equal data give equal lookalikes on every machine. Each draft is judged with the project's own
reward and search; the rules are those of :mod:`fedenv.webshop.lookalike_checks`.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from fedenv import seeding
from fedenv.webshop.actions import is_clickable
from fedenv.webshop.catalog import Catalog, Product
from fedenv.webshop.goals import NO_LIMIT, Goal, build_goals
from fedenv.webshop.lookalike_checks import RewardCheck, far_from_target
from fedenv.webshop.lookalike_texts import draw_edits
from fedenv.webshop.lookalikes import POOLS, Lookalike, apply
from fedenv.webshop.matching import COLORS, Option, fuzzy_match, normalize_color
from fedenv.webshop.session import RESERVED_LABELS

SEED: Final = 99999
PRICE_FACTORS: Final = (1.5, 3.0)
"""A lookalike's price lies between so many times the largest price limit of its target's goals."""

TRIES_PER_VALUE: Final = 40
_GROUP_WORDS: Final = {"color": ("color", "colour"), "size": ("size",)}
_COMMON_SIZES: Final = """
xx-small x-small small medium large x-large xx-large 3x-large 4x-large 5x-large 4 5 6 7 8 9 10 11
12 13 14 16 18 20 24 30 36 42 48 60 72
"""
_Vocabulary: TypeAlias = "Mapping[tuple[str, str], Sequence[str]]"
_COMMON: Final = {"color": COLORS, "size": tuple(_COMMON_SIZES.split())}

NO_PRICE_LIMIT = "not eligible: no price limit"
NO_VALUES = "dropped: no value left that the reward does not match"


@dataclass(frozen=True)
class GeneratedPool:
    """What the generator made of one pool.

    Attributes:
        name: From ``POOLS``.
        lookalikes: What ships, in catalog order of the targets.
        reward_changes: Per lookalike, one number per goal of its target: the reward of buying it
            instead of the target, minus that of the target.
        not_made: Number of targets without a lookalike, by reason.
    """

    name: str
    lookalikes: tuple[Lookalike, ...]
    reward_changes: tuple[tuple[float, ...], ...]
    not_made: Mapping[str, int]

    @property
    def mean_reward_change(self) -> float:
        """Mean over the lookalikes of the mean over their targets' goals; NaN without any."""
        means = [sum(changes) / len(changes) for changes in self.reward_changes]
        return sum(means) / len(means) if means else math.nan


def generate(catalog: Catalog) -> tuple[GeneratedPool, ...]:
    """Make the four pools for a catalog, in the order of ``POOLS``.

    Targets are the products with a synthetic instruction. A product is eligible for a pool if its
    goals have a finite price limit (price) and it has a colour-like or size-like option group.

    Args:
        catalog: The products.
    """
    goals: dict[int, list[Goal]] = defaultdict(list)
    limits: dict[int, float] = defaultdict(float)
    for kind in ("synthetic", "human"):
        for goal in build_goals(catalog, kind):
            limits[goal.product] = max(limits[goal.product], goal.price_upper)
            if kind == "synthetic":
                goals[goal.product].append(goal)
    values = _vocabulary(catalog)
    return tuple(_generate_pool(name, catalog, goals, limits, values) for name in POOLS)


def _generate_pool(
    pool: str,
    catalog: Catalog,
    goals: Mapping[int, Sequence[Goal]],
    limits: Mapping[int, float],
    values: _Vocabulary,
) -> GeneratedPool:
    not_made: Counter[str] = Counter()
    drafts: list[Lookalike] = []
    changes: list[tuple[float, ...]] = []
    check = RewardCheck(pool)
    for number in sorted(goals):
        target = catalog.products[number]
        draft = _draft(pool, target, limits[number], values)
        if isinstance(draft, str):
            not_made[draft] += 1
            continue
        attacked = tuple(draft.options or ())
        result = check.judge(target, apply(catalog, draft), goals[number], attacked)
        if isinstance(result, str):
            not_made[f"dropped: {result}"] += 1
            continue
        drafts.append(draft)
        changes.append(result)
    far = far_from_target(catalog, [apply(catalog, draft) for draft in drafts], drafts)
    if far:
        not_made["dropped: too far from the target in the search for its instruction"] = len(far)
    kept = [i for i in range(len(drafts)) if i not in far]
    return GeneratedPool(
        pool, tuple(drafts[i] for i in kept), tuple(changes[i] for i in kept), dict(not_made)
    )


def _draft(pool: str, target: Product, limit: float, values: _Vocabulary) -> Lookalike | str:
    """Draw one lookalike; return the reason where the target gets none."""
    path = ("webshop", "lookalikes", SEED, pool, target.asin)
    price: float | None = None
    options: dict[str, tuple[str, ...]] = {}
    for term in pool.split("+"):
        if term == "price":
            if limit >= NO_LIMIT:
                return NO_PRICE_LIMIT
            low, high = PRICE_FACTORS
            factor = low + (high - low) * seeding.uniform_for(*path, "price")
            price = math.ceil(limit * factor) - 0.01
            continue
        groups = option_groups(target, term)
        if not groups:
            return f"not eligible: no {term} option"
        rng = seeding.frozen_rng(*path, term)
        for group in groups:
            drawn = _draw_values(rng, target, group, (*options.values(),), values, term)
            if not drawn:
                return NO_VALUES
            options[group] = drawn
    edits = draw_edits(target, seeding.frozen_rng(*path, "texts"))
    suffix = f"{seeding.bits_for(*path, 'suffix', bits=16):04x}"
    return Lookalike(pool, target.asin, suffix, edits, price, options or None)


def option_groups(product: Product, kind: str) -> tuple[str, ...]:
    """Return the names of a product's colour-like or size-like option groups.

    Args:
        product: The product.
        kind: ``"color"`` or ``"size"``.
    """
    words = _GROUP_WORDS[kind]
    return tuple(name for name in product.options if any(word in name for word in words))


def _vocabulary(catalog: Catalog) -> _Vocabulary:
    """Return the sorted values of the option groups of each kind in each category."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for product in catalog.products:
        for kind in _GROUP_WORDS:
            for group in option_groups(product, kind):
                found[kind, product.category].update(product.options[group])
    return {key: tuple(sorted(values)) for key, values in found.items()}


def _draw_values(
    rng: np.random.RandomState,
    target: Product,
    group: str,
    taken: Sequence[tuple[str, ...]],
    vocabulary: _Vocabulary,
    kind: str,
) -> tuple[str, ...]:
    """Draw as many new values as the group has; fewer where too few do not match.

    They come from the products of the same category, and then from a list of common ones.
    """
    size = len(dict.fromkeys(target.options[group]))
    used = {value for values in (*target.options.values(), *taken) for value in values}
    wanted: list[Option] = [
        normalize_color((name, value))
        for name, values in target.options.items()
        for value in dict.fromkeys(values)
    ]
    wanted += [normalize_color(option) for entry in target.human for option in entry.options]
    chosen: dict[str, None] = {}
    known = vocabulary.get((kind, target.category), ())
    for value in _candidates(rng, known, size * TRIES_PER_VALUE, _COMMON[kind]):
        if len(chosen) == size:
            break
        fresh = value.strip() and value not in used and value not in RESERVED_LABELS
        if fresh and is_clickable(value) and not _matches(value, wanted):
            chosen[value] = None
    return tuple(chosen)


def _candidates(
    rng: np.random.RandomState, vocabulary: Sequence[str], tries: int, common: Sequence[str]
) -> Iterator[str]:
    if vocabulary:
        for index in rng.randint(len(vocabulary), size=tries).tolist():
            yield vocabulary[index]
    for index in rng.permutation(len(common)).tolist():
        yield common[index]


def _matches(value: str, wanted: Sequence[Option]) -> bool:
    """Tell whether the reward would count the value as one of the wanted options."""
    reduced = normalize_color(value)
    return any(fuzzy_match(reduced, option) for option in wanted)
