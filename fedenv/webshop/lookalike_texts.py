"""Light changes of a product's texts: what makes a lookalike read like another listing.

A few words become synonyms, two neighbouring words of the title change places, and either small
words are left out or a word or two is added to the title. Words of the target's instruction and of
its attributes are never touched, so a search finds the lookalike about where it finds the target:
a little above it where the text became shorter, a little below where it became longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from fedenv.webshop.catalog import Product
from fedenv.webshop.index import tokenize
from fedenv.webshop.lookalikes import BULLET, DESCRIPTION, NAME, Edit

MAX_SYNONYMS: Final = 4
MAX_OMISSIONS: Final = 3
SHORTER: Final = 0.5
"""Probability that small words are left out; otherwise words are added to the title."""

_SYNONYM_SETS: Final = """
comfortable comfy / sturdy durable / ideal perfect / great superb / nice lovely / gift present /
quick fast / simple easy / strong robust / big large / small little / choose pick / buy purchase /
keep hold / begin start / pretty beautiful / modern contemporary / elegant graceful / fresh crisp /
smooth sleek / bright vivid / light lightweight / warm cozy / various different / need require /
improved enhanced / premium deluxe / classic timeless / gentle mild / help assist / home house /
room space / happy pleased / customers buyers / answer reply / check inspect / made crafted /
looks appears / size dimension / suitable fitting / everyday daily / wonderful delightful /
fabric cloth / picture photo / wash clean / easily readily / also likewise / every each /
while whereas / women ladies / men gentlemen / kids children / set kit / stylish fashionable /
"""
_SMALL_WORDS: Final = frozenset(("a", "an", "the", "and", "so", "very", "that", "too", "really"))
_ADDED: Final = ("New", "Latest", "Upgraded", "Top Pick", "New Version", "2nd Edition")
_WORD: Final = re.compile(r"([A-Za-z]+)([,.;:!]?)")


def _synonyms() -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in filter(None, map(str.split, _SYNONYM_SETS.split("/"))):
        first, second = entry
        table |= {first: second, second: first}
    return table


SYNONYMS: Final = _synonyms()


def draw_edits(product: Product, rng: np.random.RandomState) -> tuple[Edit, ...]:
    """Draw the changes of one lookalike's texts.

    Args:
        product: The target.
        rng: The lookalike's own stream.

    Returns:
        Edits that do not overlap, in the order of fields and positions.
    """
    protected = frozenset(
        tokenize(" ".join((product.instruction or "", *product.attributes, product.query)))
    )
    texts = {NAME: product.name, DESCRIPTION: product.description}
    texts |= {f"{BULLET} {i}": bullet for i, bullet in enumerate(product.bullets)}
    words = {field: text.split(" ") for field, text in texts.items() if text}
    edits = _sample(rng, list(_replacements(words, protected)), MAX_SYNONYMS)
    taken = {(edit.field, edit.position) for edit in edits}
    name = words.get(NAME, [])
    edits += _sample(rng, list(_swaps(name, protected, taken)), 1)
    if rng.random_sample() < SHORTER:
        edits += _sample(rng, list(_omissions(words, protected, taken)), MAX_OMISSIONS)
    else:
        added = _ADDED[int(rng.randint(len(_ADDED)))]
        edits.append(Edit(NAME, len(name), "", added))
    order = {field: number for number, field in enumerate(texts)}
    return tuple(sorted(edits, key=lambda edit: (order[edit.field], edit.position)))


def _sample(rng: np.random.RandomState, edits: Sequence[Edit], size: int) -> list[Edit]:
    chosen: list[Edit] = [edits[i] for i in rng.permutation(len(edits))[:size].tolist()]
    return chosen


def _replacements(words: dict[str, list[str]], protected: frozenset[str]) -> Iterator[Edit]:
    for field, position, word in _walk(words):
        match = _WORD.fullmatch(word)
        if match is None or match[1].lower() in protected:
            continue
        new = SYNONYMS.get(match[1].lower())
        if new is not None and new not in protected:
            yield Edit(field, position, word, _like(match[1], new) + match[2])


def _swaps(
    name: Sequence[str], protected: frozenset[str], taken: set[tuple[str, int]]
) -> Iterator[Edit]:
    for position in range(1, len(name) - 1):
        pair = name[position : position + 2]
        plain = all(word.isalpha() and word.lower() not in protected for word in pair)
        free = not {(NAME, position), (NAME, position + 1)} & taken
        if plain and free and not {word.lower() for word in pair} & _SMALL_WORDS:
            yield Edit(NAME, position, " ".join(pair), " ".join(reversed(pair)))


def _omissions(
    words: dict[str, list[str]], protected: frozenset[str], taken: set[tuple[str, int]]
) -> Iterator[Edit]:
    for field, position, word in _walk(words):
        small = word in _SMALL_WORDS and word not in protected
        if small and position and (field, position) not in taken:
            yield Edit(field, position, word, "")


def _walk(words: dict[str, list[str]]) -> Iterator[tuple[str, int, str]]:
    for field, tokens in words.items():
        for position, word in enumerate(tokens):
            yield field, position, word


def _like(old: str, new: str) -> str:
    """Return the new word in the old one's case."""
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new.capitalize() if old[0].isupper() else new
