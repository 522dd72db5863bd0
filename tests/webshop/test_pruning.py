"""Pruned searches return what plain ones return, to the last bit."""

import numpy as np
import pytest

from fedenv import seeding
from fedenv.webshop import pruning, rows, views
from fedenv.webshop.index import Postings
from fedenv.webshop.lucene import LuceneView
from fedenv.webshop.pruning import TermList, pruned_top
from fedenv.webshop.scoring import OkapiView

WORDS = 300


def zipf(size, *name):
    weights = np.cumsum(1 / np.arange(1, WORDS + 1))
    draws = seeding.frozen_rng("test-pruning", *name).random_sample(size)
    return np.searchsorted(weights, draws * weights[-1])


@pytest.fixture(scope="module")
def postings():
    """4,000 documents, many of them alike, so that scores tie."""
    lengths = seeding.frozen_rng("test-pruning", "lengths").randint(0, 40, 2000)
    parts = np.split(zipf(int(lengths.sum()), "corpus"), np.cumsum(lengths)[:-1])
    return Postings.from_token_lists([[f"w{i}" for i in part] for part in parts] * 2)


def all_views(postings, engine):
    mask = seeding.frozen_rng("test-pruning", "mask").random_sample(4000) < 0.4
    for kept in (None, mask):
        for k1, b in ((1.2, 0.75), (0.3, 0.0), (5.0, 1.0), (0.0, 0.5)):
            yield engine(postings, k1=k1, b=b, mask=kept)
        yield engine(postings, k1=1e300 if engine is OkapiView else 1e7, b=0.75, mask=kept)


@pytest.mark.parametrize("engine", [OkapiView, LuceneView])
@pytest.mark.parametrize("n", [1, 10, 200, 5000])
def test_the_same_results(postings, engine, n, monkeypatch):
    skipped = []
    look_up = pruning.TermList.look_up

    def counted(self, documents):
        skipped.append(len(documents) < len(self.docs))
        return look_up(self, documents)

    monkeypatch.setattr(pruning.TermList, "look_up", counted)
    for number, view in enumerate(all_views(postings, engine)):
        for i in range(25):
            query = [f"w{word}" for word in zipf(i % 7, "query", number, i)]
            query += query[: i % 3] + ["unknown"] * (i % 2)
            monkeypatch.setattr(views, "PRUNED_FROM", 10**9)
            expected = view.top(query, n)
            monkeypatch.setattr(views, "PRUNED_FROM", 0)
            got = view.top(query, n)
            assert np.array_equal(got[0], expected[0])
            assert np.array_equal(got[1], expected[1])
            assert got[0].dtype == expected[0].dtype
            assert got[1].dtype == expected[1].dtype
    assert any(skipped)


def test_sums_that_are_equal_when_rounded_are_in_document_order():
    def one(*weights):
        given = np.array(weights)
        return TermList(np.arange(2), np.ones(2), max(weights), lambda docs, freqs: given[docs])

    lists = [one(1.0, 1.0), one(2.0**-30, 2.0**-25)]  # 1 + 2**-25 is 1 as float32
    for precision, first in ((np.float64, 1), (np.float32, 0)):
        documents, scores = pruned_top(lists, 1, 2, precision)
        assert (documents.tolist(), scores.dtype) == ([first], np.float64)
        assert scores.tolist() == [precision(1 + 2.0**-25)]


def test_negative_weights_take_the_plain_path(monkeypatch):
    postings = Postings.from_token_lists([["a", "b"], ["a"], ["a", "c"]])
    view = OkapiView(postings, epsilon=-0.0)
    expected = view.top(["a", "b"], 3)
    monkeypatch.setattr(views, "PRUNED_FROM", 0)
    got = view.top(["a", "b"], 3)
    assert [x.tolist() for x in got] == [x.tolist() for x in expected]
    assert len(got[0]) == 3


@pytest.mark.parametrize("engine", [OkapiView, LuceneView])
def test_a_frequent_word_is_not_read_in_full(postings, engine, monkeypatch):
    monkeypatch.setattr(views, "PRUNED_FROM", 0)
    view = engine(postings)
    read = []
    monkeypatch.setattr(
        pruning.TermList,
        "add_to",
        lambda self, *arguments: read.append(len(self.docs)) or plain(self, *arguments),
    )
    view.top(["w0", "w60", "w61"], 2)
    assert max(read) < np.diff(postings.indptr)[postings.vocabulary["w0"]]


plain = pruning.TermList.add_to


@pytest.mark.parametrize("engine", [OkapiView, LuceneView])
def test_a_view_costs_its_mask(engine, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(views, "PRUNED_FROM", 0)
    monkeypatch.setattr(rows.RowCache, "put", lambda *_: None)  # shared, and bounded as a whole
    size = 50_000
    postings = Postings.from_token_lists([["a", "b"], ["c"], ["d"], ["c"], ["d"]] * (size // 5))
    mask = np.arange(size) % 3 > 0
    engine(postings, mask=mask).top(["a", "c"], 10)
    tracemalloc.start()
    view = engine(postings, mask=mask)
    view.top(["a", "c"], 10)
    masked = tracemalloc.get_traced_memory()[0]
    other = engine(postings, k1=0.3)
    other.top(["a", "c"], 10)
    unmasked = tracemalloc.get_traced_memory()[0] - masked
    tracemalloc.stop()
    assert masked < 1.1 * size
    assert unmasked < 0.1 * size
