"""The shop at the size of the full public catalog: build, open, search, 100 clients.

Run ``python benchmarks/bench_scale.py [--products N] [--folder DIR]`` (``make bench-scale``). A
catalog of synthetic records is written (1.18 million without ``--products``), indexed by
``fedenv data index`` in a process of its own, and opened and searched in another. Queries are six
words. *Title words* come from one product's title, as agents ask; *any words* are drawn like the
words of the records, so that most hold several of the most frequent words.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fedenv.seeding import frozen_rng

PRODUCTS, INSTRUCTED = 1_180_000, 100
"""Number of products, and every how manieth of them carries an instruction."""

VOCABULARY, CLIENTS, QUERIES = 400_000, 100, 500


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


def measure_open_and_search(folder: str) -> dict[str, float]:
    """Measure everything that one process does with a saved index."""
    from fedenv.webshop.files import find_files
    from fedenv.webshop.index import tokenize
    from fedenv.webshop.pipeline import FIELDS
    from fedenv.webshop.scoring import OkapiView
    from fedenv.webshop.shop import open_shop

    found: dict[str, float] = {}
    start = time.perf_counter()
    shop = open_shop(find_files(folder), "synthetic", "rules")
    found["open"] = time.perf_counter() - start
    assert not isinstance(shop.products, tuple), "the saved index is used"
    from fedenv.webshop.pipeline import PipelineConfig

    scorer = shop.pipeline(PipelineConfig()).scorer
    shop.pipeline(PipelineConfig()).search("w1a w2b", 0, 0)
    found["open and first search"] = time.perf_counter() - start
    start = time.perf_counter()
    shop.splits("goal")
    found["splits"] = time.perf_counter() - start
    rng = frozen_rng("bench_scale", "queries")
    chosen = rng.randint(len(shop.products), size=QUERIES).tolist()
    asked = {
        "title words": [
            rng.permutation(tokenize(shop.products[i].name))[:6].tolist() for i in chosen
        ],
        "any words": [[f"w{word:x}" for word in zipf_words(6, "query", i)] for i in range(QUERIES)],
    }
    for name, queries in asked.items():
        for query in queries[:50]:
            scorer.top(query, 200)  # so that the files are in memory
        times = []
        for query in queries:
            begun = time.perf_counter()
            scorer.top(query, 200)
            times.append(time.perf_counter() - begun)
        found[f"{name}, median"] = float(np.median(times))
        found[f"{name}, p99"] = float(np.quantile(times, 0.99))
    found["peak of searching"] = peak()
    postings = scorer.postings
    before = resident()
    views = [
        OkapiView(
            postings,
            mask=frozen_rng("bench_scale", "mask", i).random_sample(len(shop.products)) < 0.7,
        )
        for i in range(CLIENTS)
    ]
    found["masked views"] = (resident() - before) / CLIENTS / len(shop.products)
    before = resident()
    reference = [
        shop.pipeline(PipelineConfig(fields=FIELDS, client_seed=i)) for i in range(CLIENTS)
    ]
    found["rank clients"] = (resident() - before) / CLIENTS / len(shop.products)
    assert len({id(pipeline.scorer) for pipeline in reference}) == 1
    begun = time.perf_counter()
    views[0].top([*asked["title words"][0], "w0"], 200)
    found["first search of a masked client"] = time.perf_counter() - begun
    return found


def resident() -> float:
    """Return the anonymous resident memory of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return float(line.split()[1]) * 1024
    return float("nan")


def peak() -> float:
    """Return the largest resident memory of this process so far in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def measure_build(folder: str) -> dict[str, float]:
    """Build the index and measure time, peak memory and size."""
    from fedenv.webshop.files import find_files
    from fedenv.webshop.saving import save_index

    start = time.perf_counter()
    index = save_index(find_files(folder))
    seconds = time.perf_counter() - start
    size = sum(path.stat().st_size for path in index.iterdir())
    return {"seconds": seconds, "peak": peak(), "size": float(size)}


STAGES = {"build": measure_build, "search": measure_open_and_search}


def in_a_process(stage: str, folder: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--stage", stage, "--folder", folder]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=one_core)
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
        found = in_a_process("search", str(where))
    name = f"{num_products:,} products"
    milliseconds = {k: f"{v * 1e3:,.1f} ms" for k, v in found.items()}
    return [
        (f"{name}: data files", f"{data / 1e9:.2f} GB", ""),
        (f"{name}: build", f"{built['seconds']:,.0f} s", ""),
        (f"{name}: build, peak memory", f"{built['peak'] / 1e9:.2f} GB", "≤ 4 GB"),
        (f"{name}: size of the index", f"{built['size'] / 1e9:.2f} GB", ""),
        (f"{name}: open", milliseconds["open"], "< 1 s"),
        ("… and a first search", milliseconds["open and first search"], ""),
        ("… tasks and splits", milliseconds["splits"], ""),
        *(
            (f"… top 200 of six {kind}, {what}", milliseconds[f"{kind}, {what}"], goal)
            for kind in ("title words", "any words")
            for what, goal in (("median", "≤ 25 ms"), ("p99", ""))
        ),
        (
            "… peak memory of searching, files included",
            f"{found['peak of searching'] / 1e9:.2f} GB",
            "",
        ),
        ("… a client's document mask", f"{found['masked views']:.1f} bytes × N", "≤ 8"),
        ("… a client of a rank rule", f"{found['rank clients']:.1f} bytes × N", "0"),
        ("… first search of a masked client", milliseconds["first search of a masked client"], ""),
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
