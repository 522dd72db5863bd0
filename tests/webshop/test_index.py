"""Tokens, postings and the merging of fields."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.webshop.index import FieldIndex, Postings, _stable_order, tokenize

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f"])
TOKEN_LISTS = st.lists(st.lists(WORDS, max_size=8), max_size=8)
# Blank, empty, wordless and Greek pieces: each is a special case of joining or of the fallback.
PIECES = st.lists(
    st.sampled_from(["", " ", "\t", "!?", "a", "b a", "C, c", "a-b d", "ΟΔΟΣ", "e f e"]), max_size=3
)
FIELDS = ("name", "description", "features")
DOCUMENTS = st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, PIECES)), max_size=7)


def contents(postings: Postings) -> dict[str, object]:
    """Everything that postings say, free of the numbering of terms."""
    token = {term: token for token, term in postings.vocabulary.items()}
    by_term: dict[str, list[tuple[int, int]]] = {}
    for term, (start, stop) in enumerate(zip(postings.indptr, postings.indptr[1:], strict=False)):
        if stop > start:
            pairs = zip(postings.docs[start:stop], postings.freqs[start:stop], strict=True)
            by_term[token[term]] = [(int(doc), int(freq)) for doc, freq in pairs]
    by_doc = [
        [token[int(term)] for term in postings.doc_terms[start:stop]]
        for start, stop in zip(postings.doc_indptr, postings.doc_indptr[1:], strict=False)
    ]
    return {
        "by_term": by_term,
        "by_doc": by_doc,
        "lengths": postings.doc_lengths.tolist(),
        "first_seen": [token[int(term)] for term in postings.first_seen],
    }


def expected_contents(token_lists: list[list[str]]) -> dict[str, object]:
    by_term: dict[str, list[tuple[int, int]]] = {}
    for doc, tokens in enumerate(token_lists):
        for token in dict.fromkeys(tokens):
            by_term.setdefault(token, []).append((doc, tokens.count(token)))
    return {
        "by_term": by_term,
        "by_doc": [list(dict.fromkeys(tokens)) for tokens in token_lists],
        "lengths": [len(tokens) for tokens in token_lists],
        "first_seen": list(by_term),
    }


@pytest.mark.parametrize(
    ("text", "tokenizer", "expected"),
    [
        ("Women's T-Shirt, 2.5oz", "word", ["women", "s", "t", "shirt", "2", "5oz"]),
        ("Women's T-Shirt, 2.5oz", "whitespace", ["women's", "t-shirt,", "2.5oz"]),
        ("snake_case ÉTÉ", "word", ["snake_case", "été"]),
        (" \n\t", "word", []),
        (" \n\t", "whitespace", []),
        ("!?", "word", []),
    ],
)
def test_tokenize(text: str, tokenizer: str, expected: list[str]) -> None:
    assert tokenize(text, tokenizer) == expected


def test_unknown_tokenizer() -> None:
    message = "unknown tokenizer 'bpe'; legal: 'word', 'whitespace'"
    with pytest.raises(ConfigError, match=message):
        tokenize("a", "bpe")
    with pytest.raises(ConfigError, match=message):
        Postings.from_texts([], "bpe")
    with pytest.raises(ConfigError, match=message):
        FieldIndex.build([], "bpe")


@given(TOKEN_LISTS)
def test_postings_hold_what_the_documents_say(token_lists: list[list[str]]) -> None:
    postings = Postings.from_token_lists(token_lists)
    assert contents(postings) == expected_contents(token_lists)
    assert postings.num_documents == len(token_lists)
    assert (postings.docs.dtype, postings.freqs.dtype) == (np.intp, np.int32)


@given(DOCUMENTS, st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4))
@settings(max_examples=300)
def test_merged_fields_are_the_joined_text(
    documents: list[dict[str, list[str]]], fields: list[str]
) -> None:
    present = {name for document in documents for name in document}
    fields = [name for name in fields if name in present] or ["name"]
    documents.append({"name": ["z y"]})

    def joined(document: dict[str, list[str]]) -> str:
        texts = [" ".join(document.get(name, [])) for name in fields]
        text = " ".join(text for text in texts if text)
        return text if text.strip() else " ".join(document.get("name", []))

    texts = [joined(document) for document in documents]
    for tokenizer in ("word", "whitespace"):
        merged = FieldIndex.build(documents, tokenizer).postings(tuple(fields))
        assert contents(merged) == contents(Postings.from_texts(texts, tokenizer))


def test_a_wordless_text_is_not_blank() -> None:
    index = FieldIndex.build([{"name": ["x"], "description": ["!?", ""]}])
    assert index.postings(("description",)).doc_lengths.tolist() == [0]


def test_without_a_name_a_blank_document_stays_empty() -> None:
    index = FieldIndex.build([{"description": [" "]}, {"description": ["a"]}])
    assert index.postings(("description",)).doc_lengths.tolist() == [0, 1]


def test_fields_must_exist() -> None:
    index = FieldIndex.build([{"name": ["x"], "Title": ["y"]}])
    with pytest.raises(ConfigError, match="unknown field 'titel'; legal: 'name', 'Title'"):
        index.postings(("name", "titel"))
    with pytest.raises(ConfigError, match="fields must name at least one of name, Title"):
        index.postings(())


def test_no_documents() -> None:
    assert FieldIndex.build([]).postings(("name",)).num_documents == 0
    assert contents(Postings.from_token_lists([])) == expected_contents([])


@given(st.lists(st.integers(0, 2**31 - 1), max_size=50), st.integers(0, 20))
def test_stable_order(ids: list[int], shift: int) -> None:
    array = np.array(ids, dtype=np.int32) >> shift
    assert _stable_order(array).tolist() == sorted(range(len(ids)), key=array.tolist().__getitem__)


def test_more_terms_than_sixteen_bits() -> None:
    token_lists = [[f"w{i * 70_001 % 140_000}" for i in range(140_000)], ["w5", "w70005", "w5"]]
    assert contents(Postings.from_token_lists(token_lists)) == {
        **expected_contents([[], []]),
        "by_term": {f"w{i}": [(0, 1)] for i in range(140_000)}
        | {"w5": [(0, 1), (1, 2)], "w70005": [(0, 1), (1, 1)]},
        "by_doc": [token_lists[0], ["w5", "w70005"]],
        "lengths": [140_000, 3],
        "first_seen": token_lists[0],
    }


def test_arrays_are_read_only_and_survive_pickling() -> None:
    postings = Postings.from_token_lists([["a", "b", "a"], [], ["b"]])
    copy = pickle.loads(pickle.dumps(postings))
    assert contents(copy) == contents(postings)
    names = ["doc_indptr", "doc_terms", "indptr", "docs", "freqs", "doc_lengths", "first_seen"]
    for shared in (postings, copy):
        assert [name for name in names if getattr(shared, name).flags.writeable] == []


def test_a_field_index_can_be_pickled() -> None:
    index = FieldIndex.build([{"name": ["x"], "Title": ["y z"]}])
    copy = pickle.loads(pickle.dumps(index))
    assert contents(copy.postings(("Title",))) == contents(index.postings(("Title",)))


def test_threads_share_one_merge() -> None:
    index = FieldIndex.build([{"name": ["x y"] * 500, "Title": ["y z"] * 500}] * 50)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(index.postings, [("name", "Title")] * 64))
    assert all(result is results[0] for result in results)
    assert index.postings(("Title", "name")) is not results[0]
