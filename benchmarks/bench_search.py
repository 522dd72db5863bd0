"""Speed of the shop's search against rank_bm25, on synthetic text of Zipf-distributed words.

Run ``python benchmarks/bench_search.py``. Both sides get tokens and return the 200 best
documents; the lists must agree to the last bit. The reference computes all scores and sorts
them stably.

* Cold: the first queries after building.
* In use: new queries after 1,000 others; some of their words were never asked before.
* Warm: new queries of words that were all asked before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from rank_bm25 import BM25Okapi
from rich.console import Console
from rich.table import Table

from fedenv.seeding import frozen_rng
from fedenv.webshop.index import FieldIndex, Postings
from fedenv.webshop.scoring import OkapiView

K1, B, N = 1.2, 0.75, 200
VOCABULARY, TOKENS_PER_DOCUMENT = 30_000, 200
CASES = ((1_000, 40, 20.0), (50_000, 5, 200.0))
"""Documents, queries asked of the reference, and the ratio that is the goal."""


def zipf_words(size: int, *name: str | int) -> np.ndarray:
    """Return ``size`` word numbers, word r with probability proportional to 1 / (r + 1)."""
    weights = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    uniform = frozen_rng("bench_search", *name).random_sample(size)
    return np.searchsorted(weights, uniform * weights[-1])


def corpus(num_documents: int) -> list[list[str]]:
    """Return documents of 100 to 299 tokens."""
    rng = frozen_rng("bench_search", "lengths", num_documents)
    lengths = rng.randint(TOKENS_PER_DOCUMENT // 2, TOKENS_PER_DOCUMENT * 3 // 2, num_documents)
    words = zipf_words(int(lengths.sum()), "corpus", num_documents)
    names = [f"w{i}" for i in range(VOCABULARY)]
    return [[names[i] for i in part] for part in np.split(words, np.cumsum(lengths)[:-1])]


def queries(count: int, name: str) -> list[list[str]]:
    """Return queries of 6 to 15 words."""
    lengths = frozen_rng("bench_search", "queries", name).randint(6, 16, count)
    words = zipf_words(int(lengths.sum()), "queries", name)
    return [[f"w{i}" for i in part] for part in np.split(words, np.cumsum(lengths)[:-1])]


def microseconds(function: Callable[[list[str]], object], asked: Sequence[list[str]]) -> float:
    """Return the median time of one call."""
    times = []
    for query in asked:
        start = time.perf_counter()
        function(query)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def reference_top(bm25: BM25Okapi, query: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return the same as ``OkapiView.top``, from the reference's scores."""
    scores = bm25.get_scores(query)
    order = np.argsort(-scores, kind="stable")[:N]
    return order, scores[order]


def case(num_documents: int, asked_of_reference: int, goal: float) -> list[tuple[str, str, str]]:
    """Measure one corpus size; assert that both sides agree."""
    documents = corpus(num_documents)
    bm25 = BM25Okapi(documents, k1=K1, b=B)
    view = OkapiView(Postings.from_token_lists(documents), k1=K1, b=B)

    few = queries(asked_of_reference, "reference")
    slow = microseconds(lambda query: reference_top(bm25, query), few)
    cold = microseconds(lambda query: view.top(query, N), few)
    for query in few:
        docs, scores = view.top(query, N)
        expected_docs, expected_scores = reference_top(bm25, query)
        found = int(np.count_nonzero(expected_scores))
        assert np.array_equal(docs, expected_docs[:found]), "the lists differ"
        assert np.array_equal(scores, expected_scores[:found]), "the scores differ"
    microseconds(lambda query: view.top(query, N), queries(1000, "warm-up"))
    in_use = microseconds(lambda query: view.top(query, N), queries(1000, "new"))
    fresh = queries(1000, "warm")
    for word in dict.fromkeys(word for query in fresh for word in query):
        view.top([word], N)
    warm = microseconds(lambda query: view.top(query, N), fresh)

    name = f"search, {num_documents:,} documents"
    return [
        (f"{name}, rank_bm25", f"{slow:,.0f} µs", ""),
        (f"{name}, cold", f"{cold:,.0f} µs, {slow / cold:,.0f}×", ""),
        (f"{name}, in use", f"{in_use:,.0f} µs, {slow / in_use:,.0f}×", ""),
        (f"{name}, warm", f"{warm:,.0f} µs, {slow / warm:,.0f}×", f">= {goal:.0f}×"),
    ]


def many_clients() -> list[tuple[str, str, str]]:
    """Measure what 100 clients over one index of 1,000 documents cost."""
    import tracemalloc

    texts = [" ".join(words) for words in corpus(1_000)]
    documents = [{"name": (text[:60],), "description": (text,)} for text in texts]
    index = FieldIndex.build(documents)
    start = time.perf_counter()
    postings = index.postings(("name", "name", "description"))
    merge = time.perf_counter() - start
    masks = [frozen_rng("bench_search", "mask", i).random_sample(1_000) < 0.7 for i in range(100)]

    def build_and_search() -> list[OkapiView]:
        views = [OkapiView(postings, k1=K1, b=B, mask=mask) for mask in masks]
        for view, query in zip(views, queries(100, "clients"), strict=True):
            view.top(["w0", *query], N)  # w0 is in most documents: asks for the mean idf
        return views

    tracemalloc.start()
    views = build_and_search()
    memory = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    del views
    start = time.process_time()
    build_and_search()
    cpu = time.process_time() - start
    return [
        ("merge of three fields, 1,000 documents", f"{merge * 1e3:.1f} ms", "<= 15 ms"),
        ("100 masked clients and a search each, memory", f"{memory / 1e6:.1f} MB", "<= 20 MB"),
        ("100 masked clients and a search each, CPU", f"{cpu:.2f} s", "<= 0.5 s"),
    ]


def rows() -> list[tuple[str, str, str]]:
    """Return name, measured value and goal of everything measured here."""
    return [row for args in CASES for row in case(*args)] + many_clients()


def main() -> None:
    table = Table("measure", "value", "goal", title="Search")
    for row in rows():
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
