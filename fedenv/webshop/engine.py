"""Retrieval engines by name, and search over plain texts: index and scoring behind one object."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fedenv.errors import ConfigError, unknown_name
from fedenv.webshop.index import Postings, tokenize
from fedenv.webshop.lucene import LuceneView
from fedenv.webshop.scoring import OkapiView


class Scorer(Protocol):
    """Stage 3 over one client's view of the index."""

    def top(self, tokens: list[str], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return indices and scores of the best matches, best first, ties by product order."""


@dataclass(frozen=True)
class Engine:
    """What a retrieval engine uses unless it is told otherwise.

    Attributes:
        tokenizer: How texts become tokens.
        k1: BM25 term saturation.
        b: BM25 length normalisation.
    """

    tokenizer: str
    k1: float
    b: float


ENGINES: Mapping[str, Engine] = {
    "okapi": Engine("word", 1.2, 0.75),
    "lucene": Engine("english", 0.9, 0.4),
    "pyserini": Engine("english", 0.9, 0.4),
}
"""Retrieval engines: rank_bm25's Okapi, Lucene's BM25 in NumPy, and Lucene itself."""


def check_engine(engine: str, tokenizer: str) -> None:
    """Check that an engine exists and takes a tokenizer.

    Raises:
        ConfigError: The engine is unknown, or analyses texts by itself and in one way only.
    """
    if engine not in ENGINES:
        raise unknown_name("engine", engine, ENGINES)
    if engine == "pyserini" and tokenizer != "english":
        raise ConfigError(
            f"engine 'pyserini' analyses texts by itself: tokenizer must be 'english', "
            f"got {tokenizer!r}; engine 'lucene' takes any tokenizer"
        )


def query_tokens(engine: str, tokenizer: str, query: str) -> list[str]:
    """Return what a scorer of an engine is asked for a query."""
    return [query] if engine == "pyserini" else tokenize(query, tokenizer)


def open_scorer(
    engine: str,
    documents: Postings | Sequence[str],
    k1: float,
    b: float,
    mask: np.ndarray | None = None,
    epsilon: float = 0.25,
) -> Scorer:
    """Return an engine's view of documents.

    Args:
        engine: Name in ``ENGINES``.
        documents: The postings; for ``"pyserini"`` the texts.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        mask: Boolean, shape (number of documents,): the documents kept; None for all.
        epsilon: Okapi only: what replaces a negative idf, in units of the mean idf.

    Raises:
        ConfigError: A name is unknown or a number out of range.
    """
    if isinstance(documents, Postings):
        if engine == "lucene":
            return LuceneView(documents, k1=k1, b=b, mask=mask)
        return OkapiView(documents, k1=k1, b=b, epsilon=epsilon, mask=mask)
    from fedenv.webshop.pyserini import PyseriniView

    return PyseriniView(documents, k1=k1, b=b, mask=mask)


class SearchEngine:
    """A ranked full-text search, for use outside the shop.

    Example:
        >>> engine = SearchEngine.from_texts(["a red shoe", "a blue shoe", "a hat", "a map"])
        >>> [document for document, score in engine.search("blue shoe", 10)]
        [1, 0]
    """

    __slots__ = ("_engine", "_tokenizer", "_view")

    def __init__(self, view: Scorer, engine: str, tokenizer: str) -> None:
        self._view = view
        self._engine = engine
        self._tokenizer = tokenizer

    @classmethod
    def from_texts(
        cls,
        texts: Iterable[str],
        engine: str = "okapi",
        k1: float | None = None,
        b: float | None = None,
        tokenizer: str | None = None,
        epsilon: float = 0.25,
    ) -> SearchEngine:
        """Index the texts.

        Args:
            texts: One string per document.
            engine: ``"okapi"``, bit-equal to rank_bm25's ``BM25Okapi``; ``"lucene"``, equal to
                Lucene's ``BM25Similarity``; ``"pyserini"``, Lucene itself (extra ``lucene``).
            k1: Term saturation, at least 0; None for the engine's own (1.2; Lucene 0.9).
            b: Length normalisation in [0, 1]; None for the engine's own (0.75; Lucene 0.4).
            tokenizer: ``"word"``, ``"whitespace"`` or ``"english"``, for texts and queries; None
                for the engine's own (``"word"``; Lucene ``"english"``).
            epsilon: Okapi only: what replaces a negative idf, in units of the mean idf; at
                least 0.

        Raises:
            ConfigError: A name is unknown or a number out of range.
        """
        if engine not in ENGINES:
            raise unknown_name("engine", engine, ENGINES)
        own = ENGINES[engine]
        k1 = own.k1 if k1 is None else k1
        b = own.b if b is None else b
        tokenizer = own.tokenizer if tokenizer is None else tokenizer
        check_engine(engine, tokenizer)
        documents: Postings | list[str] = (
            list(texts) if engine == "pyserini" else Postings.from_texts(texts, tokenizer)
        )
        view = open_scorer(engine, documents, k1, b, epsilon=epsilon)
        return cls(view, engine, tokenizer)

    def search(self, query: str, n: int) -> list[tuple[int, float]]:
        """Return the documents that contain a token of the query, best first.

        Args:
            query: Any string.
            n: Largest number of results.

        Returns:
            Pairs (document number, score), equal scores by ascending document number.
        """
        docs, scores = self._view.top(query_tokens(self._engine, self._tokenizer, query), n)
        return list(zip(docs.tolist(), scores.tolist(), strict=True))
