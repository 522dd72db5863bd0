"""Postings of many documents, inverted block by block so that memory stays bounded.

Each block of documents is inverted by itself; its pairs wait (on disk, when an index is saved)
until the document frequencies of all blocks are known, and are then copied to their final places.
The result is the same as that of inverting everything at once.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from fedenv.webshop.arrays import ArrayWriter, load_array
from fedenv.webshop.index import Postings, Tokens, invert

BLOCK_DOCUMENTS = 32_768


class Place(Protocol):
    """Where the arrays of an inversion lie."""

    def keep(self, array: np.ndarray) -> np.ndarray:
        """Return the same values, wherever they wait for their turn."""

    def empty(self, name: str, size: int, dtype: type[np.generic]) -> np.ndarray:
        """Return a new array that is part of the result."""


class Memory:
    """Everything in memory."""

    def keep(self, array: np.ndarray) -> np.ndarray:
        """Return the array."""
        return array

    def empty(self, name: str, size: int, dtype: type[np.generic]) -> np.ndarray:
        """Return a new array."""
        return np.empty(size, dtype=dtype)


class Folder:
    """The result in ``.npy`` files of a folder, what waits in files beside them.

    Args:
        folder: Where the result goes.
        waiting: A folder for what waits; its files may be deleted afterwards.
    """

    def __init__(self, folder: Path, waiting: Path) -> None:
        self._folder = folder
        self._waiting = waiting

    def keep(self, array: np.ndarray) -> np.ndarray:
        """Return the values, memory-mapped."""
        with tempfile.NamedTemporaryFile(dir=self._waiting, suffix=".npy", delete=False) as file:
            np.save(file, array)
        return load_array(Path(file.name))

    def empty(self, name: str, size: int, dtype: type[np.generic]) -> np.ndarray:
        """Return a new memory-mapped array."""
        path = self._folder / f"{name}.npy"
        if not size:
            with ArrayWriter(path, dtype):
                return np.empty(0, dtype=dtype)
        made: np.ndarray = np.lib.format.open_memmap(path, "w+", np.dtype(dtype), (size,))
        return made


def block_tokens(tokens: Tokens, start: int, stop: int) -> Tokens:
    """Return the tokens of the documents ``start:stop``."""
    ends = tokens.indptr[start : stop + 1]
    return Tokens(ends - ends[0], np.asarray(tokens.ids[ends[0] : ends[-1]]))


def document_blocks(num_documents: int) -> Iterator[tuple[int, int]]:
    """Yield first and last + 1 of each block of documents."""
    for start in range(0, num_documents, BLOCK_DOCUMENTS):
        yield start, min(start + BLOCK_DOCUMENTS, num_documents)


def invert_blocks(
    vocabulary: Mapping[str, int], blocks: Iterable[Tokens], place: Place
) -> Postings:
    """Return the postings of documents that come in blocks.

    Args:
        vocabulary: Number of each term; must be complete when the last block has come.
        blocks: The tokens of consecutive documents.
        place: Where the result lies; its document numbers are int32, to halve the largest array.
    """
    waiting: deque[tuple[np.ndarray, ...]] = deque()
    lengths: list[np.ndarray] = []
    sizes: list[np.ndarray] = []
    num_documents = 0
    for block in blocks:
        part = invert({}, block, num_terms=int(block.ids.max(initial=-1)) + 1)
        counts = np.diff(part.indptr)
        docs = (part.docs + num_documents).astype(np.int32)
        terms = np.flatnonzero(counts)
        arrays = (terms, counts[terms], docs, part.freqs, part.doc_terms)
        waiting.append(tuple(map(place.keep, arrays)))
        lengths.append(part.doc_lengths)
        sizes.append(np.diff(part.doc_indptr))
        num_documents += part.num_documents
    frequency = np.zeros(len(vocabulary), dtype=np.int64)
    for terms, counts, *_ in waiting:
        frequency[terms] += counts
    pairs = int(frequency.sum())
    indptr = place.empty("indptr", len(frequency) + 1, np.int64)
    indptr[0] = 0
    np.cumsum(frequency, out=indptr[1:])
    doc_indptr = place.empty("doc_indptr", num_documents + 1, np.int64)
    doc_indptr[0] = 0
    np.cumsum(np.concatenate([*sizes, np.empty(0, np.int64)]), out=doc_indptr[1:])
    doc_lengths = place.empty("doc_lengths", num_documents, np.int64)
    doc_lengths[:] = np.concatenate([*lengths, np.empty(0, np.int64)])
    docs = place.empty("docs", pairs, np.int32)
    freqs = place.empty("freqs", pairs, np.int32)
    doc_terms = place.empty("doc_terms", pairs, np.int32)
    following = indptr[:-1].copy()
    done = 0
    while waiting:  # a block that is in its place is let go, with the memory it is mapped to
        terms, counts, part_docs, part_freqs, part_terms = waiting.popleft()
        starts = np.cumsum(counts) - counts
        target = np.repeat(following[terms] - starts, counts)
        target += np.arange(len(target))
        docs[target] = part_docs
        freqs[target] = part_freqs
        following[terms] += counts
        doc_terms[done : done + len(part_terms)] = part_terms
        done += len(part_terms)
    return Postings(vocabulary, doc_indptr, doc_terms, indptr, docs, freqs, doc_lengths)
