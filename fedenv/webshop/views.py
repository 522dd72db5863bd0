"""What the engines' views of an index have in common: a client's documents, rows, the best n.

A view adds up what the words of a query weigh in the documents, in the order of the words. Small
indexes are added up in full, from rows that are kept (:mod:`fedenv.webshop.rows`); large ones leave
out what cannot reach the first results (:mod:`fedenv.webshop.pruning`), with the same results.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import numpy as np

from fedenv.webshop.index import Postings
from fedenv.webshop.pruning import TermList, pruned_top
from fedenv.webshop.rows import Row, RowCache, best, checked_mask

PRUNED_FROM = 100_000
"""The number of documents from which on searches are pruned."""

_DENSE = 6  # a term in more than one of so many documents has a dense row
_LONG = 1_000  # from this length on, ufunc.at is faster than a fancy index
_COUNTED = 10_000  # from this length on, a masked view remembers how many documents it keeps
_MEBIBYTE = 2**20
_ROWS = RowCache(16 * _MEBIBYTE)  # shared by the views of the process
_serials = itertools.count()

Asked = tuple[int, int]
"""A term and how many times it counts where it stands in the query."""

Factor = float | np.float32
"""What a term's weights are multiplied by, in the precision of the engine."""


class View(ABC):
    """One client's documents of shared postings, and the search over them.

    The view of a client who keeps only some documents has the statistics of an index of those
    documents alone, while the document numbers stay those of the postings. Views may be used by
    several threads, and pickled.

    Args:
        postings: The shared index.
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: The mask does not fit the postings.
    """

    __slots__ = ("_dfs", "_key", "_mask", "postings")

    precision: ClassVar[type[np.floating]]
    """What the sum of a document's weights is rounded to; the sum itself is float64."""

    def __init__(self, postings: Postings, mask: np.ndarray | None) -> None:
        self.postings = postings
        self._mask = None if mask is None else checked_mask(mask, postings.num_documents)
        self._key = next(_serials)
        self._dfs: dict[int, int] = {}
        _ROWS.grow(min(160 * 8 * postings.num_documents, 64 * _MEBIBYTE))

    def top(self, tokens: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best matches among the documents that contain a token of the query.

        Args:
            tokens: The query, with repetition; unknown tokens match nothing.
            n: Largest number of results; none for n <= 0.

        Returns:
            Document numbers (int64) and scores (float64, with the value of ``precision``), by
            descending score, equal scores by ascending document number.
        """
        asked = self._asked(tokens) if n > 0 else []
        if not asked:
            return np.empty(0, dtype=np.int64), np.empty(0)
        num_documents = self.postings.num_documents
        if num_documents >= PRUNED_FROM:
            lists = {one: self._term_list(*one) for one in asked}
            if all(one.bound > 0 for one in lists.values()):
                return pruned_top([lists[one] for one in asked], n, num_documents, self.precision)
        rows = [self._row(*one) for one in asked]
        scores = self._sum(rows)
        above = 0.0
        if not all(row.positive for row in rows):
            scores[~self._matches(asked)] = above = -np.inf
        docs = best(scores, n, above)
        return docs.astype(np.int64, copy=False), scores[docs].astype(np.float64, copy=False)

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the score of every document; zero where none of the tokens occurs."""
        return self._sum([self._row(*one) for one in self._asked(tokens)])

    @abstractmethod
    def _asked(self, tokens: Sequence[str]) -> list[Asked]:
        """Return the known terms of a query in the order in which their weights are added."""

    @abstractmethod
    def _factor(self, df: int, times: int) -> Factor:
        """Return the factor of a term that so many of the kept documents contain."""

    @abstractmethod
    def _weights(self, docs: np.ndarray, freqs: np.ndarray, factor: Factor) -> np.ndarray:
        """Return what a term adds to documents that contain it, float64; zero to those not kept."""

    @abstractmethod
    def _bound(self, factor: Factor) -> float:
        """Return what no weight exceeds; 0 or less where a kept document's may not be positive."""

    def _span(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the documents that contain a term, and how often they do."""
        postings = self.postings
        span = slice(postings.indptr[term], postings.indptr[term + 1])
        return postings.docs[span], postings.freqs[span]

    def _df(self, term: int, docs: np.ndarray) -> int:
        """Return how many of the kept documents contain a term."""
        if self._mask is None:
            return len(docs)
        df = self._dfs.get(term)
        if df is None:
            df = int(np.count_nonzero(self._mask[docs]))
            if len(docs) >= _COUNTED:
                self._dfs[term] = df
        return df

    def _row(self, term: int, times: int) -> Row:
        if times > 1:
            return self._new_row(term, times)
        row = _ROWS.get((self._key, term))
        if row is None:
            row = self._new_row(term, times)
            _ROWS.put((self._key, term), row)
        return row

    def _new_row(self, term: int, times: int) -> Row:
        docs, freqs = self._span(term)
        docs = docs.astype(np.intp, copy=False)
        factor = self._factor(self._df(term, docs), times)
        weights = self._weights(docs, freqs, factor)
        positive = self._bound(factor) > 0
        if len(docs) * _DENSE <= self.postings.num_documents:
            return Row(docs, weights, positive)
        dense = np.zeros(self.postings.num_documents)
        dense[docs] = weights
        return Row(None, dense, positive)

    def _term_list(self, term: int, times: int) -> TermList:
        docs, freqs = self._span(term)
        factor = self._factor(self._df(term, docs), times)
        bound, weigh = self._bound(factor), partial(self._weights, factor=factor)
        if len(docs) * _DENSE <= self.postings.num_documents:
            return TermList(docs, freqs, bound, weigh)
        row = _ROWS.get((self._key, term)) if times == 1 else None
        known = None if row is None else row.weights
        return TermList(docs, freqs, bound, weigh, partial(self._dense_row, term, times), known)

    def _dense_row(self, term: int, times: int) -> np.ndarray:
        return self._row(term, times).weights

    def _sum(self, rows: Sequence[Row]) -> np.ndarray:
        scores = np.zeros(self.postings.num_documents)
        for docs, weights, _ in rows:
            if docs is None:
                scores += weights
            elif len(docs) < _LONG:
                scores[docs] += weights
            else:
                np.add.at(scores, docs, weights)
        return scores.astype(self.precision, copy=False)

    def _matches(self, asked: Sequence[Asked]) -> np.ndarray:
        """Return which kept documents contain one of the terms, boolean."""
        matches = np.zeros(self.postings.num_documents, dtype=bool)
        for term, _ in asked:
            matches[self._span(term)[0]] = True
        return matches if self._mask is None else matches & self._mask
