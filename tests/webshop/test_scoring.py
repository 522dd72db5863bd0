"""BM25 Okapi against rank_bm25, bit for bit, and against plain Python where that fails."""

import json
import math
import pickle
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_bm25 import BM25Okapi

from fedenv.errors import ConfigError
from fedenv.seeding import frozen_rng
from fedenv.webshop import views
from fedenv.webshop.engine import SearchEngine
from fedenv.webshop.index import FieldIndex, Postings, tokenize
from fedenv.webshop.rows import Row, RowCache
from fedenv.webshop.scoring import OkapiView

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "webshop_real"

WORDS = st.sampled_from(["a", "b", "c", "d", "e", "f", "g"])
CORPUS = st.lists(st.lists(WORDS, max_size=9), min_size=1, max_size=10)
QUERY = st.lists(WORDS | st.just("unknown"), max_size=8)
K1 = st.floats(0, 5) | st.sampled_from([0, 1, 1.2])
B = st.floats(0, 1) | st.sampled_from([0, 0.75, 1])
EPSILON = st.sampled_from([0.25, 0, 1.5])
N = st.integers(-1, 12)

Ranking = list[tuple[int, float]]


def pairs(result: tuple[np.ndarray, np.ndarray]) -> Ranking:
    docs, scores = result
    assert (docs.dtype, scores.dtype) == (np.int64, np.float64)
    return list(zip(docs.tolist(), scores.tolist(), strict=True))


def stable_top(
    corpus: list[list[str]], kept: Sequence[int], query: list[str], n: int, scores: list[float]
) -> Ranking:
    """Order the kept documents (whose scores are given) that contain a token of the query."""
    found = [(doc, s) for doc, s in zip(kept, scores, strict=True) if set(query) & set(corpus[doc])]
    return sorted(found, key=lambda pair: -pair[1])[: max(n, 0)]


def reference(
    corpus: list[list[str]], kept: Sequence[int], query: list[str], **parameters: float
) -> list[float]:
    bm25 = BM25Okapi([corpus[doc] for doc in kept], **parameters)
    scores: list[float] = bm25.get_scores(query).tolist()
    return scores


def plain(
    corpus: list[list[str]], query: list[str], k1: float, b: float, epsilon: float
) -> list[float]:
    """The formula in loops; unlike rank_bm25 it has no 0/0 where tf = k1 = 0."""
    n = len(corpus)
    mean_length = sum(map(len, corpus)) / n
    idf = {}
    total = 0.0
    for token in dict.fromkeys(token for tokens in corpus for token in tokens):
        df = sum(token in tokens for tokens in corpus)
        idf[token] = math.log(n - df + 0.5) - math.log(df + 0.5)
        total += idf[token]
    floor = epsilon * (total / len(idf))
    scores = []
    for tokens in corpus:
        score = 0.0
        for token in query:
            if tf := tokens.count(token):
                norm = k1 * (1 - b + b * len(tokens) / mean_length)
                weight = idf[token] if idf[token] >= 0 else floor
                score += weight * (tf * (k1 + 1) / (tf + norm))
        scores.append(score)
    return scores


@given(CORPUS, QUERY, K1, B, EPSILON, N, st.lists(st.booleans(), min_size=10, max_size=10))
@settings(max_examples=600, deadline=None)
def test_equals_rank_bm25_built_on_the_kept_documents(
    corpus: list[list[str]],
    query: list[str],
    k1: float,
    b: float,
    epsilon: float,
    n: int,
    keep: list[bool],
) -> None:
    mask = np.array(keep[: len(corpus)])
    every = np.arange(len(corpus))
    for chosen, kept in ((None, every.tolist()), (mask, every[mask].tolist())):
        view = OkapiView(Postings.from_token_lists(corpus), k1, b, epsilon, mask=chosen)
        got = pairs(view.top(query, n))
        if not any(corpus[doc] for doc in kept):
            assert got == []
            continue
        scores = plain([corpus[doc] for doc in kept], query, k1, b, epsilon)
        expected = stable_top(corpus, kept, query, n, scores)
        assert got == expected
        all_scores = view.scores(query)
        assert all_scores[kept].tolist() == scores
        if chosen is not None:
            assert not all_scores[~mask].any()
        if k1 > 1e-9 and all(corpus[doc] for doc in kept):
            scores = reference(corpus, kept, query, k1=k1, b=b, epsilon=epsilon)
            assert got == stable_top(corpus, kept, query, n, scores)


