"""The bundled catalog: the shipped bytes, the counts, the format, the measured statistics."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from collections import Counter
from math import prod
from statistics import mean, median
from typing import Any

import pytest

from fedenv.webshop import bundled

ITEMS, INS, HOLDOUT = (
    "items_shuffle_bundled.json",
    "items_ins_v2_bundled.json",
    "holdout_asins_bundled.json",
)
BUTTONS = {
    *("search", "back to search", "< prev", "next >", "description", "features", "reviews"),
    *("attributes", "buy now"),
}


@pytest.fixture(scope="module")
def shipped() -> dict[str, bytes]:
    names = (ITEMS, INS, HOLDOUT)
    return {n: gzip.decompress((bundled.FOLDER / f"{n}.gz").read_bytes()) for n in names}


@pytest.fixture(scope="module")
def products(shipped: dict[str, bytes]) -> list[dict[str, Any]]:
    return json.loads(shipped[ITEMS])


@pytest.fixture(scope="module")
def ins(shipped: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    return json.loads(shipped[INS])


def tokens(text: str) -> int:
    return len(re.findall(r"\w+", text.lower()))


def values(product: dict[str, Any]) -> list[list[str]]:
    groups = product["customization_options"].values()
    return [[v["value"].strip().replace("/", " | ").lower() for v in g] for g in groups]


def test_regenerating_gives_the_shipped_bytes(shipped: dict[str, bytes]) -> None:
    assert bundled.generate() == shipped


def test_write_gives_the_shipped_json(tmp_path: Any, shipped: dict[str, bytes]) -> None:
    bundled.write(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(f"{n}.gz" for n in shipped)
    for path in tmp_path.iterdir():
        assert path.read_bytes()[4:8] == b"\0\0\0\0"  # no time stamp
        assert gzip.decompress(path.read_bytes()) == shipped[path.name[:-3]]


def test_size() -> None:
    assert sum(p.stat().st_size for p in bundled.FOLDER.glob("*_bundled.json.gz")) <= 1_000_000


def test_counts(products: list[dict[str, Any]], ins: dict[str, Any]) -> None:
    asins = [p["asin"] for p in products]
    assert len(asins) == len(set(asins)) == 1000
    assert set(ins) == set(asins)
    asked = {a for a, entry in ins.items() if "instruction" in entry}
    assert len(asked) == 415
    goals = sum(prod(len(set(g)) for g in values(p)) for p in products if p["asin"] in asked)
    assert goals == 6910
    assert len({p["name"] for p in products}) == 1000
    assert len({ins[a]["instruction"] for a in asked}) == 415


def test_holdout(
    shipped: dict[str, bytes], products: list[dict[str, Any]], ins: dict[str, Any]
) -> None:
    held = json.loads(shipped[HOLDOUT])["asins"]
    assert len(held) == len(set(held)) == 30
    assert held == sorted(held)
    assert not any("instruction" in ins[a] for a in held)
    spread = Counter(p["category"] for p in products if p["asin"] in held)
    assert len(spread) == 5
    assert min(spread.values()) >= 3


def test_record_format(products: list[dict[str, Any]]) -> None:
    for p in products:
        assert re.fullmatch(r"B0[0-9A-Z]{8}", p["asin"])
        assert p["category"] in {"beauty", "electronics", "fashion", "garden", "grocery"}
        assert p["query"] == p["query"].strip() != p["query"].lower()
        assert isinstance(p["page"], int)
        assert len(p["product_category"].split(" › ")) >= 3
        assert isinstance(p["full_description"], str)
        assert p["small_description"]
        assert all(isinstance(b, str) and b.strip() for b in p["small_description"])
        assert re.fullmatch(r"(\$(\d{1,3},)?\d{1,3}\.\d\d){0,2}", p["pricing"])
        assert len(p["images"]) == 1
        assert p["average_rating"] == "" or 0 < p["average_rating"] <= 5
        prose = [p["name"], p["full_description"], *p["small_description"]]
        assert not any(re.search(r"[{}]|\(\w+\||  ", text) for text in prose)


def test_prices(products: list[dict[str, Any]]) -> None:
    amounts = Counter(p["pricing"].count("$") for p in products)
    assert 10 <= amounts[0] <= 60
    assert 150 <= amounts[2] <= 250
    assert any("," in p["pricing"] for p in products)


def test_option_values(products: list[dict[str, Any]]) -> None:
    for p in products:
        flat = [v for group in values(p) for v in group]
        assert len(flat) == len(set(flat)), p["asin"]
        assert not BUTTONS & set(flat)
        assert not any(v.upper() == p["asin"] for v in flat)
        assert all(len(group) >= 2 for group in values(p))
        for group in p["customization_options"].values():
            assert sum(v["is_selected"] for v in group) == 1


def test_option_statistics(products: list[dict[str, Any]]) -> None:
    with_options = [values(p) for p in products if p["customization_options"]]
    assert 600 <= len(with_options) <= 720
    share = Counter(len(v) for v in with_options)
    assert share[1] / len(with_options) == pytest.approx(0.55, abs=0.02)
    assert share[2] / len(with_options) == pytest.approx(0.42, abs=0.02)
    assert share[3] / len(with_options) == pytest.approx(0.03, abs=0.01)
    counts = [sum(map(len, v)) for v in with_options]
    assert mean(counts) == pytest.approx(8.6, rel=0.1)
    assert max(counts) <= 50
    combinations = [prod(map(len, v)) for v in with_options]
    assert median(combinations) == pytest.approx(7, abs=1)
    assert mean(combinations) == pytest.approx(25, rel=0.1)
    assert max(combinations) <= 560


def test_instructions(products: list[dict[str, Any]], ins: dict[str, Any]) -> None:
    brands = {p["name"].split()[0].lower() for p in products}
    lengths = [len(entry["attributes"]) for entry in ins.values()]
    assert mean(lengths) == pytest.approx(2.83, rel=0.1)
    for asin, entry in ins.items():
        for phrase in entry["attributes"]:
            assert phrase == phrase.lower()
            assert 2 <= len(re.split(r"[ -]", phrase)) <= 4
        if "instruction" not in entry:
            assert "instruction_attributes" not in entry
            continue
        text = entry["instruction"]
        assert text.startswith("Find me ")
        assert not text.endswith(".")
        assert asin.lower() not in text.lower()
        assert 1 <= len(entry["instruction_attributes"]) <= 4
        assert set(entry["instruction_attributes"]) <= set(entry["attributes"])
        coined = {
            b for b in brands if re.match(r"(?:bram|cald|dov|farr|hest|ilv|kest|ulv|zell)", b)
        }
        assert not coined & set(re.findall(r"\w+", text.lower()))


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("name", (19.2, 19, 29, 39)),
        ("full_description", (93.8, 58, 251, 645)),
        ("small_description", (162, 139, 342, 746)),
    ],
)
def test_text_lengths(
    products: list[dict[str, Any]], part: str, expected: tuple[float, ...]
) -> None:
    texts = [p[part] if isinstance(p[part], str) else " ".join(p[part]) for p in products]
    sizes = sorted(map(tokens, texts))
    got = (mean(sizes), median(sizes), sizes[900])
    assert got == pytest.approx(expected[:3], rel=0.1)
    assert sizes[-1] <= expected[3]


def test_shape_of_the_shop(products: list[dict[str, Any]]) -> None:
    shelves = Counter(p["query"] for p in products)
    assert 45 <= len(shelves) <= 60
    assert 40 <= max(shelves.values()) <= 60
    assert sum(not p["full_description"] for p in products) == 350
    assert mean(len(p["small_description"]) for p in products) == pytest.approx(5.2, rel=0.1)
    order = [p["query"] for p in products]
    assert sum(a == b for a, b in itertools.pairwise(order)) < 60
