"""Search over plain texts: index and scoring behind one small object."""

from __future__ import annotations

from collections.abc import Iterable

from fedenv.errors import unknown_name
from fedenv.webshop.index import Postings, tokenize
from fedenv.webshop.scoring import OkapiView

ENGINES = ("okapi",)
"""Legal names of retrieval engines."""


class SearchEngine:
    """A ranked full-text search, for use outside the shop.

    Example:
        >>> engine = SearchEngine.from_texts(["a red shoe", "a blue shoe", "a hat", "a map"])
        >>> [document for document, score in engine.search("blue shoe", 10)]
        [1, 0]
    """

    __slots__ = ("_tokenizer", "_view")

    def __init__(self, view: OkapiView, tokenizer: str) -> None:
        self._view = view
        self._tokenizer = tokenizer

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        engine: str = "okapi",
        k1: float = 1.2,
        b: float = 0.75,
        tokenizer: str = "word",
        epsilon: float = 0.25,
    ) -> SearchEngine:
        """Index the texts.

        Args:
            texts: One string per document.
            engine: ``"okapi"``, bit-equal to rank_bm25's ``BM25Okapi``.
            k1: Term saturation, at least 0.
            b: Length normalisation in [0, 1].
            tokenizer: ``"word"`` or ``"whitespace"``, for texts and queries.
            epsilon: What replaces a negative idf, in units of the mean idf; at least 0.

        Raises:
            ConfigError: A name is unknown or a number out of range.
        """
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        view = OkapiView(Postings.from_texts(texts, tokenizer), k1=k1, b=b, epsilon=epsilon)
        return cls(view, tokenizer)

    def search(self, query: str, n: int) -> list[tuple[int, float]]:
        """Return the documents that contain a token of the query, best first.

        Args:
            query: Any string.
            n: Largest number of results.

        Returns:
            Pairs (document number, score), equal scores by ascending document number.
        """
        docs, scores = self._view.top(tokenize(query, self._tokenizer), n)
        return list(zip(docs.tolist(), scores.tolist(), strict=True))