@given(CORPUS, QUERY, st.floats(0.1, 5), st.floats(0, 0.9))
def test_empty_documents_count_as_in_rank_bm25(
    corpus: list[list[str]], query: list[str], k1: float, b: float
) -> None:
    corpus = [*corpus, [], ["a"]]
    view = OkapiView(Postings.from_token_lists(corpus), k1, b)
    assert view.scores(query).tolist() == reference(
        corpus, list(range(len(corpus))), query, k1=k1, b=b
    )


def zipf_corpus(num_documents: int, vocabulary: int, length: int) -> list[list[str]]:
    rng = frozen_rng("test_scoring", num_documents)
    ranks = (vocabulary ** rng.random_sample((num_documents, length))).astype(int)
    return [[f"w{rank}" for rank in row[: 1 + i % length]] for i, row in enumerate(ranks)]


@pytest.mark.parametrize("num_documents", [37, 700, 3_000])
def test_larger_corpora_take_the_same_numbers(num_documents: int) -> None:
    """Dense and sparse rows, block bounds and ties at the cut."""
    corpus = zipf_corpus(num_documents, 500, 30)
    rng = frozen_rng("test_scoring", "queries", num_documents)
    kept_mask = rng.random_sample(num_documents) < 0.6
    kept = np.flatnonzero(kept_mask).tolist()
    postings = Postings.from_token_lists(corpus)
    everything = list(range(num_documents))
    for mask, ids in ((None, everything), (kept_mask, kept)):
        view = OkapiView(postings, 0.9, 0.4, mask=mask)
        bm25 = BM25Okapi([corpus[doc] for doc in ids], k1=0.9, b=0.4)
        for _ in range(15):
            query = [f"w{int(500**u)}" for u in rng.random_sample(rng.randint(1, 9))]
            scores = bm25.get_scores(query).tolist()
            for n in (1, 10, 200, num_documents + 5):
                assert pairs(view.top(query, n)) == stable_top(corpus, ids, query, n, scores)


def test_ties_at_the_cut_of_a_large_corpus_keep_document_order() -> None:
    corpus = [["x", "y"] if i % 3 == 0 else ["y", "z"] if i % 3 == 1 else ["q"] for i in range(999)]
    view = OkapiView(Postings.from_token_lists(corpus))
    assert view.top(["x"], 5)[0].tolist() == [0, 3, 6, 9, 12]
    assert view.top(["z"], 400)[0].tolist() == list(range(1, 999, 3))


def test_long_rows_that_are_not_dense() -> None:
    corpus = [[f"x{i % 8}", f"y{i % 7}", *["z"] * (i % 5)] for i in range(9_000)]
    view = OkapiView(Postings.from_token_lists(corpus))
    query = ["x1", "y2", "x1", "y3"]
    scores = reference(corpus, range(9_000), query, k1=1.2)
    assert view.scores(query).tolist() == scores
    assert pairs(view.top(query, 200)) == stable_top(corpus, range(9_000), query, 200, scores)


def test_a_term_rare_in_the_corpus_but_not_among_the_kept() -> None:
    corpus = [["a"], ["b"], *[["c", "d", "e"]] * 40]
    view = OkapiView(Postings.from_token_lists(corpus), mask=np.arange(42) < 2)
    assert pairs(view.top(["a"], 10)) == [(0, 0.0)]  # idf 0 in two documents


def test_zero_scores_are_matches_and_other_documents_are_not() -> None:
    corpus = [["a"], ["b"], ["a", "c"], []]  # "a" is in half of them: idf 0
    view = OkapiView(Postings.from_token_lists(corpus))
    assert pairs(view.top(["a"], 10)) == [(0, 0.0), (2, 0.0)]
    masked = OkapiView(Postings.from_token_lists([*corpus, ["a"]]), mask=np.arange(5) < 4)
    assert pairs(masked.top(["a"], 10)) == [(0, 0.0), (2, 0.0)]


def test_negative_scores_are_matches() -> None:
    corpus = [["a"], ["a", "a"], ["a", "b"]]  # the mean idf is negative
    view = OkapiView(Postings.from_token_lists(corpus))
    got = pairs(view.top(["a"], 10))
    assert [doc for doc, _ in got] == [2, 0, 1]
    assert all(score < 0 for _, score in got)
    assert got == stable_top(
        corpus, [0, 1, 2], ["a"], 10, reference(corpus, [0, 1, 2], ["a"], k1=1.2)
    )


EMPTY = {
    "no token": ([["a"], ["b"]], [], None, 5),
    "unknown": ([["a"], ["b"]], ["x", ""], None, 5),
    "n = 0": ([["a"], ["b"]], ["a"], None, 0),
    "n < 0": ([["a"], ["b"]], ["a"], None, -3),
    "no document": ([], ["a"], None, 5),
    "only empty documents": ([[], []], ["a"], None, 5),
    "empty mask": ([["a"], ["b"]], ["a"], [False, False], 5),
    "mask of empty documents": ([["a"], []], ["a"], [False, True], 5),
    "word of dropped documents": ([["a"], ["b"]], ["a"], [False, True], 5),
}


