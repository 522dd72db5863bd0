"""Top-n search that reads the long lists of frequent words only where it must.

The rare words of a query are added up first. What the words that are left can add to any document
is bounded by their idf; once the n-th best sum so far exceeds that bound, a document without a rare
word cannot be a result any more, and the frequent words are looked up for the few documents that
still can (MaxScore: Turtle and Flood 1995, "Query Evaluation: Strategies and Optimizations").

The documents that remain are scored again with the operations and in the order of the plain path,
so that the result is the same to the last bit; bounds are widened by more than rounding can change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

SLACK = 1e-6
"""Relative widening of bounds. Sums of a query's weights are exact to about 1e-13; rounded to
float32, as Lucene's are, two of them that are equal differ by less than 1.2e-7."""

LONG_SHARE = 64
"""A list with more than one of so many documents is long: worth a look at whether to read it."""

MANY = 8
"""More than one of so many of a frequent word's documents are not looked up one by one."""


@dataclass(frozen=True, eq=False)
class TermList:
    """Where a query word occurs.

    Attributes:
        docs: Documents that contain it, ascending.
        freqs: How often, one per document.
        bound: More than the word can add to any document, above 0.
        weigh: Returns what the word adds to some of the documents, from documents and frequencies.
        read: Returns what the word adds to every document, for a frequent word; else None.
        known: What ``read`` returns, where it is at hand already.
    """

    docs: np.ndarray
    freqs: np.ndarray
    bound: float
    weigh: Callable[[np.ndarray, np.ndarray], np.ndarray]
    read: Callable[[], np.ndarray] | None = None
    known: np.ndarray | None = None

    def add_to(self, sums: np.ndarray, times: int) -> None:
        """Add what the word adds to each document, so many times."""
        if self.read is not None:
            weights = self.read() if self.known is None else self.known
            sums += weights if times == 1 else weights * times
            return
        docs = self.docs.astype(np.intp, copy=False)  # once for all gathers
        weights = self.weigh(docs, self.freqs)
        weights *= times
        np.add.at(sums, docs, weights)

    def look_up(self, documents: np.ndarray) -> np.ndarray:
        """Return what the word adds to some documents, ascending and of the type of ``docs``."""
        if self.known is not None:
            return self.known.take(documents)
        if self.read is not None and len(documents) * MANY > len(self.docs):
            return self.read().take(documents)
        found = np.zeros(len(documents))
        if not len(self.docs):
            return found
        places = np.searchsorted(self.docs, documents)
        places[places == len(self.docs)] = 0
        hit = self.docs[places] == documents
        places = places[hit]
        found[hit] = self.weigh(self.docs[places], self.freqs[places])
        return found


def pruned_top(
    lists: Sequence[TermList],
    n: int,
    num_documents: int,
    precision: type[np.floating] = np.float64,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the n best documents and their scores, equal scores by ascending document.

    Args:
        lists: One per query word, in order; the same object where a word comes again.
        n: Largest number of results, at least 1.
        num_documents: Number of documents.
        precision: What a document's score, the sum of its weights, is rounded to.
    """
    repeats = Counter(map(id, lists))
    by_length = sorted({id(one): one for one in lists}.values(), key=lambda one: len(one.docs))
    rest = [one.bound * repeats[id(one)] for one in by_length]
    left = np.cumsum([0.0, *rest[::-1]])[::-1] * (1 + SLACK)  # what the words from i on can add
    sums = np.zeros(num_documents)
    read = 0
    for one in by_length:
        if read and len(one.docs) * LONG_SHARE > num_documents and _nth(sums, n) > left[read]:
            break
        one.add_to(sums, repeats[id(one)])
        read += 1
    documents = ((sums > 0) & (sums >= _nth(sums, n) - left[read])).nonzero()[0]
    sums = sums[documents]
    documents = documents.astype(by_length[0].docs.dtype)
    for i in range(read, len(by_length)):
        sums += by_length[i].look_up(documents) * repeats[id(by_length[i])]
        kept = sums + left[i + 1] >= _nth(sums, n)
        documents, sums = documents[kept], sums[kept]
    scores = np.zeros(len(documents))
    for one in lists:
        scores += one.look_up(documents)
    scores = scores.astype(precision).astype(np.float64, copy=False)
    order = (-scores).argsort(kind="stable")[:n]
    return documents[order].astype(np.int64), scores[order]


def _nth(sums: np.ndarray, n: int) -> float:
    """Return a number that at least n sums reach up to rounding, and close to the n-th largest."""
    size, columns = len(sums), 2 * n
    if size < n:
        return 0.0
    maxima = sums
    if size >= 4 * columns:
        maxima = sums[: size // columns * columns].reshape(-1, columns).max(axis=0)
    return float(np.partition(maxima, len(maxima) - n)[len(maxima) - n]) * (1 - SLACK)
