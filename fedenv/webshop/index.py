"""Stage 2 of the shop: fields of a product, their tokens, and the postings a search reads.

A shop's products are tokenised once, field by field, against one vocabulary
(:class:`FieldIndex`). What a client indexes is a choice of fields; its :class:`Postings` are
merged from those of the fields without reading any text again, and all clients of a process
that chose the same fields share them.

Postings hold the same pairs (document, term) twice. *Document-major* with the terms of a
document in the order in which the document first uses them: that order, walked over the
documents, is the order in which BM25 Okapi sums its mean idf, so that a client who keeps only
some documents still gets the very floats of an index of its own. *Term-major* with ascending
documents: what scoring reads.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np

from fedenv.errors import ConfigError, unknown_name
from fedenv.webshop.analysis import english_tokens
from fedenv.webshop.lengths import length_codes

TOKENIZERS = ("word", "whitespace", "english")
"""Legal names of tokenizers."""

_WORDS = re.compile(r"\w+")
_BLOCK = 65_536  # documents that are looked at together where memory counts


def tokenize(text: str, tokenizer: str = "word") -> list[str]:
    """Return the tokens of a text, in order.

    Args:
        text: Any string.
        tokenizer: ``"word"`` for runs of word characters, ``"whitespace"`` for whatever stands
            between white space, both of the lower-cased text and without stemming or stop words;
            ``"english"`` for what Lucene's English analysis gives.

    Raises:
        ConfigError: The tokenizer is unknown.
    """
    if tokenizer == "word":
        return _WORDS.findall(text.lower())
    if tokenizer == "whitespace":
        return text.lower().split()
    if tokenizer == "english":
        return english_tokens(text)
    raise unknown_name("tokenizer", tokenizer, TOKENIZERS)


@dataclass(frozen=True, eq=False)
class Postings:
    """Which terms occur in which of D documents, and how often; read-only and shared.

    With V terms in the vocabulary and P distinct pairs (document, term):

    Attributes:
        vocabulary: Term id of each token, in ``[0, V)``; a term may occur in no document.
        doc_indptr: int64, shape (D + 1,): the pairs of document d are
            ``doc_terms[doc_indptr[d]:doc_indptr[d + 1]]``.
        doc_terms: int32, shape (P,): term ids, first use first within a document.
        indptr: int64, shape (V + 1,): the pairs of term t are at ``indptr[t]:indptr[t + 1]`` of
            ``docs`` and ``freqs``.
        docs: intp, shape (P,): document indices, ascending within a term (intp, because every
            other type is converted at each gather and costs three times the time; int32 in a
            saved index, where size counts more).
        freqs: int32, shape (P,): how often the term occurs in the document, at least 1.
        doc_lengths: int64, shape (D,): number of tokens of each document.
    """

    vocabulary: Mapping[str, int]
    doc_indptr: np.ndarray
    doc_terms: np.ndarray
    indptr: np.ndarray
    docs: np.ndarray
    freqs: np.ndarray
    doc_lengths: np.ndarray

    def __post_init__(self) -> None:
        for array in (self.doc_indptr, self.doc_terms, self.indptr, self.docs, self.freqs):
            array.setflags(write=False)
        self.doc_lengths.setflags(write=False)

    def __reduce__(self) -> tuple[object, ...]:
        arrays = (self.doc_indptr, self.doc_terms, self.indptr, self.docs, self.freqs)
        return Postings, (self.vocabulary, *arrays, self.doc_lengths)

    @classmethod
    def from_token_lists(cls, token_lists: Iterable[Sequence[str]]) -> Postings:
        """Index documents that are given as tokens.

        Args:
            token_lists: The tokens of each document, in document order.
        """
        vocabulary: dict[str, int] = {}
        ids = [[vocabulary.setdefault(t, len(vocabulary)) for t in ts] for ts in token_lists]
        return invert(vocabulary, Tokens.from_lists(ids))

    @classmethod
    def from_texts(cls, texts: Iterable[str], tokenizer: str = "word") -> Postings:
        """Index documents that are given as text.

        Args:
            texts: One string per document.
            tokenizer: ``"word"``, ``"whitespace"`` or ``"english"``.

        Raises:
            ConfigError: The tokenizer is unknown.
        """
        if tokenizer not in TOKENIZERS:
            raise unknown_name("tokenizer", tokenizer, TOKENIZERS)
        return cls.from_token_lists(tokenize(text, tokenizer) for text in texts)

    @property
    def num_documents(self) -> int:
        """Number of documents, D."""
        return len(self.doc_lengths)

    @cached_property
    def first_seen(self) -> np.ndarray:
        """Ids of the terms that occur, int64, in the order of their first use in the corpus."""
        order = first_seen(self.kept_terms(None), len(self.vocabulary))
        order.setflags(write=False)
        return order

    @cached_property
    def length_codes(self) -> np.ndarray:
        """Lucene's code of each document's length, uint8, shape (D,)."""
        codes = length_codes(self.doc_lengths)
        codes.setflags(write=False)
        return codes

    def kept_terms(self, mask: np.ndarray | None) -> Iterator[np.ndarray]:
        """Yield ``doc_terms`` of the documents in a boolean mask, block by block in order."""
        for start in range(0, self.num_documents, _BLOCK):
            ends = self.doc_indptr[start : start + _BLOCK + 1]
            terms = self.doc_terms[ends[0] : ends[-1]]
            kept = None if mask is None else mask[start : start + _BLOCK]
            yield terms if kept is None else terms[np.repeat(kept, np.diff(ends))]


def first_seen(blocks: Iterable[np.ndarray], num_terms: int) -> np.ndarray:
    """Return the distinct ids in the order of their first occurrence.

    Args:
        blocks: Integer ids in ``[0, num_terms)``, one block after the other.
        num_terms: Number of ids.
    """
    seen = np.zeros(num_terms, dtype=bool)
    first = np.zeros(num_terms, dtype=np.int64)
    order = [np.empty(0, dtype=np.int64)]
    for block in blocks:
        terms = block[~seen[block]]
        position = np.arange(len(terms))
        first[terms[::-1]] = position[::-1]  # of equal indices the last assignment stays
        order.append(terms[first[terms] == position].astype(np.int64))
        seen[terms] = True
    return np.concatenate(order)


@dataclass(frozen=True)
class Tokens:
    """Term ids of the tokens of every document, one after the other.

    Attributes:
        indptr: int64, shape (D + 1,): the tokens of document d are ``ids[indptr[d]:indptr[d+1]]``.
        ids: int32, shape (number of tokens,).
    """

    indptr: np.ndarray
    ids: np.ndarray

    @classmethod
    def from_lists(cls, lists: Sequence[Sequence[int]]) -> Tokens:
        """Return the tokens of documents that are given as lists of ids."""
        indptr = _offsets(np.fromiter(map(len, lists), dtype=np.int64, count=len(lists)))
        ids = np.fromiter(chain.from_iterable(lists), dtype=np.int32, count=int(indptr[-1]))
        return cls(indptr, ids)

    def only(self, keep: np.ndarray) -> Tokens:
        """Return the same with every document outside the boolean mask emptied."""
        lengths = np.diff(self.indptr)
        return Tokens(_offsets(lengths * keep), self.ids[np.repeat(keep, lengths)])


def _offsets(counts: np.ndarray) -> np.ndarray:
    indptr = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=indptr[1:])
    return indptr


def concatenate(parts: Sequence[Tokens]) -> Tokens:
    """Return each document's tokens of all parts, in the order of the parts."""
    if len(parts) == 1:
        return parts[0]
    lengths = [np.diff(part.indptr) for part in parts]
    indptr = _offsets(np.sum(lengths, axis=0))
    ids = np.empty(indptr[-1], dtype=np.int32)
    start = indptr[:-1].copy()
    for part, length in zip(parts, lengths, strict=True):
        target = np.repeat(start - part.indptr[:-1], length)
        target += np.arange(len(target))
        ids[target] = part.ids
        start += length
    return Tokens(indptr, ids)


