"""The files of a saved index that one tokenizer makes: tokens of every field, words, postings.

Each saved tokenizer has a folder of its own. The tokens are written while the products are read;
the postings of one choice of fields, that of the engine the tokenizer belongs to, are inverted from
them block by block. The postings of other choices are merged from the tokens when asked for.
"""

from __future__ import annotations

import shutil
from array import array
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import numpy as np

from fedenv.family import Progress
from fedenv.webshop.arrays import ArrayWriter, TextList, load_array, write_texts
from fedenv.webshop.blocks import Folder, Memory, block_tokens, document_blocks, invert_blocks
from fedenv.webshop.index import FieldIndex, Postings, Tokens, concatenate, tokenize
from fedenv.webshop.pipeline import FIELDS, INDEX_FIELDS, SHOP_FIELDS

READY: Mapping[str, tuple[str, ...]] = {"word": FIELDS, "english": SHOP_FIELDS}
"""The tokenizers that are saved, and the fields whose postings are saved with each."""

_SAME_TEXT = {"Title": "name"}  # fields whose text is always that of another; stored once
_STORED = tuple(name for name in INDEX_FIELDS if name not in _SAME_TEXT)
_POSTINGS = ("doc_indptr", "doc_terms", "indptr", "docs", "freqs", "doc_lengths")
_DERIVED = ("first_seen", "length_codes")
_PIECES_KEPT = 2**20


class _Vocabulary(dict[str, int]):
    """Number of each token, in the order in which they are first looked up."""

    def __missing__(self, token: str) -> int:
        number = self[token] = len(self)
        return number


class _Numbering(dict[str, tuple[int, ...]]):
    """Numbers of the tokens of texts without a space; forgets all when full.

    No tokenizer finds a token that spans a space (other white space may join words), so a text is
    analysed piece by piece, and a piece that came before is not analysed again.
    """

    def __init__(self, tokenizer: str, vocabulary: _Vocabulary) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._vocabulary = vocabulary

    def __missing__(self, piece: str) -> tuple[int, ...]:
        if len(self) >= _PIECES_KEPT:
            self.clear()
        tokens = tokenize(piece, self._tokenizer)
        numbers = self[piece] = tuple(map(self._vocabulary.__getitem__, tokens))
        return numbers

    def of_text(self, text: str) -> array[int]:
        """Return the numbers of a text's tokens, in order."""
        return array("i", list(chain.from_iterable(map(self.__getitem__, text.split(" ")))))


class FieldWriter(ExitStack):
    """Takes the products one by one and writes their tokens; at the end the postings.

    Args:
        folder: Where to write; made here.
        tokenizer: Name in ``READY``.
    """

    def __init__(self, folder: Path, tokenizer: str) -> None:
        super().__init__()
        folder.mkdir()
        self._folder = folder
        self._tokenizer = tokenizer
        self._vocabulary = _Vocabulary()
        self._numbers = _Numbering(tokenizer, self._vocabulary)
        self.callback(self._numbers.clear)  # the postings need the memory
        self._ids = {name: self._array(f"tokens-{name}", np.int32) for name in _STORED}
        self._ends = {name: self._array(f"ends-{name}", np.int64) for name in _STORED}
        self._blank = {name: self._array(f"blank-{name}", np.bool_) for name in _STORED}
        for ends in self._ends.values():
            ends.extend(np.zeros(1, dtype=np.int64))

    def _array(self, name: str, dtype: type[np.generic]) -> ArrayWriter:
        return self.enter_context(ArrayWriter(self._folder / f"{name}.npy", dtype))

    def add(self, document: Mapping[str, tuple[str, ...]]) -> None:
        """Take the texts of the next product by field."""
        for name, ids in self._ids.items():
            text = " ".join(document[name])
            ids.extend(self._numbers.of_text(text))
            self._ends[name].extend(array("q", (ids.size,)))
            self._blank[name].extend(array("b", (not text.strip(),)))

    def finish(self, progress: Progress) -> None:
        """Write the vocabulary and the postings; the tokens must be closed."""
        folder, fields = self._folder, READY[self._tokenizer]
        write_texts(folder, "vocabulary", self._vocabulary)
        tokens, blank = _load(folder)
        num_documents = len(blank[fields[0]])

        def counted() -> Iterator[Tokens]:
            done = 0
            for block in _documents(tokens, blank, fields):
                yield block
                done += len(block.indptr) - 1
                progress(f"{self._tokenizer} postings", done, num_documents)

        waiting = folder / "waiting"
        waiting.mkdir()
        postings = invert_blocks(self._vocabulary, counted(), Folder(folder, waiting))
        shutil.rmtree(waiting)
        for name in _DERIVED:
            np.save(folder / f"{name}.npy", getattr(postings, name))


def open_fields(folder: Path, tokenizer: str) -> FieldIndex:
    """Return the memory-mapped content of a folder that ``FieldWriter`` wrote."""
    vocabulary = TextList(folder, "vocabulary")
    postings = Postings(vocabulary, *(load_array(folder / f"{name}.npy") for name in _POSTINGS))
    for name in _DERIVED:
        postings.__dict__[name] = load_array(folder / f"{name}.npy")
    ready = {READY[tokenizer]: postings}
    return _BlockIndex(vocabulary, *_load(folder), postings.num_documents, ready)


class _BlockIndex(FieldIndex):
    """Merges fields block by block, so that a choice of fields costs little more than it gives."""

    __slots__ = ()

    def _merge(self, fields: tuple[str, ...]) -> Postings:
        blocks = _documents(self._tokens, self._blank, fields)
        return invert_blocks(self._vocabulary, blocks, Memory())


def _load(folder: Path) -> tuple[dict[str, Tokens], dict[str, np.ndarray]]:
    """Return the tokens of every field, and which documents have no text in it."""

    def load(kind: str, name: str) -> np.ndarray:
        return load_array(folder / f"{kind}-{_SAME_TEXT.get(name, name)}.npy")

    tokens = {name: Tokens(load("ends", name), load("tokens", name)) for name in INDEX_FIELDS}
    return tokens, {name: load("blank", name) for name in INDEX_FIELDS}


def _documents(
    tokens: Mapping[str, Tokens], blank: Mapping[str, np.ndarray], fields: tuple[str, ...]
) -> Iterator[Tokens]:
    """Yield the tokens of the documents that the fields make up, block by block."""
    for start, stop in document_blocks(len(blank[fields[0]])):
        parts = [block_tokens(tokens[name], start, stop) for name in fields]
        empty = np.logical_and.reduce([blank[name][start:stop] for name in fields])
        if empty.any():
            parts.append(block_tokens(tokens["name"], start, stop).only(empty))
        yield concatenate(parts)
