"""Lucene's BM25: against recorded rankings of Lucene, and against plain Python."""

import json
import math
import pickle
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.webshop import views
from fedenv.webshop.catalog import catalog_split
from fedenv.webshop.engine import SearchEngine
from fedenv.webshop.files import find_files
from fedenv.webshop.index import Postings, tokenize
from fedenv.webshop.lengths import LENGTHS, length_codes
from fedenv.webshop.lucene import LuceneView
from fedenv.webshop.pipeline import FIELDS, INDEX_FIELDS, PipelineConfig
from fedenv.webshop.shop import open_shop

GOLDEN = json.loads((Path(__file__).parent / "golden" / "lucene_rankings.json").read_text("utf-8"))
LUCENE = PipelineConfig.of_engine("lucene")
WORDS = st.sampled_from(["a", "b", "c", "d", "e"])
CORPUS = st.lists(st.lists(WORDS, max_size=60), min_size=1, max_size=10)


def bundled_shop():
    return open_shop(find_files(None), "synthetic", "rules")


def stored_length(length: int) -> int:
    """Round down to what Lucene stores: exact to 39, then 24 plus four significant bits."""
    if length < 40:
        return length
    shift = (length - 24).bit_length() - 4
    return 24 + ((length - 24) >> shift << shift)


def plain_scores(corpus, query, k1=0.9, b=0.4):
    """Return the score of every document, None without a token of the query."""
    f = np.float32
    lengths = [len(document) for document in corpus]
    n = sum(length > 0 for length in lengths)
    if not n:
        return [None] * len(corpus)
    average = f(sum(lengths) / n)
    scores = []
    for document in corpus:
        total, matched = 0.0, False
        for word, boost in Counter(query).items():
            tf = document.count(word)
            if not tf:
                continue
            matched = True
            df = sum(word in other for other in corpus)
            weight = f(boost) * f(math.log(1 + (n - df + 0.5) / (df + 0.5)))
            with np.errstate(divide="ignore"):
                norm = f(1) / (
                    f(k1) * ((f(1) - f(b)) + f(b) * f(stored_length(len(document))) / average)
                )
            total += float(weight - weight / (f(1) + f(tf) * norm))
        scores.append(float(f(total)) if matched else None)
    return scores


def plain_top(corpus, query, n, **parameters):
    scores = enumerate(plain_scores(corpus, query, **parameters))
    found = [(doc, score) for doc, score in scores if score is not None]
    return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:n]


def pairs(result):
    docs, scores = result
    assert (docs.dtype, scores.dtype) == (np.int64, np.float64)
    return list(zip(docs.tolist(), scores.tolist(), strict=True))


@pytest.mark.parametrize("name", list(GOLDEN["rankings"]))
def test_recorded_rankings(name: str) -> None:
    """The recorded scores are floats of nine digits, enough to tell any two float32 apart."""
    shop = bundled_shop()
    catalog = shop.catalog
    assert catalog.digest == GOLDEN["data_digest"]
    kept = None
    if name.startswith("catalog split"):
        client = int(name.rsplit(" ", 1)[1])
        asins = (catalog.asins, catalog.targets(), catalog.holdout)
        kept = tuple(catalog_split(*asins, client, 1.0, 0.7))
    scorer = shop.pipeline(PipelineConfig.of_engine("lucene", kept=kept)).scorer
    recorded = GOLDEN["rankings"][name]
    assert len(recorded) == len(GOLDEN["queries"]) > 300
    for query, (docs, scores) in zip(GOLDEN["queries"], recorded, strict=True):
        ours = scorer.top(tokenize(query.lower(), "english"), 20)
        assert ours[0].tolist() == docs, query
        assert ours[1].astype(np.float32).tolist() == np.float32(scores).tolist(), query


@given(
    CORPUS,
    st.lists(WORDS | st.just("unknown"), max_size=6),
    st.integers(-1, 12),
    st.sampled_from([0.0, 0.9, 2.0, 1e12]),
    st.sampled_from([0.0, 0.4, 1.0]),
    st.data(),
)
@settings(max_examples=300, deadline=None)
def test_plain_python(corpus, query, n, k1, b, data) -> None:
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(corpus), max_size=len(corpus))))
    postings = Postings.from_token_lists(corpus)
    limit = max(n, 0)
    everything = plain_top(corpus, query, limit, k1=k1, b=b)
    numbers = np.flatnonzero(mask).tolist()
    kept = [corpus[doc] for doc in numbers]
    expected = (
        [(numbers[i], s) for i, s in plain_top(kept, query, limit, k1=k1, b=b)] if kept else []
    )
    view, masked = LuceneView(postings, k1, b), LuceneView(postings, k1, b, mask)
    for pruned_from in (10**9, 0):
        with mock.patch.multiple(views, PRUNED_FROM=pruned_from, _COUNTED=pruned_from):
            assert pairs(view.top(query, n)) == everything
            assert pairs(masked.top(query, n)) == expected
            assert pairs(pickle.loads(pickle.dumps(masked)).top(query, n)) == expected


def test_a_weight_that_float32_rounds_to_zero_is_a_match(monkeypatch) -> None:
    corpus = [["a"] + ["b"] * 3_000, ["a"], ["c"]]
    view = LuceneView(Postings.from_token_lists(corpus), 1e7, 1.0)
    expected = plain_top(corpus, ["a"], 3, k1=1e7, b=1.0)
    assert [score > 0 for _, score in expected] == [True, False]
    for pruned_from in (10**9, 0):
        monkeypatch.setattr(views, "PRUNED_FROM", pruned_from)
        assert pairs(view.top(["a"], 3)) == expected


