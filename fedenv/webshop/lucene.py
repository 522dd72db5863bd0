"""Stage 3 of the shop: Lucene's BM25 over shared postings, to the last bit of its floats.

The scores are those of ``BM25Similarity`` in Lucene 9 (Robertson and Zaragoza 2009, "The
Probabilistic Relevance Framework: BM25 and Beyond", without the factor k1 + 1, which changes no
order). With N documents that have a token, a term in df of them:

* ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``, rounded to float32; never negative;
* the weight of a term that occurs tf times in a document of length dl is ``w - w / (1 + tf * c)``
  in float32, with ``w = boost * idf``, where boost counts the term in the query, and
  ``c = 1 / (k1 * ((1 - b) + b * dl / avgdl))``;
* dl is the length as Lucene stores it in one byte: exact below 40, above it rounded down to four
  significant bits (``SmallFloat.intToByte4``); avgdl comes from the exact lengths;
* the weights of a document's terms are summed in float64, and the sum is rounded to float32.

Equal scores are in document order.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from fedenv.webshop.index import Postings
from fedenv.webshop.rows import Row, RowCache, best, checked_mask, checked_number

_LARGEST = 1e30  # float32 holds its square root's products
_DENSE = 6  # a term in more than one of so many documents has a dense row
_EXACT = 24  # lengths below it have a code of their own
_MEBIBYTE = 2**20
_ROWS = RowCache(16 * _MEBIBYTE)  # shared by the views of the process
_serials = itertools.count()


def _decoded_lengths() -> np.ndarray:
    """Return the 256 lengths that Lucene's one-byte code can hold, ascending, int64."""
    codes = range(256 - _EXACT)
    floats = [c & 7 if c < 8 else (c & 7 | 8) << (c >> 3) - 1 for c in codes]
    return np.array([*range(_EXACT), *(_EXACT + value for value in floats)], dtype=np.int64)


LENGTHS = _decoded_lengths()
"""What a document's length can be once Lucene has stored it; int64, shape (256,)."""
LENGTHS.setflags(write=False)


def length_codes(lengths: np.ndarray) -> np.ndarray:
    """Return Lucene's code of each document length: the largest of ``LENGTHS`` not above it.

    Args:
        lengths: Numbers of tokens, non-negative integers.
    """
    return np.searchsorted(LENGTHS, lengths, side="right") - 1


class LuceneView:
    """One client's Lucene BM25 over shared postings.

    The view of a client who keeps only some documents has the statistics (N, df, avgdl) of an
    index of those documents alone, while the document numbers stay those of the postings. A view
    costs 4 bytes per document; rows of terms are computed when asked for and kept in a cache that
    all views share. Views may be used by several threads, and pickled.

    Args:
        postings: The shared index.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: A parameter is out of range, or the mask does not fit the postings.
    """

    __slots__ = ("_inverse", "_key", "_mask", "b", "k1", "num_kept", "postings")

    def __init__(
        self,
        postings: Postings,
        k1: float = 0.9,
        b: float = 0.4,
        mask: np.ndarray | None = None,
    ) -> None:
        self.postings = postings
        self.k1 = checked_number("k1", k1, _LARGEST)
        self.b = checked_number("b", b, 1.0)
        self._mask = None if mask is None else checked_mask(mask, postings.num_documents)
        self._key = next(_serials)
        _ROWS.grow(min(160 * 8 * postings.num_documents, 64 * _MEBIBYTE))

        lengths = postings.doc_lengths
        kept = lengths if self._mask is None else lengths[self._mask]
        self.num_kept = int(np.count_nonzero(kept))
        self._inverse: np.ndarray | None = None
        if self.num_kept:
            average = np.float32(int(kept.sum()) / self.num_kept)
            inverse = _inverse_norms(np.float32(self.k1), np.float32(self.b), average)
            self._inverse = inverse[length_codes(lengths)]
            if self._mask is not None:
                self._inverse[~self._mask] = 0.0  # so that their weights are zero

    def __reduce__(self) -> tuple[object, ...]:
        return LuceneView, (self.postings, self.k1, self.b, self._mask)

    def top(self, tokens: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best matches among the documents that contain a token of the query.

        Args:
            tokens: The query, with repetition; unknown tokens match nothing.
            n: Largest number of results; none for n <= 0.

        Returns:
            Document numbers (int64) and scores (float64 with the value of a float32), by
            descending score, equal scores by ascending document number.
        """
        terms = self._terms(tokens) if n > 0 else {}
        rows = [self._row(term, boost) for term, boost in terms.items()]
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty(0)
        scores = self._sum(rows)
        above = 0.0
        if not all(row.positive for row in rows):
            scores[~self._matches(terms)] = above = -np.inf
        docs = best(scores, n, above)
        return docs.astype(np.int64, copy=False), scores[docs].astype(np.float64)

    def scores(self, tokens: Sequence[str]) -> np.ndarray:
        """Return the score of every document, float32; zero where none of the tokens occurs."""
        return self._sum([self._row(term, boost) for term, boost in self._terms(tokens).items()])

    def _terms(self, tokens: Sequence[str]) -> dict[int, int]:
        """Return how often each known term occurs in the query, in order of first occurrence."""
        if self._inverse is None:
            return {}
        ids = map(self.postings.vocabulary.get, tokens)
        return dict(Counter(term for term in ids if term is not None))

    def _row(self, term: int, boost: int) -> Row:
        if boost > 1:
            return self._new_row(term, boost)
        row = _ROWS.get((self._key, term))
        if row is None:
            row = self._new_row(term, boost)
            _ROWS.put((self._key, term), row)
        return row

    def _new_row(self, term: int, boost: int) -> Row:
        assert self._inverse is not None
        postings = self.postings
        span = slice(postings.indptr[term], postings.indptr[term + 1])
        docs, freqs = postings.docs[span], postings.freqs[span]
        kept = slice(None) if self._mask is None else self._mask[docs]
        df = len(docs[kept])
        idf = np.float32(math.log(1 + (self.num_kept - df + 0.5) / (df + 0.5)))
        weight = np.float32(boost) * idf
        # freq * inf is inf (k1 = 0), and the whole weight remains.
        saturation = np.float32(1) + freqs.astype(np.float32) * self._inverse.take(docs)
        weights = (weight - weight / saturation).astype(np.float64)
        positive = bool((weights[kept] > 0).all())
        if len(docs) * _DENSE <= postings.num_documents:
            return Row(docs, weights, positive)
        dense = np.zeros(postings.num_documents)
        dense[docs] = weights
        return Row(None, dense, positive)

    def _sum(self, rows: Sequence[Row]) -> np.ndarray:
        scores = np.zeros(self.postings.num_documents)
        for docs, weights, _ in rows:
            if docs is None:
                scores += weights
            else:
                scores[docs] += weights
        return scores.astype(np.float32)

    def _matches(self, terms: dict[int, int]) -> np.ndarray:
        """Return which kept documents contain one of the terms, boolean."""
        postings = self.postings
        matches = np.zeros(postings.num_documents, dtype=bool)
        for term in terms:
            matches[postings.docs[postings.indptr[term] : postings.indptr[term + 1]]] = True
        return matches if self._mask is None else matches & self._mask


def _inverse_norms(k1: np.float32, b: np.float32, average: np.float32) -> np.ndarray:
    """Return the factor of tf by length code, float32, in Lucene's order of operations."""
    one = np.float32(1)
    norms = k1 * ((one - b) + b * LENGTHS.astype(np.float32) / average)
    with np.errstate(divide="ignore"):
        inverse: np.ndarray = one / norms
    return inverse