@pytest.mark.parametrize("case", EMPTY)
def test_nothing_to_find_is_an_empty_result(case: str) -> None:
    corpus, query, mask, n = EMPTY[case]
    for k1, b in ((1.2, 0.75), (0, 1), (1, 1)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            view = OkapiView(
                Postings.from_token_lists(corpus),
                k1,
                b,
                mask=None if mask is None else np.array(mask),
            )
            assert pairs(view.top(query, n)) == []
            assert not view.scores(query).any()


@pytest.mark.parametrize("k1", [1e-320, 1e300])
def test_extreme_parameters_stay_finite(k1: float) -> None:
    corpus = [["a"] * 9, ["b"], ["b", "c"], []]
    view = OkapiView(Postings.from_token_lists(corpus), k1, 1, 1e300)
    assert np.isfinite(view.scores(["a", "b", "b"])).all()


@pytest.mark.parametrize(
    ("name", "value", "range_"),
    [
        ("k1", -0.1, r"\[0, 1e\+300\]"),
        ("k1", math.inf, r"\[0, 1e\+300\]"),
        ("k1", math.nan, r"\[0, 1e\+300\]"),
        ("b", -0.1, r"\[0, 1\]"),
        ("b", 1.01, r"\[0, 1\]"),
        ("b", math.nan, r"\[0, 1\]"),
        ("epsilon", -1, r"\[0, 1e\+300\]"),
        ("epsilon", math.inf, r"\[0, 1e\+300\]"),
    ],
)
def test_parameters_out_of_range(name: str, value: float, range_: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be a number in {range_}, got {value}"):
        OkapiView(Postings.from_token_lists([["a"]]), **{name: value})


@pytest.mark.parametrize("mask", [np.array([1]), np.array([True, False])])
def test_a_mask_must_fit(mask: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"mask must be boolean with shape \(1,\), got"):
        OkapiView(Postings.from_token_lists([["a"]]), mask=mask)


def test_a_view_does_not_follow_its_mask() -> None:
    mask = np.array([True, True, False, True])
    view = OkapiView(Postings.from_token_lists([["a"], ["b"], ["a"], ["c"]]), mask=mask)
    mask[:] = True
    assert view.top(["a"], 5)[0].tolist() == [0]
    assert pickle.loads(pickle.dumps(view)).top(["a"], 5)[0].tolist() == [0]


def test_views_over_one_index_do_not_mix() -> None:
    """Rows of all views lie in one cache; asked in turn, each view keeps its own numbers."""
    corpus = zipf_corpus(60, 40, 12)
    postings = Postings.from_token_lists(corpus)
    masks = [frozen_rng("mix", i).random_sample(60) < 0.5 for i in range(4)]
    views = [OkapiView(postings, 0.5 + i, i / 4, mask=mask) for i, mask in enumerate(masks)]
    copies = [pickle.loads(pickle.dumps(view)) for view in views]
    for word in range(1, 40):
        for i, (view, copy, mask) in enumerate(zip(views, copies, masks, strict=True)):
            kept = np.flatnonzero(mask).tolist()
            expected = reference(corpus, kept, [f"w{word}"], k1=0.5 + i, b=i / 4)
            assert view.scores([f"w{word}"])[mask].tolist() == expected
            assert copy.scores([f"w{word}"])[mask].tolist() == expected


def test_the_cache_is_bounded_and_keeps_what_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    view = OkapiView(Postings.from_token_lists(zipf_corpus(300, 400, 30)))
    cache = RowCache(20_000)
    monkeypatch.setattr(views, "_ROWS", cache)
    first = view.top(["w1", "w2"], 300)
    frequent = cache.get((view._key, view.postings.vocabulary["w1"]))
    for word in range(400):
        view.top(["w1", f"w{word}"], 5)
        held = {**cache._old, **cache._young}
        assert sum(row.weights.nbytes + 400 for row in held.values()) <= 20_000
    assert cache.get((view._key, view.postings.vocabulary["w1"])) is frequent
    assert pairs(view.top(["w1", "w2"], 300)) == pairs(first)
    cache.grow(10)
    assert cache._limit * 2 == 20_000
    too_large = Row(None, np.zeros(1_250), True)
    cache.put((0, 0), too_large)
    assert cache.get((0, 0)) is None
    cache.grow(40_000)
    cache.put((0, 0), too_large)
    assert cache.get((0, 0)) is too_large


def test_a_large_index_gets_a_larger_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = RowCache(100)
    monkeypatch.setattr(views, "_ROWS", cache)
    OkapiView(Postings.from_token_lists([["a"]] * 50))
    assert cache._limit * 2 == 160 * 8 * 50


def test_eight_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = zipf_corpus(400, 300, 40)
    postings = Postings.from_token_lists(corpus)
    masks = [None, *(frozen_rng("threads", i).random_sample(400) < 0.7 for i in range(3))]
    used = [OkapiView(postings, 1.2, 0.75, mask=mask) for mask in masks]
    rng = frozen_rng("threads")
    asked = [(i % 4, [f"w{int(300**u)}" for u in rng.random_sample(1 + i % 9)]) for i in range(600)]
    fresh = [OkapiView(postings, 1.2, 0.75, mask=mask) for mask in masks]
    expected = [pairs(fresh[view].top(query, 50)) for view, query in asked]
    monkeypatch.setattr(views, "_ROWS", RowCache(50_000))  # so small that rows come and go
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda job: pairs(used[job[0]].top(job[1], 50)), asked))
    assert got == expected