def test_lengths_are_stored_in_a_byte() -> None:
    assert LENGTHS.shape == (256,)
    assert (np.diff(LENGTHS) > 0).all()
    assert LENGTHS[-1] == 2_013_265_944  # SmallFloat.byte4ToInt((byte) 255)
    lengths = np.array([*range(3_000), 10**5, 10**6 + 7])
    expected = [stored_length(length) for length in lengths.tolist()]
    assert LENGTHS[length_codes(lengths)].tolist() == expected


def test_documents_without_tokens_do_not_count() -> None:
    corpus = [["a", "b"], ["a"], ["c"]]
    with_empty = LuceneView(Postings.from_token_lists([*corpus, [], []]))
    without = LuceneView(Postings.from_token_lists(corpus))
    assert pairs(with_empty.top(["a", "b"], 9)) == pairs(without.top(["a", "b"], 9))


def test_no_documents_and_no_tokens() -> None:
    for corpus in ([], [[]], [[], []]):
        assert pairs(LuceneView(Postings.from_token_lists(corpus)).top(["a"], 5)) == []
    view = LuceneView(Postings.from_token_lists([["a"]]))
    assert pairs(view.top([], 5)) == pairs(view.top(["b"], 5)) == []
    assert view.scores(["b"]).tolist() == [0.0]


def test_frequent_and_rare_words_of_a_large_corpus() -> None:
    corpus = [
        ["often"] * (1 + i % 3) + ["rare"] * (i % 97 == 0) + ["x"] * (i % 50) for i in range(999)
    ]
    view = LuceneView(Postings.from_token_lists(corpus))
    for query in (["rare"], ["often", "rare"], ["rare", "often", "rare"], ["x", "often"]):
        for _ in range(2):
            assert pairs(view.top(query, 30)) == plain_top(corpus, query, 30)


@pytest.mark.parametrize(("name", "value"), [("k1", -0.1), ("b", 1.1), ("k1", float("nan"))])
def test_bad_parameters(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        LuceneView(Postings.from_token_lists([["a"]]), **{name: value})


def test_search_engine_has_the_engines_own_parameters() -> None:
    texts = ["Running shoes", "a shoe for runners", "the hat", "men's shoe"]
    engine = SearchEngine.from_texts(texts, engine="lucene")
    corpus = [tokenize(text, "english") for text in texts]
    assert engine.search("Shoes!", 9) == plain_top(corpus, ["shoe"], 9, k1=0.9, b=0.4)
    assert engine.search("the", 9) == []
    plain = SearchEngine.from_texts(texts, engine="lucene", k1=2.0, b=1.0, tokenizer="word")
    words = [tokenize(text) for text in texts]
    assert plain.search("shoe shoe the", 9) == plain_top(
        words, ["shoe", "shoe", "the"], 9, k1=2.0, b=1.0
    )


def test_defaults_of_an_engine_and_what_overrides_them() -> None:
    assert PipelineConfig.of_engine("okapi") == PipelineConfig()
    assert LUCENE.fields == ("Title", "description", "FirstBullet", "options")
    assert (LUCENE.tokenizer, LUCENE.k1, LUCENE.b) == ("english", 0.9, 0.4)
    given = {"fields": FIELDS, "tokenizer": "word", "k1": 1.2, "b": 0.75}
    config = PipelineConfig.of_engine("lucene", **given)
    assert {name: getattr(config, name) for name in given} == given
    with pytest.raises(ConfigError, match="'okapi', 'lucene', 'pyserini'"):
        PipelineConfig.of_engine("tantivy")
    with pytest.raises(ConfigError, match="'english'"):
        PipelineConfig.of_engine("pyserini", tokenizer="word")


def test_the_shops_document_is_the_original_one(real_folder) -> None:
    shop = open_shop(find_files(real_folder), "synthetic", "rules")
    view = shop.pipeline(LUCENE).scorer
    for product in shop.products[:50]:
        options = ", and ".join(f"{n}: {', '.join(v)}" for n, v in product.options.items())
        parts = (product.name, product.description, product.bullets[0], options)
        tokens = tokenize(" ".join(parts).lower(), "english")
        assert view.postings.doc_lengths[product.index] == len(tokens)
        row = slice(*view.postings.doc_indptr[product.index : product.index + 2])
        ids = [view.postings.vocabulary[token] for token in dict.fromkeys(tokens)]
        assert view.postings.doc_terms[row].tolist() == ids


@pytest.mark.parametrize("field", INDEX_FIELDS)
def test_every_field_is_searchable_by_every_engine(field: str) -> None:
    shop = bundled_shop()
    for engine in ("okapi", "lucene"):
        pipeline = shop.pipeline(PipelineConfig.of_engine(engine, fields=(field,)))
        texts = {
            "features": shop.products[0].features,
            "FirstBullet": shop.products[0].bullets[:1],
            "BulletPoints": shop.products[0].bullets,
            "description": (shop.products[0].description or shop.products[0].name,),
            "options": tuple(v for values in shop.products[0].options.values() for v in values)
            or (shop.products[0].name,),
        }.get(field, (shop.products[0].name,))
        assert 0 in pipeline.search(" ".join(texts).lower())
