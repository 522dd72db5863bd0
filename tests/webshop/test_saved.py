"""A saved index gives what the data read in full gives, or is not used at all."""

import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fedenv import seeding
from fedenv.errors import ConfigError, DataError
from fedenv.webshop import views
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.files import BUNDLED, find_files
from fedenv.webshop.index import tokenize
from fedenv.webshop.pipeline import FIELDS, SHOP_FIELDS, PipelineConfig
from fedenv.webshop.saved import SavedIndex, open_index
from fedenv.webshop.saving import index_folder, save_index
from fedenv.webshop.shop import Shop, open_shop
from fedenv.webshop.variants import BM25_CONFIGURATIONS, FIELD_SUBSETS, VARIANTS, client_pipeline
from tests.conftest import product, write_folder

LUCENE = PipelineConfig.of_engine("lucene")


def copy_of(folder, where):
    where.mkdir()
    for path in Path(folder).glob("items_*"):
        shutil.copyfile(path, where / path.name)
    return str(where)


@pytest.fixture(scope="module", params=["bundled", "real", "tiny"])
def both(request, tmp_path_factory):
    """The same data read in full and through a saved index that was built in small blocks."""
    if request.param == "bundled":
        folder = str(BUNDLED)
    else:
        folder = request.getfixturevalue(f"{request.param}_folder")
    files = find_files(copy_of(folder, tmp_path_factory.mktemp("saved") / "data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fedenv.webshop.blocks.BLOCK_DOCUMENTS", 100)
        save_index(files)
    saved = open_index(files)
    assert isinstance(saved, SavedIndex)
    return Shop(files, "synthetic", "rules"), Shop(files, "synthetic", "rules", saved)


def queries(shop, count):
    rng = seeding.frozen_rng("test-saved", "queries")
    titles = [shop.products[i].name for i in rng.randint(len(shop.products), size=count)]
    return [" ".join(rng.permutation(title.split())[:6]) for title in titles] + ["the for and", ""]


def test_products_goals_and_splits_are_the_same(both):
    plain, saved = both
    assert tuple(saved.products) == plain.products
    assert saved.catalog.digest == plain.catalog.digest
    assert saved.catalog.holdout == plain.catalog.holdout
    assert saved.catalog.asins == plain.catalog.asins
    assert saved.goals[len(saved.goals) // 2] == plain.goals[len(plain.goals) // 2]
    assert tuple(saved.goals) == plain.goals
    for split_by in ("goal", "product"):
        ours, theirs = saved.splits(split_by), plain.splits(split_by)
        assert ours.tasks == theirs.tasks
        assert ours.positions == theirs.positions
    for kind in ("synthetic", "human"):
        assert saved.catalog.targets(kind) == plain.catalog.targets(kind)
    for i, asin in enumerate(plain.catalog.asins):
        assert saved.catalog.position(asin) == i
        assert saved.find(asin.lower()) == plain.find(asin.lower())
        assert saved.link(i) == plain.link(i)
    assert saved.find("nothing") is plain.find("nothing") is None
    with pytest.raises(KeyError):
        saved.catalog.position("nothing")
    with pytest.raises(IndexError):
        saved.products[len(saved.products)]
    with pytest.raises(KeyError):
        saved.catalog.mask(["nothing"])


def pairs_by_term(postings, number):
    """Return term, document and frequency of all pairs in the order of the terms' numbers."""
    terms = np.repeat(number, np.diff(postings.indptr))
    order = np.argsort(terms, kind="stable")
    return terms[order], postings.docs[order], postings.freqs[order]


def test_postings_are_the_same(both):
    """Up to the numbers of the words: a saved index counts the words of more fields."""
    plain, saved = both
    asked = [PipelineConfig(fields=fields) for fields in FIELD_SUBSETS]
    asked += [replace(LUCENE, fields=fields) for fields in (SHOP_FIELDS, *FIELD_SUBSETS)]
    for config in asked:
        ours = saved.pipeline(config).scorer.postings
        theirs = plain.pipeline(config).scorer.postings
        number = np.array([ours.vocabulary[word] for word in theirs.vocabulary])
        for name in ("doc_indptr", "doc_lengths", "length_codes"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), (config, name)
        for name in ("doc_terms", "first_seen"):
            assert np.array_equal(getattr(ours, name), number[getattr(theirs, name)]), name
        ours_by_term = pairs_by_term(ours, np.arange(len(ours.vocabulary)))
        for mine, other in zip(ours_by_term, pairs_by_term(theirs, number), strict=True):
            assert np.array_equal(mine, other)
        assert [ours.vocabulary[word] for word in ours.vocabulary] == list(
            range(len(ours.vocabulary))
        )
        assert ours.vocabulary.get("no such word") is None


def test_postings_of_both_engines_are_mapped_not_made(both):
    for engine in ("okapi", "lucene"):
        postings = both[1].pipeline(PipelineConfig.of_engine(engine)).scorer.postings
        for name in ("docs", "freqs", "doc_lengths", "length_codes", "first_seen"):
            assert isinstance(getattr(postings, name).base, np.memmap), (engine, name)


def configurations(shop):
    for engine in ("okapi", "lucene"):
        own = PipelineConfig.of_engine(engine)
        yield own
        yield from (replace(own, fields=fields) for fields in FIELD_SUBSETS)
        yield from (replace(own, k1=k1, b=b) for k1, b in BM25_CONFIGURATIONS)
        yield replace(own, tokenizer="whitespace")
        for client in range(3):
            assigned = client_pipeline(
                VARIANTS["catalog-split"],
                {"env_div": 1.0, "keep_ratio": 0.5},
                own,
                shop.catalog,
                str,
                "synthetic",
                client,
                42,
            )
            yield assigned.config


@pytest.mark.parametrize("pruned_from", [0, 100_000])
def test_searches_and_pages_are_the_same(both, pruned_from, monkeypatch):
    plain, saved = both
    asked = queries(plain, 12)
    for theirs, ours in zip(configurations(plain), configurations(saved), strict=True):
        assert ours.digest == theirs.digest
        for query in asked:
            tokens = tokenize(query, theirs.tokenizer)
            expected = plain.pipeline(theirs).scorer.top(tokens, 200)
            with monkeypatch.context() as patch:
                patch.setattr(views, "PRUNED_FROM", pruned_from)
                got = saved.pipeline(ours).scorer.top(tokens, 200)
            assert np.array_equal(got[0], expected[0])
            assert np.array_equal(got[1], expected[1])
    for mode in ("text", "text_rich"):
        for index in range(0, len(plain.products), 7):
            arguments = ("instruction", index, ["a", "b"], {})
            assert saved.pages(mode).item(*arguments) == plain.pages(mode).item(*arguments)
            assert saved.menu(index).actions == plain.menu(index).actions


def tiny(folder, suffix="", **more):
    records = [
        product("B000000001", name="Lone \ud800 ⚘ spade", small_description=[], pricing="$5$7.1"),
        product("b000000001", name="Differs in the case of its code"),
        *(product(f"C{i:09d}", name=f"Rake {i} of tin", full_description="") for i in range(40)),
        product("B000000001", name="A duplicate"),
    ]
    records[3]["name"] = records[3]["query"] = ""
    records[4]["customization_options"] = {"Color": [{"value": "a"}, {"value": "a"}]}
    wanted = {"instruction": "Find me tin", "instruction_attributes": ["tin"]}
    instructions = {
        "B000000001": {"attributes": [], **wanted},
        "C000000002": {"attributes": ["tin"], **wanted},
        "unused": {},
    }
    write_folder(folder, [], {}, suffix, **more)
    for name, value in (("shuffle", records), ("ins_v2", instructions)):
        (folder / f"items_{name}{suffix}.json").write_text(json.dumps(value))
    return str(folder)


def test_odd_records_human_goals_and_listed_holdout(tmp_path):
    human = {
        "C000000001": [
            {
                "instruction": "a rake.",
                "instruction_attributes": ["tin"],
                "instruction_options": [],
            },
            {"instruction": "skipped", "instruction_attributes": []},
        ],
        "C000000003": [{"instruction": "none", "instruction_attributes": []}],
        "B000000001": [{"instruction": "spade", "instruction_attributes": ["x"]}] * 2,
    }
    holdout = {"asins": ["C000000009", "absent"]}
    folder = tiny(tmp_path / "d", "_x", items_human_ins=human, holdout_asins=holdout)
    files = find_files(folder)
    folder = save_index(files)
    assert folder.name == "fedenv-index_x"
    for kind in ("synthetic", "human"):
        plain, saved = Shop(files, kind, "rules"), Shop(files, kind, "rules", open_index(files))
        assert tuple(saved.products) == plain.products
        assert tuple(saved.goals) == plain.goals
        assert saved.catalog.targets(kind) == plain.catalog.targets(kind)
        assert saved.catalog.holdout == plain.catalog.holdout == ("C000000009",)
        assert saved.catalog.digest == plain.catalog.digest == files.digest()
        assert saved.splits("product") == plain.splits("product")
        assert saved.find("b000000001") == plain.find("b000000001") == 1


def test_no_goals_is_the_same_error(tmp_path):
    files = find_files(tiny(tmp_path / "d"))
    save_index(files)
    with pytest.raises(ConfigError, match="no human goals"):
        open_shop(files, "human", "rules")


def test_open_shop_uses_an_index_that_fits(tmp_path, caplog):
    folder = Path(tiny(tmp_path / "d"))
    files = find_files(str(folder))
    assert open_index(files) is None
    save_index(files)
    assert isinstance(
        open_shop(files, "synthetic", "rules").products, type(open_index(files).catalog.products)
    )

    records = files.products.read_text()
    os.utime(files.products, ns=(1, 1))
    assert open_index(files) is not None, "same content, other time"
    assert not caplog.records
    files.products.write_text(records.replace("Rake 7", "Fake 7"))
    with caplog.at_level(logging.WARNING):
        assert open_index(files) is None, "same size, other content"
        assert "have changed" in caplog.text
        assert isinstance(open_shop(files, "synthetic", "rules").products, tuple)
    save_index(files)
    assert open_index(files).catalog.products[8] == load_catalog(files).products[8]
    files.products.write_text(records.replace("Rake 7", "Rake seven"))
    assert open_index(files) is None

    save_index(files)
    (folder / "items_human_ins.json").write_text("{}")
    assert open_index(find_files(str(folder))) is None, "a file came"
    files = find_files(str(folder))
    about = index_folder(files) / "index.json"
    save_index(files)
    assert open_index(files) is not None
    about.write_text(json.dumps({**json.loads(about.read_text()), "format": 0}))
    assert open_index(files) is None
    about.write_text("{")
    assert open_index(files) is None
    save_index(files)
    part = index_folder(files) / "english" / "docs.npy"
    part.write_bytes(part.read_bytes()[:-1])
    assert open_index(files) is None, "a file is cut short"
    part.unlink()
    assert open_index(files) is None, "a file is missing"


def test_a_gzip_folder_and_the_command(tmp_path):
    import gzip

    folder = Path(tiny(tmp_path / "d", "_z"))
    for path in list(folder.glob("items_*")):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "fedenv", "data", "index", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "number of products" in done.stdout
    assert (folder / "fedenv-index_z").is_dir()
    files = find_files(str(folder))
    assert open_index(files).catalog.digest == load_catalog(files).digest
    bad = [sys.executable, "-m", "fedenv", "data", "index", str(tmp_path / "no")]
    assert "no such folder" in subprocess.run(bad, capture_output=True, text=True).stderr


_KILLED = """
import os, signal, sys
from fedenv.webshop import saving
from fedenv.webshop.files import find_files
stage = sys.argv[2]
def progress(what, done, total):
    if what == stage:
        os.kill(os.getpid(), signal.SIGKILL)
saving.save_index(find_files(sys.argv[1]), progress)
"""


@pytest.mark.parametrize("stage", ["instructions", "products", "word postings", "english postings"])
def test_a_killed_build_leaves_no_index(tmp_path, stage):
    folder = tiny(tmp_path / "d")
    files = find_files(folder)
    done = subprocess.run([sys.executable, "-c", _KILLED, folder, stage], check=False)
    assert done.returncode == -signal.SIGKILL
    assert open_index(files) is None
    assert list(files.products.parent.glob("*.partial-*"))
    save_index(files)
    assert open_index(files) is not None
    assert not list(files.products.parent.glob("*.partial-*"))
    done = subprocess.run([sys.executable, "-c", _KILLED, folder, stage], check=False)
    assert open_index(files) is not None, "the old index stays until the new one is complete"


def test_a_build_that_fails_leaves_nothing(tmp_path):
    folder = write_folder(tmp_path / "d", [product("A", name=3)], {})
    files = find_files(folder)
    with pytest.raises(DataError, match=r"record 0 \(asin 'A'\), field 'name'"):
        save_index(files)
    assert sorted(p.name for p in Path(folder).iterdir()) == [
        "items_ins_v2.json",
        "items_shuffle.json",
    ]
    (Path(folder) / "items_ins_v2.json").write_text('{"A": 3}')
    with pytest.raises(DataError, match="record 'A': expected an object"):
        save_index(files)


def test_data_that_change_during_the_build_are_an_error(tmp_path):
    files = find_files(tiny(tmp_path / "d"))

    def progress(what, done, total):
        if what == "english postings":
            files.instructions.write_text("{}")

    with pytest.raises(DataError, match="a data file changed"):
        save_index(files, progress)
    assert not index_folder(files).exists()


def test_opening_is_quick(both):
    start = time.perf_counter()
    files = both[0]._arguments[0]
    shop = Shop(files, "synthetic", "rules", open_index(files))
    for config in (PipelineConfig(), LUCENE):
        shop.pipeline(config).search("red shirt")
    assert time.perf_counter() - start < 1


def test_a_tokenizer_that_is_not_saved_is_logged(both, caplog):
    files = both[0]._arguments[0]
    shop = Shop(files, "synthetic", "rules", open_index(files))
    for config in (PipelineConfig(), LUCENE, replace(LUCENE, fields=FIELDS)):
        shop.pipeline(config)
    assert not caplog.records
    shop.pipeline(PipelineConfig(tokenizer="whitespace"))
    assert "tokenizer 'whitespace'" in caplog.text