def test_search_engine() -> None:
    engine = SearchEngine.from_texts(["A red shoe", "a blue Shoe", "a hat", "a map", "a cap"])
    result = engine.search("Blue SHOE!", 10)
    assert [doc for doc, _ in result] == [1, 0]
    assert {(type(doc), type(score)) for doc, score in result} == {(int, float)}
    bm25 = BM25Okapi(
        [["a", "red", "shoe"], ["a", "blue", "shoe"], ["a", "hat"], ["a", "map"], ["a", "cap"]],
        k1=1.2,
    )
    assert [score for _, score in result] == bm25.get_scores(["blue", "shoe"])[[1, 0]].tolist()
    assert engine.search("blue shoe", 1) == result[:1]
    assert engine.search("", 10) == engine.search("?", 10) == []
    plain_words = SearchEngine.from_texts(["t-shirt", "t shirt", "x"], tokenizer="whitespace")
    assert [doc for doc, _ in plain_words.search("T-Shirt", 10)] == [0]


def test_search_engine_passes_its_parameters_on() -> None:
    texts = ["a a b", "a", "b c d e", "a f"]
    got = SearchEngine.from_texts(texts, k1=2.0, b=0.3, epsilon=0.7).search("a b", 9)
    corpus = [text.split() for text in texts]
    scores = reference(corpus, [0, 1, 2, 3], ["a", "b"], k1=2.0, b=0.3, epsilon=0.7)
    assert got == stable_top(corpus, [0, 1, 2, 3], ["a", "b"], 9, scores)


def test_search_engine_names_what_is_legal() -> None:
    with pytest.raises(
        ConfigError, match="unknown engine 'bm25s'; legal: 'okapi', 'lucene', 'pyserini'"
    ):
        SearchEngine.from_texts(["a"], engine="bm25s")
    with pytest.raises(ConfigError, match="unknown tokenizer 'bpe'"):
        SearchEngine.from_texts(["a"], tokenizer="bpe")


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real records beside the repository")
def test_real_records() -> None:
    products = json.loads((REAL / "items_shuffle_394.json").read_text("utf-8"))
    human = json.loads((REAL / "items_ins_v2_394.json").read_text("utf-8"))
    documents = [
        {
            "name": [product["name"]],
            "description": [product["full_description"] or ""],
            "features": human[product["asin"]].get("attributes", []),
            "BulletPoints": product["small_description"] or [],
        }
        for product in products
    ]
    queries = [entry["instruction"] for entry in human.values() if entry.get("instruction")]
    rng = frozen_rng("real")
    while len(queries) < 300:  # two instructions in one query
        first, second = rng.choice(len(queries), 2)
        queries.append(f"{queries[first]} {queries[second]}")
    fields = ("name", "name", "description", "features", "BulletPoints")
    index = FieldIndex.build(documents)
    corpus = [
        tokenize(" ".join(" ".join(document[field]) for field in fields)) for document in documents
    ]
    mask = rng.random_sample(len(corpus)) < 0.7
    for chosen in (None, mask):
        ids = list(range(len(corpus))) if chosen is None else np.flatnonzero(chosen).tolist()
        bm25 = BM25Okapi([corpus[doc] for doc in ids], k1=1.2, b=0.75)
        view = OkapiView(index.postings(fields), mask=chosen)
        assert len(corpus) == 394
        for query in queries[:300]:
            tokens = tokenize(query)
            scores = bm25.get_scores(tokens).tolist()
            assert view.scores(tokens)[ids].tolist() == scores
            assert pairs(view.top(tokens, 200)) == stable_top(corpus, ids, tokens, 200, scores)