def _stable_order(ids: np.ndarray) -> np.ndarray:
    """Return the stable sorting order of ids in ``[0, 2**31)``, in linear time.

    NumPy's stable sort of 16-bit numbers is a radix sort; one pass per half sorts the rest.
    """
    order = np.argsort(ids.astype(np.uint16), kind="stable")
    high = (ids >> 16).astype(np.uint16)
    if high.any():
        order = order[np.argsort(high[order], kind="stable")]
    return order


def invert(vocabulary: Mapping[str, int], tokens: Tokens, num_terms: int | None = None) -> Postings:
    """Return the postings of tokenised documents.

    Args:
        vocabulary: Term id of each token.
        tokens: The documents.
        num_terms: Number of terms where the vocabulary is not complete yet.
    """
    num_terms = len(vocabulary) if num_terms is None else num_terms
    lengths = np.diff(tokens.indptr)
    owner = np.repeat(np.arange(len(lengths), dtype=np.intp), lengths)
    order = _stable_order(tokens.ids)  # by term, then by document, then by position
    terms, docs = tokens.ids[order], owner[order]
    new = np.ones(len(terms), dtype=bool)
    new[1:] = (terms[1:] != terms[:-1]) | (docs[1:] != docs[:-1])
    starts = np.flatnonzero(new)
    first = np.zeros(len(terms), dtype=bool)
    first[order[starts]] = True
    return Postings(
        vocabulary,
        doc_indptr=_offsets(np.bincount(owner[first], minlength=len(lengths))),
        doc_terms=tokens.ids[first],
        indptr=_offsets(np.bincount(terms[starts], minlength=num_terms)),
        docs=docs[starts],
        freqs=np.diff(starts, append=len(terms)).astype(np.int32),
        doc_lengths=lengths,
    )


