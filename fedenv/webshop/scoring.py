"""Stage 3 of the shop: BM25 Okapi over shared postings, as exact as the reference and fast.

The scores are those of ``BM25Okapi`` in the package rank_bm25 (ATIRE BM25 of Trotman, Puurula
and Burgess 2014, "Improvements to BM25 and Language Models Examined"), to the last bit:

* ``idf = ln(N - df + 0.5) - ln(df + 0.5)``; a negative one is replaced by epsilon times the
  mean idf, which is summed before any replacement in the order in which the corpus first uses
  the words;
* ``score = sum of idf * (tf * (k1 + 1) / (tf + k1 * (1 - b + b * dl / avgdl)))`` over the query
  tokens in order and with repetition, in float64 and in this very order of operations.

Documents without a token add exactly zero there, so that a *row* per token, its weight in the
documents that contain it, is all that has to be added up. Rows of frequent terms are stored
dense. What differs from the reference: only documents that contain a token of the query are
results, ties are in document order, and an empty corpus is no error.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from fedenv.webshop.index import Postings, first_seen
from fedenv.webshop.pruning import TermList, pruned_top
from fedenv.webshop.rows import Row, RowCache, best, checked_mask, checked_number

_LARGEST = 1e300  # above it, a product of parameter and frequency is no float any more
_DENSE = 6  # a term in more than one of so many documents has a dense row
_LONG = 1_000  # from this length on, ufunc.at is faster than a fancy index
_COUNTED = 10_000  # from this length on, a masked view remembers how many documents it keeps
_MEBIBYTE = 2**20

PRUNED_FROM = 100_000
"""The number of documents from which on searches are pruned."""


_ROWS = RowCache(16 * _MEBIBYTE)  # shared by the views of the process
_serials = itertools.count()


class OkapiView:
    """One client's BM25 Okapi over shared postings.

    The view of a client who keeps only some documents has the statistics (N, df, avgdl, idf) of
    an index of those documents alone, while the document numbers stay those of the postings. A
    view costs its mask (a byte per document) and 8 bytes per token of the longest document; the
    rows of terms are computed when asked for and kept in a cache that all views share. From
    ``PRUNED_FROM`` documents on only frequent terms have rows (:mod:`fedenv.webshop.pruning`).
    Views may be used by several threads, and pickled.

    Args:
        postings: The shared index.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        epsilon: What replaces a negative idf, in units of the mean idf; at least 0.
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: A parameter is out of range, or the mask does not fit the postings.
    """

    __slots__ = (
        *("_floor", "_idfs", "_key", "_mask", "_norms"),
        *("b", "epsilon", "k1", "num_kept", "postings"),
    )

    def __init__(
        self,
        postings: Postings,
        k1: float = 1.2,
        b: float = 0.75,
        epsilon: float = 0.25,
        mask: np.ndarray | None = None,
    ) -> None:
        self.postings = postings
        self.k1 = checked_number("k1", k1, _LARGEST)
        self.b = checked_number("b", b, 1.0)
        self.epsilon = checked_number("epsilon", epsilon, _LARGEST)
        self._mask = None if mask is None else checked_mask(mask, postings.num_documents)
        self._key = next(_serials)
        _ROWS.grow(min(160 * 8 * postings.num_documents, 64 * _MEBIBYTE))
        self._floor: float | None = None
        self._idfs: dict[int, float] = {}

        lengths = postings.doc_lengths
        kept = lengths if self._mask is None else lengths[self._mask]
        self.num_kept = len(kept)
        total = int(kept.sum())
        self._norms: np.ndarray | None = None
        if total:
            average = total / self.num_kept
            every = np.arange(int(lengths.max()) + 1)
            self._norms = self.k1 * (1 - self.b + self.b * every / average)

    def __reduce__(self) -> tuple[object, ...]:
        return OkapiView, (self.postings, self.k1, self.b, self.epsilon, self._mask)

    def top(self, tokens: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best matches among the documents that contain a token of the query.

        Args:
            tokens: The query, with repetition; unknown tokens match nothing.
            n: Largest number of results; none for n <= 0.

        Returns:
            Document numbers (int64) and scores (float64), by descending score, equal scores by
            ascending document number.
        """
        terms = self._terms(tokens) if n > 0 else []
        if terms and self.postings.num_documents >= PRUNED_FROM:
            lists = {term: self._term_list(term) for term in terms}
            if all(one.bound > 0 for one in lists.values()):
                return pruned_top([lists[t] for t in terms], n, self.postings.num_documents)
        rows = [self._row(term) for term in terms]
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty(0)
        scores = self._sum(rows)
        above = 0.0
        if not all(row.positive for row in rows):
            scores[~self._matches(terms)] = above = -np.inf
        docs = best(scores, n, above)
        return docs.astype(np.int64, copy=False), scores[docs]

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the score of every document, float64; zero where none of the tokens occurs."""
        return self._sum([self._row(term) for term in self._terms(tokens)])

    def _terms(self, tokens: Sequence[str]) -> list[int]:
        """Return the ids of the known tokens, in order and with repetition."""
        if self._norms is None:
            return []
        get = self.postings.vocabulary.get
        return [term for term in map(get, tokens) if term is not None]

    def _idf(self, df: int) -> float:
        idf = math.log(self.num_kept - df + 0.5) - math.log(df + 0.5)
        return idf if idf >= 0 else self._negative_idf()

    def _negative_idf(self) -> float:
        """Return what replaces a negative idf: epsilon times the mean idf of the kept words."""
        if self._floor is None:
            postings = self.postings
            num_terms = len(postings.vocabulary)
            if self._mask is None:
                df = np.diff(postings.indptr)
                order = postings.first_seen
            else:
                df = np.zeros(num_terms, dtype=np.int64)
                for terms in postings.kept_terms(self._mask):
                    df += np.bincount(terms, minlength=num_terms)
                order = first_seen(postings.kept_terms(self._mask), num_terms)
            values, which = np.unique(df[order], return_inverse=True)
            n = self.num_kept
            idfs = [math.log(n - v + 0.5) - math.log(v + 0.5) for v in values.tolist()]
            total = np.cumsum(np.array(idfs)[which])[-1]  # one after the other, unlike sum()
            self._floor = self.epsilon * (float(total) / len(order))
        return self._floor

    def _row(self, term: int) -> Row:
        row = _ROWS.get((self._key, term))
        if row is None:
            row = self._new_row(term)
            _ROWS.put((self._key, term), row)
        return row

    def _new_row(self, term: int) -> Row:
        postings = self.postings
        span = slice(postings.indptr[term], postings.indptr[term + 1])
        docs = postings.docs[span].astype(np.intp, copy=False)
        idf = self._term_idf(term, docs)
        weights = self._weights(docs, postings.freqs[span], idf)
        if len(docs) * _DENSE <= postings.num_documents:
            return Row(docs, weights, idf > 0)
        dense = np.zeros(postings.num_documents)
        dense[docs] = weights
        return Row(None, dense, idf > 0)

    def _term_idf(self, term: int, docs: np.ndarray) -> float:
        if self._mask is None:
            return self._idf(len(docs))
        if term in self._idfs:
            return self._idfs[term]
        idf = self._idf(int(np.count_nonzero(self._mask[docs])))
        if len(docs) >= _COUNTED:
            self._idfs[term] = idf
        return idf

    def _weights(self, docs: np.ndarray, freqs: np.ndarray, idf: float) -> np.ndarray:
        """Return what a term adds to some documents that contain it; zero to those not kept."""
        assert self._norms is not None
        weights: np.ndarray = freqs * (self.k1 + 1)
        weights /= self._norms.take(self.postings.doc_lengths.take(docs)) + freqs
        weights *= idf
        if self._mask is not None:
            weights *= self._mask.take(docs)
        return weights

    def _term_list(self, term: int) -> TermList:
        postings = self.postings
        span = slice(postings.indptr[term], postings.indptr[term + 1])
        docs = postings.docs[span]
        idf = self._term_idf(term, docs)
        bound, weigh = idf * (self.k1 + 1), partial(self._weights, idf=idf)
        if len(docs) * _DENSE <= postings.num_documents:
            return TermList(docs, postings.freqs[span], bound, weigh)
        row = _ROWS.get((self._key, term))
        known = None if row is None else row.weights
        read = partial(self._dense_row, term)
        return TermList(docs, postings.freqs[span], bound, weigh, read, known)

    def _dense_row(self, term: int) -> np.ndarray:
        return self._row(term).weights

    def _sum(self, rows: Sequence[Row]) -> np.ndarray:
        scores = np.zeros(self.postings.num_documents)
        for docs, weights, _ in rows:
            if docs is None:
                scores += weights
            elif len(docs) < _LONG:
                scores[docs] += weights
            else:
                np.add.at(scores, docs, weights)
        return scores

    def _matches(self, terms: Sequence[int]) -> np.ndarray:
        """Return which kept documents contain one of the terms, boolean."""
        postings = self.postings
        matches = np.zeros(postings.num_documents, dtype=bool)
        for term in terms:
            matches[postings.docs[postings.indptr[term] : postings.indptr[term + 1]]] = True
        return matches if self._mask is None else matches & self._mask
