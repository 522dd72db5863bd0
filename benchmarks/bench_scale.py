"""The shop at the size of the full public catalog: build, open, search, 100 clients.

Run ``python benchmarks/bench_scale.py [--products N] [--folder DIR]`` (``make bench-scale``). A
catalog of synthetic records is written (1.18 million without ``--products``), indexed by
``fedenv data index`` in a process of its own, and opened and searched in one per engine. Queries
are six words. *Title words* come from one product's title, as agents ask; *any words* are drawn
like the words of the records, so that most hold several of the most frequent words. All times but
those of building and opening are CPU times, so that other work on the machine does not count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
from memory import peak

from fedenv.seeding import frozen_rng

if TYPE_CHECKING:
    from fedenv.webshop.engine import Scorer
    from fedenv.webshop.pipeline import Pipeline

PRODUCTS, INSTRUCTED = 1_180_000, 100
"""Number of products, and every how manieth of them carries an instruction."""

VOCABULARY, CLIENTS, SPLIT_CLIENTS, QUERIES = 400_000, 100, 5, 500
GOALS = {"lucene": "≤ 10 ms median", "okapi": "≤ 25 ms median"}


def zipf_words(size: int, *name: str | int) -> np.ndarray:
    """Return ``size`` word numbers, word r with probability proportional to 1 / (r + 2)."""
    weights = np.cumsum(1 / np.arange(2, VOCABULARY + 2))
    return np.searchsorted(
        weights, frozen_rng("bench_scale", *name).random_sample(size) * weights[-1]
    )


def write_catalog(folder: Path, num_products: int) -> None:
    """Write a data set of 60 to 200 words a product, in the public format."""
    words = np.array([f"w{i:x}" for i in range(VOCABULARY)], dtype=object)
    with (
        open(folder / "items_shuffle.json", "w", encoding="utf-8") as items,
        open(folder / "items_ins_v2.json", "w", encoding="utf-8") as instructions,
    ):
        items.write("[")
        instructions.write("{")
        for start in range(0, num_products, 10_000):
            count = min(10_000, num_products - start)
            lengths = frozen_rng("bench_scale", "lengths", start).randint(50, 190, count)
            drawn = words[zipf_words(int(lengths.sum()), "words", start)]
            parts = np.split(drawn, np.cumsum(lengths)[:-1])
            for i, part in enumerate(parts, start):
                text = list(part)
                asin = f"B{i:09d}"
                record = {
                    "asin": asin,
                    "name": " ".join(text[:10]),
                    "category": ("beauty", "electronics", "fashion", "garden", "grocery")[i % 5],
                    "query": text[0],
                    "product_category": f"{text[0]} › {text[1]}",
                    "full_description": " ".join(text[10:-30]),
                    "small_description": [" ".join(text[-30:-15]), " ".join(text[-15:])],
                    "pricing": f"${i % 97 + 3}.99",
                    "customization_options": {},
                }
                about: dict[str, object] = {"attributes": text[2:5]}
                if i % INSTRUCTED == 0:
                    values = [{"value": word} for word in text[5:8]]
                    record["customization_options"] = {"color": values, "size": values[:2]}
                    about |= {
                        "instruction": f"Find me {text[0]}",
                        "instruction_attributes": text[2:4],
                    }
                comma = "," if i else ""
                items.write(f"{comma}\n{json.dumps(record, ensure_ascii=False)}")
                instructions.write(f'{comma}\n"{asin}": {json.dumps(about)}')
        items.write("\n]")
        instructions.write("\n}")


def measure_search(folder: str, engine: str) -> dict[str, float]:
    """Measure everything that one process does with one engine of a saved index."""
    from fedenv.webshop import views
    from fedenv.webshop.engine import open_scorer
    from fedenv.webshop.files import find_files
    from fedenv.webshop.index import tokenize
    from fedenv.webshop.pipeline import PipelineConfig
    from fedenv.webshop.shop import open_shop
    from fedenv.webshop.variants import VARIANTS, client_pipeline

    found: dict[str, float] = {}
    start = time.perf_counter()
    shop = open_shop(find_files(folder), "synthetic", "rules")
    found["open"] = time.perf_counter() - start
    assert not isinstance(shop.products, tuple), "the saved index is used"
    config = PipelineConfig.of_engine(engine)
    pipeline = shop.pipeline(config)
    pipeline.search("w1a w2b")
    found["first search"] = time.perf_counter() - start
    start = time.process_time()
    shop.splits("goal")
    found["splits"] = time.process_time() - start
    scorer, num_products = pipeline.scorer, len(shop.products)

    def tokens(words: Iterable[str]) -> list[str]:
        return tokenize(" ".join(words), config.tokenizer)

    rng = frozen_rng("bench_scale", "queries")
    chosen = rng.randint(num_products, size=QUERIES).tolist()
    titles = [rng.permutation(shop.products[i].name.split())[:6] for i in chosen]
    drawn = ([f"w{word:x}" for word in zipf_words(6, "query", i)] for i in range(QUERIES))
    asked = {"title words": list(map(tokens, titles)), "any words": list(map(tokens, drawn))}
    for name, queries in asked.items():
        found |= times(name, scorer, queries)
    found["peak of searching"] = peak()
    with mock.patch.object(views, "PRUNED_FROM", num_products + 1):
        found |= times("plain", scorer, asked["title words"])

    def per_client(make: Callable[[int], object], count: int = CLIENTS) -> float:
        """Return what a client allocates and keeps, in bytes per product."""
        tracemalloc.start()
        clients = [make(number) for number in range(count)]
        allocated = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return allocated / len(clients) / num_products

    def reweighted(number: int) -> Pipeline:
        return shop.pipeline(replace(config, k1=0.5 + number / CLIENTS, b=number / CLIENTS))

    def masked(number: int) -> Scorer:
        mask = frozen_rng("bench_scale", "mask", number).random_sample(num_products) < 0.7
        return open_scorer(engine, scorer.postings, config.k1, config.b, mask=mask)

    def split(number: int) -> Pipeline:
        assigned = client_pipeline(
            variant, variant.knobs, config, shop.catalog, str, "synthetic", number, 42
        )
        return shop.pipeline(assigned.config)

    variant = VARIANTS["catalog-split"]
    found["(k1, b) clients"] = per_client(reweighted)
    found["rank clients"] = per_client(lambda i: shop.pipeline(replace(config, client_seed=i)))
    found["masked views"] = per_client(masked)
    split(CLIENTS)  # reads what all clients share
    found["Catalog Split clients"] = per_client(split, SPLIT_CLIENTS)
    start = time.process_time()
    client = split(SPLIT_CLIENTS).scorer
    found["a Catalog Split client"] = time.process_time() - start
    start = time.process_time()
    client.top([*asked["title words"][0], "w0"], 200)
    found["first search of a masked client"] = time.process_time() - start
    found |= times("Catalog Split", client, asked["title words"])
    found |= times("reweighted", reweighted(7).scorer, asked["title words"])
    return found


def times(name: str, scorer: Scorer, queries: list[list[str]]) -> dict[str, float]:
    """Return median and 99th percentile of searching for 200 results, in CPU seconds."""
    for query in queries[:50]:
        scorer.top(query, 200)  # so that the files are in memory
    seconds = []
    for query in queries:
        start = time.process_time()
        scorer.top(query, 200)
        seconds.append(time.process_time() - start)
    return {
        f"{name}, median": float(np.median(seconds)),
        f"{name}, p99": float(np.quantile(seconds, 0.99)),
    }


def measure_build(folder: str) -> dict[str, float]:
    """Build the index and measure time, peak memory and size."""
    from fedenv.webshop.files import find_files
    from fedenv.webshop.saving import save_index

    start = time.perf_counter()
    index = save_index(find_files(folder))
    seconds, used = time.perf_counter() - start, time.process_time()
    size = sum(path.stat().st_size for path in index.rglob("*"))
    return {"seconds": seconds, "CPU": used, "peak": peak(), "size": float(size)}


STAGES: Mapping[str, Callable[[str], dict[str, float]]] = {
    "build": measure_build,
    "lucene": partial(measure_search, engine="lucene"),
    "okapi": partial(measure_search, engine="okapi"),
}


def in_a_process(stage: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--stage", stage, "--folder", folder]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=one_core)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rows(num_products: int = PRODUCTS, folder: str | None = None) -> list[tuple[str, str, str]]:
    """Return name, measured value and goal of everything measured here."""
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        if not (where / "items_shuffle.json").exists():
            write_catalog(where, num_products)
        data = sum(path.stat().st_size for path in where.glob("items_*"))
        built = in_a_process("build", str(where))
        searched = [
            row
            for engine, goal in GOALS.items()
            for row in engine_rows(engine, goal, in_a_process(engine, str(where)))
        ]
    name = f"{num_products:,} products"
    return [
        (f"{name}: data files", f"{data / 1e9:.2f} GB", ""),
        (f"{name}: build", f"{built['seconds']:,.0f} s ({built['CPU']:,.0f} s CPU)", ""),
        (f"{name}: build, peak memory", f"{built['peak'] / 1e9:.2f} GB", "≤ 4 GB"),
        (f"{name}: size of the index", f"{built['size'] / 1e9:.2f} GB", ""),
        *searched,
    ]


def engine_rows(engine: str, goal: str, found: dict[str, float]) -> list[tuple[str, str, str]]:
    """Return the rows of one engine."""

    def both(name: str) -> str:
        return " / ".join(f"{found[f'{name}, {what}'] * 1e3:,.1f}" for what in ("median", "p99"))

    return [
        (f"{engine}: open", f"{found['open'] * 1e3:,.1f} ms", "< 1 s"),
        ("… and a first search", f"{found['first search'] * 1e3:,.1f} ms", ""),
        ("… tasks and splits", f"{found['splits'] * 1e3:,.1f} ms", ""),
        ("… top 200 of six title words, median / p99", f"{both('title words')} ms", goal),
        ("… top 200 of six any words", f"{both('any words')} ms", goal),
        ("… title words, not pruned", f"{both('plain')} ms", ""),
        ("… title words, a (k1, b) client", f"{both('reweighted')} ms", ""),
        ("… title words, a Catalog Split client", f"{both('Catalog Split')} ms", ""),
        ("… peak memory, files included", f"{found['peak of searching'] / 1e9:.2f} GB", ""),
        ("… a client of a rank rule", f"{found['rank clients']:.2f} bytes × N", "0"),
        ("… a (k1, b) client", f"{found['(k1, b) clients']:.2f} bytes × N", "0"),
        ("… a client's document mask", f"{found['masked views']:.2f} bytes × N", "≤ 8"),
        ("… a Catalog Split client", f"{found['Catalog Split clients']:.2f} bytes × N", "≤ 8"),
        ("… making a Catalog Split client", f"{found['a Catalog Split client']:.2f} s", ""),
        (
            "… a masked client's first search for a word in most products",
            f"{found['first search of a masked client'] * 1e3:,.0f} ms",
            "",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=PRODUCTS)
    parser.add_argument("--folder", help="keep (or find) the catalog here")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.stage:
        json.dump(STAGES[given.stage](given.folder), sys.stdout)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("measure", "value", "goal", title="Scale")
    for row in rows(given.products, given.folder):
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
