"""Words and how well they match: what every feature extractor is made of.

Words are lower-cased, stemmed and stripped of function words, so that "Easy to carry" and
"easy carrying" agree. A *bigram* is a pair of neighbours among the remaining words.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import snowballstemmer

_TOKEN = re.compile(r"[a-z0-9]+")
_STOP_WORDS = frozenset(
    (
        *("a", "an", "and", "are", "as", "at", "be", "by", "find", "for", "from", "i", "in", "is"),
        *("it", "me", "my", "of", "on", "or", "than", "that", "the", "this", "to", "with", "s"),
        *("looking", "featuring", "need", "want", "lower", "price", "dollars"),
    )
)
_stemmer = snowballstemmer.stemmer("english")


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """Return the stem of a lower-case word."""
    stemmed: str = _stemmer.stemWord(word)
    return stemmed


@lru_cache(maxsize=1 << 14)
def stems(text: str) -> tuple[str, ...]:
    """Return the stems of the content words of a text, in order, with repetition (cached)."""
    return tuple(stem(w) for w in _TOKEN.findall(text.lower()) if w not in _STOP_WORDS)


@dataclass(frozen=True, slots=True)
class Bag:
    """The distinct words and neighbouring pairs of a text."""

    words: frozenset[str]
    pairs: frozenset[tuple[str, str]]

    def __or__(self, other: Bag) -> Bag:
        return Bag(self.words | other.words, self.pairs | other.pairs)


EMPTY = Bag(frozenset(), frozenset())


@lru_cache(maxsize=1 << 14)
def bag(text: str) -> Bag:
    """Return what a text says, as words and pairs (cached)."""
    found = stems(text)
    return Bag(frozenset(found), frozenset(pairwise(found)))


def share(wanted: Collection[object], found: Collection[object]) -> float:
    """Return the share of the wanted items that were found, in [0, 1]; 1.0 if none is wanted.

    Args:
        wanted: What is looked for.
        found: Where, a set.
    """
    return sum(item in found for item in wanted) / len(wanted) if wanted else 1.0


def has_phrase(phrase: tuple[str, ...], found: Bag) -> bool:
    """Tell whether the stems of a phrase stand side by side in a text."""
    if len(phrase) == 1:
        return phrase[0] in found.words
    return all(pair in found.pairs for pair in pairwise(phrase))