def join_fields(
    documents: Iterable[Mapping[str, Sequence[str]]], fields: Sequence[str]
) -> list[str]:
    """Return the text of each document as :meth:`FieldIndex.postings` understands it.

    Args:
        documents: The texts of each document by field name.
        fields: Names of fields; what is blank in all of them is represented by ``"name"``.
    """

    def join(document: Mapping[str, Sequence[str]], names: Sequence[str]) -> str:
        return " ".join(text for name in names for text in document.get(name, ()))

    texts = ((document, join(document, fields)) for document in documents)
    return [text if text.strip() else join(document, ("name",)) for document, text in texts]


class FieldIndex:
    """The tokens of every field of every document; gives the postings of any choice of fields."""

    __slots__ = ("_blank", "_lock", "_num_documents", "_postings", "_tokens", "_vocabulary")

    def __init__(
        self,
        vocabulary: Mapping[str, int],
        tokens: Mapping[str, Tokens],
        blank: Mapping[str, np.ndarray],
        num_documents: int,
        ready: Mapping[tuple[str, ...], Postings] | None = None,
    ) -> None:
        self._vocabulary = vocabulary
        self._tokens = tokens
        self._blank = blank
        self._num_documents = num_documents
        self._postings: dict[tuple[str, ...], Postings] = dict(ready or {})
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[object, ...]:
        return FieldIndex, (self._vocabulary, self._tokens, self._blank, self._num_documents)

    @classmethod
    def build(
        cls, documents: Sequence[Mapping[str, Sequence[str]]], tokenizer: str = "word"
    ) -> FieldIndex:
        """Tokenise every field of every document once.

        Args:
            documents: The texts of each document by field name; a field that a document lacks
                is empty. The texts of one field are joined by one space.
            tokenizer: ``"word"``, ``"whitespace"`` or ``"english"``.

        Raises:
            ConfigError: The tokenizer is unknown.
        """
        if tokenizer not in TOKENIZERS:
            raise unknown_name("tokenizer", tokenizer, TOKENIZERS)
        vocabulary: dict[str, int] = {}
        names = dict.fromkeys(name for document in documents for name in document)
        ids: dict[str, list[list[int]]] = {name: [] for name in names}
        blank: dict[str, list[bool]] = {name: [] for name in names}
        for document in documents:
            known: dict[str, list[int]] = {}
            for name in names:
                text = " ".join(document.get(name, ()))
                if text not in known:
                    tokens = tokenize(text, tokenizer)
                    known[text] = [vocabulary.setdefault(t, len(vocabulary)) for t in tokens]
                ids[name].append(known[text])
                blank[name].append(not text.strip())
        return cls(
            vocabulary,
            {name: Tokens.from_lists(lists) for name, lists in ids.items()},
            {name: np.array(flags, dtype=bool) for name, flags in blank.items()},
            len(documents),
        )

    def postings(self, fields: tuple[str, ...]) -> Postings:
        """Return the postings of the documents as the chosen fields make them up.

        A document is the text of its fields in the given order; a field given twice counts
        twice. A document whose text is blank is indexed by its field ``"name"``. The result is
        computed once per choice and shared.

        Args:
            fields: Names of fields, at least one.

        Raises:
            ConfigError: No field is given, or no document has a field of that name.
        """
        if not fields:
            raise ConfigError(f"fields must name at least one of {', '.join(self._tokens)}")
        for name in fields:
            if name not in self._tokens and self._num_documents:
                raise unknown_name("field", name, self._tokens)
        with self._lock:
            if fields not in self._postings:
                self._postings[fields] = self._merge(fields)
            return self._postings[fields]

    def _merge(self, fields: tuple[str, ...]) -> Postings:
        if not self._num_documents:
            return Postings.from_token_lists([])
        parts = [self._tokens[name] for name in fields]
        blank = np.logical_and.reduce([self._blank[name] for name in fields])
        if "name" in self._tokens and blank.any():
            parts.append(self._tokens["name"].only(blank))
        return invert(self._vocabulary, concatenate(parts))
