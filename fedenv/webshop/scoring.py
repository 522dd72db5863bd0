"""Stage 3 of the shop: BM25 Okapi over shared postings, as exact as the reference and fast.

The scores are those of ``BM25Okapi`` in the package rank_bm25 (ATIRE BM25 of Trotman, Puurula
and Burgess 2014, "Improvements to BM25 and Language Models Examined"), to the last bit:

* ``idf = ln(N - df + 0.5) - ln(df + 0.5)``; a negative one is replaced by epsilon times the
  mean idf, which is summed before any replacement in the order in which the corpus first uses
  the words;
* ``score = sum of idf * (tf * (k1 + 1) / (tf + k1 * (1 - b + b * dl / avgdl)))`` over the query
  tokens in order and with repetition, in float64 and in this very order of operations.

Documents without a token add exactly zero there, so that a *row* per token, its weight in the
documents that contain it, is all that has to be added up (:mod:`fedenv.webshop.views`). What
differs from the reference: only documents that contain a token of the query are results, ties are
in document order, and an empty corpus is no error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedenv.webshop.index import Postings, first_seen
from fedenv.webshop.rows import checked_number
from fedenv.webshop.views import Asked, Factor, View

_LARGEST = 1e300  # above it, a product of parameter and frequency is no float any more


class OkapiView(View):
    """One client's BM25 Okapi over shared postings.

    A view costs its mask (a byte per document) and 8 bytes per token of the longest document.

    Args:
        postings: The shared index.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        epsilon: What replaces a negative idf, in units of the mean idf; at least 0.
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: A parameter is out of range, or the mask does not fit the postings.
    """

    __slots__ = ("_floor", "_norms", "b", "epsilon", "k1", "num_kept")

    precision = np.float64

    def __init__(
        self,
        postings: Postings,
        k1: float = 1.2,
        b: float = 0.75,
        epsilon: float = 0.25,
        mask: np.ndarray | None = None,
    ) -> None:
        super().__init__(postings, mask)
        self.k1 = checked_number("k1", k1, _LARGEST)
        self.b = checked_number("b", b, 1.0)
        self.epsilon = checked_number("epsilon", epsilon, _LARGEST)
        self._floor: float | None = None

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

    def _asked(self, tokens: Sequence[str]) -> list[Asked]:
        if self._norms is None:
            return []
        get = self.postings.vocabulary.get
        return [(term, 1) for term in map(get, tokens) if term is not None]

    def _factor(self, df: int, times: int) -> Factor:
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

    def _weights(self, docs: np.ndarray, freqs: np.ndarray, factor: Factor) -> np.ndarray:
        assert self._norms is not None
        weights: np.ndarray = freqs * (self.k1 + 1)
        weights /= self._norms.take(self.postings.doc_lengths.take(docs)) + freqs
        weights *= factor
        if self._mask is not None:
            weights *= self._mask.take(docs)
        return weights

    def _bound(self, factor: Factor) -> float:
        return float(factor) * (self.k1 + 1)
