"""Compare engine "lucene" with Lucene itself (make test-reference), and record Lucene's rankings.

Usage: python tests/reference/lucene_reference.py [--record] [FOLDER …]

Checks the bundled records, the real ones in ../shared/data/webshop_real where they are, and every
FOLDER: the tokens of each indexed text, and the first 20 products and scores of several hundred
queries, in the reference shop, in the shop of a Catalog Split client, and with other k1 and b.
Fails where fewer than 99 % of the queries have an equal top 10, or a score differs by more than
1e-4. With --record it writes what Lucene says about the bundled records to the golden file that the
ordinary tests read.
"""

import json
import re
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedenv.seeding import frozen_rng
from fedenv.webshop import pyserini
from fedenv.webshop.analysis import english_tokens
from fedenv.webshop.catalog import catalog_split
from fedenv.webshop.files import find_files
from fedenv.webshop.pipeline import PipelineConfig, index_document
from fedenv.webshop.shop import Shop, open_shop

TOP = 20
ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "data" / "webshop_real"
GOLDEN = ROOT / "tests" / "webshop" / "golden" / "lucene_rankings.json"
LUCENE = PipelineConfig.of_engine("lucene")
AWKWARD = [
    *("Women's", "3.5 mm", "the and of", "", "?!", 'café™ 12" x 10’', "t-shirt t-shirt t-shirt"),
    *("possibly reusable possibilities", "color: red, and size: large", "b0 zzzzqqq", "usb_c 2.0"),
]


def make_queries(shop: Shop, size: int) -> list[str]:
    """Return instructions, titles and keyword queries, drawn from a stream of the data's own."""
    rng = frozen_rng("lucene-reference", shop.catalog.digest)

    def draw(texts: list[str]) -> list[str]:
        return [texts[i] for i in rng.permutation(len(texts))[:size].tolist()]

    titles = [product.name for product in shop.products]
    keywords = []
    for text in draw(titles):
        words = re.findall(r"\w+", text)
        keywords.append(" ".join(draw(words)[: 1 + int(4 * rng.random_sample())]))
    return [*AWKWARD, *draw([goal.instruction for goal in shop.goals]), *draw(titles), *keywords]


def random_texts(size: int) -> list[str]:
    """Return short strings of characters of every class but the Hebrew ones."""
    rng = frozen_rng("lucene-reference", "characters")
    classes = json.loads((ROOT / "fedenv" / "webshop" / "word_classes.json").read_text("utf-8"))
    alphabet = [list(" -/!s"), list("aeilnoprsty")]
    for name, ranges in classes["classes"].items():
        ends = re.findall("[0-9A-F]+", ranges)[:40]
        if not name.startswith("hebrew"):
            alphabet.append([chr(int(end, 16)) for end in ends])
    texts = []
    for _ in range(size):
        few = [alphabet[i] for i in rng.randint(len(alphabet), size=1 + rng.randint(6))]
        picks = (few[rng.randint(len(few))] for _ in range(1 + rng.randint(14)))
        texts.append("".join(members[rng.randint(len(members))] for members in picks))
    return texts + [character * 600 for character in ("a", "1", "é", "_", "a.b")]


def configurations(shop: Shop) -> dict[str, PipelineConfig]:
    """Return what is compared."""
    catalog = shop.catalog
    kept = catalog_split(catalog.asins, catalog.targets(), catalog.holdout, 7, 1.0, 0.7)
    return {
        "reference": LUCENE,
        "catalog split, client 7": replace(LUCENE, kept=tuple(kept)),
        "k1=2.0, b=1.0": replace(LUCENE, k1=2.0, b=1.0),
        "k1=0.0, b=0.0": replace(LUCENE, k1=0.0, b=0.0),
    }


def real_tokens(texts: list[str]) -> list[list[str]]:
    """Return what Lucene's English analyzer makes of the texts."""
    java = pyserini._java().autoclass
    analyzer = java("org.apache.lucene.analysis.en.EnglishAnalyzer")()
    term = java("java.lang.Class").forName(
        "org.apache.lucene.analysis.tokenattributes.CharTermAttribute"
    )
    lists = []
    for text in texts:
        stream = analyzer.tokenStream("contents", text)
        attribute = stream.addAttribute(term)
        stream.reset()
        tokens = []
        while stream.incrementToken():
            tokens.append(attribute.toString())
        stream.end()
        stream.close()
        lists.append(tokens)
    return lists


