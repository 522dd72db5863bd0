"""Stage 3 of the shop: Lucene's BM25 over shared postings, to the last bit of its floats.

The scores are those of ``BM25Similarity`` in Lucene 9 (Robertson and Zaragoza 2009, "The
Probabilistic Relevance Framework: BM25 and Beyond", without the factor k1 + 1, which changes no
order). With N documents that have a token, a term in df of them:

* ``idf = ln(1 + (N - df + 0.5) / (df + 0.5))``, rounded to float32; never negative;
* the weight of a term that occurs tf times in a document of length dl is ``w - w / (1 + tf * c)``
  in float32, with ``w = boost * idf``, where boost counts the term in the query, and
  ``c = 1 / (k1 * ((1 - b) + b * dl / avgdl))``;
* dl is the length as Lucene stores it in one byte (:mod:`fedenv.webshop.lengths`); avgdl comes
  from the exact lengths;
* the weights of a document's terms are summed in float64, and the sum is rounded to float32.

Equal scores are in document order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from fedenv.webshop.index import Postings
from fedenv.webshop.lengths import LENGTHS
from fedenv.webshop.rows import checked_number
from fedenv.webshop.views import Asked, Factor, View

_LARGEST = 1e30  # float32 holds its square root's products
_ONE = np.float32(1)


class LuceneView(View):
    """One client's Lucene BM25 over shared postings.

    A view costs its mask (a byte per document); the lengths' codes, another byte, are shared.

    Args:
        postings: The shared index.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: A parameter is out of range, or the mask does not fit the postings.
    """

    __slots__ = ("_inverse", "_smallest", "b", "k1", "num_kept")

    precision = np.float32

    def __init__(
        self,
        postings: Postings,
        k1: float = 0.9,
        b: float = 0.4,
        mask: np.ndarray | None = None,
    ) -> None:
        super().__init__(postings, mask)
        self.k1 = checked_number("k1", k1, _LARGEST)
        self.b = checked_number("b", b, 1.0)
        lengths = postings.doc_lengths
        kept = lengths if self._mask is None else lengths[self._mask]
        self.num_kept = int(np.count_nonzero(kept))
        self._inverse: np.ndarray | None = None
        if self.num_kept:
            average = np.float32(int(kept.sum()) / self.num_kept)
            self._inverse = _inverse_norms(np.float32(self.k1), np.float32(self.b), average)
            self._smallest = self._inverse[int(postings.length_codes.max())]

    def __reduce__(self) -> tuple[object, ...]:
        return LuceneView, (self.postings, self.k1, self.b, self._mask)

    def _asked(self, tokens: Sequence[str]) -> list[Asked]:
        """Return how often each known term occurs in the query, in order of first occurrence."""
        if self._inverse is None:
            return []
        ids = map(self.postings.vocabulary.get, tokens)
        return list(Counter(term for term in ids if term is not None).items())

    def _factor(self, df: int, times: int) -> Factor:
        idf = np.float32(math.log(1 + (self.num_kept - df + 0.5) / (df + 0.5)))
        return np.float32(times) * idf

    def _weights(self, docs: np.ndarray, freqs: np.ndarray, factor: Factor) -> np.ndarray:
        assert self._inverse is not None
        # freq * inf is inf (k1 = 0), and the whole weight remains.
        norms = self._inverse.take(self.postings.length_codes.take(docs))
        norms *= freqs.astype(np.float32)
        norms += _ONE
        weights = (factor - factor / norms).astype(np.float64)
        if self._mask is not None:
            weights *= self._mask.take(docs)
        return weights

    def _bound(self, factor: Factor) -> float:
        # One occurrence in a document of the largest length weighs least.
        return float(factor) if factor - factor / (_ONE + self._smallest) > 0 else 0.0


def _inverse_norms(k1: np.float32, b: np.float32, average: np.float32) -> np.ndarray:
    """Return the factor of tf by length code, float32, in Lucene's order of operations."""
    norms = k1 * ((_ONE - b) + b * LENGTHS.astype(np.float32) / average)
    with np.errstate(divide="ignore"):
        inverse: np.ndarray = _ONE / norms
    return inverse