def rankings(shop: Shop, config: PipelineConfig, queries: list[str]) -> list[tuple]:
    scorer = shop.pipeline(config).scorer
    if config.engine == "pyserini":
        return [scorer.top([query.lower()], TOP) for query in queries]
    return [scorer.top(english_tokens(query.lower()), TOP) for query in queries]


def compare(folder: str | None, size: int) -> bool:
    """Print the match rates on a data set; tell whether they are good enough."""
    shop = open_shop(find_files(folder), "synthetic", "rules")
    texts = [" ".join(sum(index_document(product).values(), ())) for product in shop.products]
    pairs = zip(map(english_tokens, texts), real_tokens(texts), strict=True)
    same = sum(ours == theirs for ours, theirs in pairs)
    print(f"{folder or 'bundled'}: equal tokens in {same} of {len(texts)} texts")
    queries = make_queries(shop, size)
    good = same == len(texts)
    for name, config in configurations(shop).items():
        start = time.perf_counter()
        ours = rankings(shop, config, queries)
        middle = time.perf_counter()
        theirs = rankings(shop, replace(config, engine="pyserini"), queries)
        end = time.perf_counter()
        equal = dict.fromkeys((10, TOP), 0)
        bits, worst = 0, 0.0
        for (docs, scores), (real_docs, real_scores) in zip(ours, theirs, strict=True):
            for n in equal:
                equal[n] += docs[:n].tolist() == real_docs[:n].tolist()
            bits += scores.tolist() == real_scores.tolist()
            if len(scores) == len(real_scores):
                worst = max(worst, float(np.abs(scores - real_scores).max(initial=0.0)))
            else:
                worst = np.inf
        print(
            f"  {name}: {len(queries)} queries, equal top 10 {equal[10] / len(queries):.2%}, "
            f"top {TOP} {equal[TOP] / len(queries):.2%}, scores equal to the bit "
            f"{bits / len(queries):.2%}, largest difference {worst:.1e} "
            f"({middle - start:.2f} s ours, {end - middle:.2f} s Lucene)"
        )
        good &= equal[10] >= 0.99 * len(queries) and worst <= 1e-4
    return good


def compare_tokens() -> bool:
    """Print the match rate on random strings; tell whether it is 1."""
    texts = random_texts(20_000)
    pairs = zip(map(english_tokens, texts), real_tokens(texts), strict=True)
    same = sum(ours == theirs for ours, theirs in pairs)
    print(f"random strings: equal tokens in {same} of {len(texts)}")
    return same == len(texts)


def record() -> None:
    """Write Lucene's rankings of the bundled records."""
    shop = open_shop(find_files(None), "synthetic", "rules")
    queries = make_queries(shop, 100)
    real = {
        name: rankings(shop, replace(config, engine="pyserini"), queries)
        for name, config in configurations(shop).items()
        if not name.startswith("k1")
    }
    rows = {
        name: [[docs.tolist(), [float(f"{s:.9g}") for s in scores]] for docs, scores in lists]
        for name, lists in real.items()
    }
    texts = [*AWKWARD, *(p.name for p in shop.products[:100]), *random_texts(300)]
    golden = {
        "about": "What Lucene 9.9.1 answers on the bundled records: product numbers and scores.",
        "data_digest": shop.catalog.digest,
        "queries": queries,
        "rankings": rows,
        "tokens": dict(zip(texts, real_tokens(texts), strict=True)),
    }
    text = json.dumps(golden, ensure_ascii=False, separators=(",", ":"))
    GOLDEN.write_text(text.replace("],[[", "],\n[[") + "\n", encoding="utf-8")
    print(f"{GOLDEN.name}: {GOLDEN.stat().st_size:,} bytes")


def main() -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--record"]
    folders = [None, *([str(REAL)] if REAL.is_dir() else []), *arguments]
    good = [compare_tokens(), *(compare(folder, 200) for folder in folders)]
    if "--record" in sys.argv:
        record()
    sys.exit(0 if all(good) else 1)


if __name__ == "__main__":
    main()
