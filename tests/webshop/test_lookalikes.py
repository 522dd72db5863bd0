"""Lookalikes: what ships passes its checks, and only the clients of a pool see it."""

import gzip
import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from fedenv import Federation
from fedenv.errors import ConfigError, DataError
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.files import BUNDLED, find_files
from fedenv.webshop.goals import build_goals
from fedenv.webshop.index import FieldIndex, tokenize
from fedenv.webshop.lookalike_checks import (
    FAILS_ANYWAY,
    OTHER_TERM,
    STILL_MET,
    RewardCheck,
    far_from_target,
)
from fedenv.webshop.lookalike_generator import NO_PRICE_LIMIT, NO_VALUES, generate
from fedenv.webshop.lookalike_shop import with_lookalikes
from fedenv.webshop.lookalike_texts import SYNONYMS, draw_edits
from fedenv.webshop.lookalikes import POOLS, Edit, Lookalike, apply, dump, make_pool, read
from fedenv.webshop.pipeline import FIELDS, PipelineConfig, Stock, index_document
from fedenv.webshop.scoring import OkapiView
from fedenv.webshop.session import ITEM_BUTTONS, ItemMenu
from tests.conftest import colors, product, write_folder

ENV_ID = "FedWebShop-Lookalike-v0"
FILE = BUNDLED / "lookalikes_bundled.json.gz"


@pytest.fixture(scope="module")
def federation():
    return Federation(ENV_ID)


@pytest.fixture(scope="module")
def kernels(federation):
    """One client's kernel per pool, by the pool's name."""
    found = {}
    for client in range(20):
        kernel = federation.kernel(client)
        found.setdefault(kernel.config.added.name, kernel)
    assert set(found) == set(POOLS)
    return found


@pytest.fixture(scope="module")
def shop(federation):
    return with_lookalikes(federation.world.shop)


def goals_by_product(goals):
    found = defaultdict(list)
    for goal in goals:
        found[goal.product].append(goal)
    return found


def target_of(shop, lookalike):
    return shop.products[shop.catalog.position(lookalike.asin.split("_")[2])]


def test_the_shipped_file_is_what_the_generator_writes(tmp_path):
    command = [sys.executable, "-m", "fedenv", "data", "lookalikes", "--out", str(tmp_path)]
    env = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run(command, check=True, capture_output=True, env=env)
    written = (tmp_path / FILE.name).read_bytes()
    assert gzip.decompress(written) == gzip.decompress(FILE.read_bytes())
    assert FILE.stat().st_size < 150_000
    pools = read(FILE)
    assert {name: len(pool) for name, pool in pools.items()} == {
        "price": 411,
        "color": 171,
        "size": 162,
        "price+color": 169,
    }
    assert dump(pools) == gzip.decompress(written)


@pytest.mark.parametrize("pool", POOLS)
def test_exactly_the_attacked_terms_fail(shop, pool):
    """Every choice of options is tried, one value per attacked group."""
    goals = goals_by_product(shop.goals)
    attacked = pool.split("+")
    for lookalike in shop.pools[pool].products:
        target = target_of(shop, lookalike)
        groups = [n for n in target.options if any(term in n for term in attacked)]
        for goal in goals[target.index][::9]:
            wanted = dict(goal.options)
            position = shop.catalog.position(lookalike.asin)
            base = shop.reward(target.index, goal, wanted)
            expected = (
                base.r_type,
                base.attribute_matches,
                base.option_matches - len(groups),
                "price" not in attacked,
            )
            kept = {name: value for name, value in wanted.items() if name not in groups}
            for values in itertools.product(*(lookalike.options[name][:6] for name in groups)):
                chosen = {**kept, **dict(zip(groups, values, strict=True))}
                bought = shop.reward(position, goal, chosen)
                got = (bought.r_type, bought.attribute_matches, bought.option_matches)
                assert (*got, bought.price_ok) == expected
                assert bought.score < base.score


@pytest.mark.parametrize("pool", POOLS)
def test_lookalikes_rank_near_their_targets(shop, kernels, pool):
    wide = replace(kernels[pool].config, search_return_n=10_000)
    above = 0
    for lookalike in shop.pools[pool].products:
        target = target_of(shop, lookalike)
        results = shop.pipeline(wide).search(target.instruction)
        place = results.index(shop.catalog.position(lookalike.asin))
        distance = place - results.index(target.index)
        assert place < 20 or abs(distance) <= 10
        above += distance < 0
    assert 0.4 < above / len(shop.pools[pool].products) < 0.6


def test_a_lookalike_is_its_target_but_for_what_is_stored(shop):
    for name, lookalikes in read(FILE).items():
        for lookalike, made in zip(lookalikes, shop.pools[name].products, strict=True):
            target = target_of(shop, made)
            assert made.asin == f"LK_{name}_{target.asin}_{lookalike.suffix}"
            assert made.features == target.features
            assert (made.instruction, made.human) == (None, ())
            assert list(made.options) == list(target.options)
            changed = {n for n in target.options if made.options[n] != target.options[n]}
            assert changed == set(lookalike.options or {})
            assert (made.price != target.price) == ("price" in name)
            assert made.price_tag == f"${made.price}" or made.price_tag == target.price_tag
            texts = (made.name, made.description, made.bullets)
            assert texts != (target.name, target.description, target.bullets)


def test_the_catalog_and_the_reference_shop_stay(federation, shop, kernels):
    base = federation.world.shop
    assert shop.products[: len(base.products)] == base.products
    assert [p.index for p in shop.products] == list(range(len(shop.products)))
    assert shop.goals is base.goals
    reference = federation.kernel(0, "reference")
    assert reference.digest == Federation("FedWebShop-v0").kernel(0).digest
    sold = {"reference": set()}
    for name, kernel in (*kernels.items(), ("reference", reference)):
        shown = {kernel.products[i].asin for g in base.goals[::40] for i in kernel.search(g.name)}
        sold[name] = {asin.split("_")[1] for asin in shown if asin.startswith("LK_")}
    assert sold == {"reference": set(), **{name: {name} for name in POOLS}}


@pytest.mark.parametrize("pool", POOLS)
def test_scores_are_those_of_an_index_of_the_clients_own(federation, shop, kernels, pool):
    products = (*federation.world.shop.products, *shop.pools[pool].products)
    own = FieldIndex.build([index_document(p) for p in products]).postings(FIELDS)
    view = OkapiView(own, k1=1.2, b=0.75)
    for goal in shop.goals[::150]:
        tokens = tokenize(goal.instruction)
        docs, scores = view.top(tokens, 50)
        found, values = shop.pipeline(kernels[pool].config).scorer.top(tokens, 50)
        assert [products[i].asin for i in docs] == [shop.products[i].asin for i in found]
        assert np.array_equal(scores, values)


@pytest.mark.parametrize("pool", POOLS)
def test_a_lookalike_can_be_found_opened_and_bought(shop, kernels, pool):
    kernel = kernels[pool]
    lookalike = shop.pools[pool].products[0]
    goal = next(
        i for i, g in enumerate(shop.goals) if g.product == target_of(shop, lookalike).index
    )
    session = kernel.begin(goal, 0)
    assert session.act(f"search[{lookalike.name}]")
    link = f"click[{lookalike.asin.lower()}]"
    assert link in session.admissible_actions
    other = next(name for name in POOLS if name != pool)
    assert not session.act(f"click[{shop.pools[other].products[0].asin.lower()}]")
    assert session.act(link)
    assert lookalike.price_tag in session.observation
    for values in lookalike.options.values():
        assert session.act(f"click[{values[0]}]")
    assert session.act("click[buy now]")
    assert lookalike.asin in session.observation
    assert not session.success


def test_digests_name_the_content_of_the_pool(federation, kernels, shop):
    reference = Federation(ENV_ID, engine="okapi").kernel(0, "reference").digests
    for kernel in kernels.values():
        differing = [stage for stage in reference if kernel.digests[stage] != reference[stage]]
        assert differing == ["catalog"]
    assert len({kernel.digest for kernel in kernels.values()}) == 4
    lookalikes = list(read(FILE)["price"])
    base = federation.world.shop.catalog
    same = make_pool("price", base, lookalikes)
    assert same.digest == kernels["price"].config.added.digest
    lookalikes[7] = replace(lookalikes[7], price=lookalikes[7].price + 1)
    changed = make_pool("price", base, lookalikes)
    config = PipelineConfig(added=Stock("price", changed.digest))
    assert config.digest != PipelineConfig(added=Stock("price", same.digest)).digest


def test_the_reduced_pool_is_price_and_color():
    federation = Federation(ENV_ID, pool_size=2)
    held = {federation.kernel(client).config.added.name for client in range(20)}
    assert held == {"price", "color"}
    assert federation.world.pool_labels == ("price", "color")
    with pytest.raises(ConfigError, match=r"1\.\.4"):
        Federation(ENV_ID, pool_size=5)


# What the checks reject.

WANTED = {
    "attributes": ["oak"],
    "instruction": "Find me oak desk",
    "instruction_attributes": ["oak"],
}


@pytest.fixture
def desk(tmp_path):
    options = {**colors("Red", "Dark Green"), "Size": [{"value": "8"}, {"value": "9"}]}
    records = [
        product("B0DESK", name="oak desk with drawer", customization_options=options),
        *(product(f"B0{i}", name=f"chair {i}") for i in range(60)),
    ]
    return load_catalog(find_files(write_folder(tmp_path, records, {"B0DESK": WANTED})))


def judge(catalog, pool, **changes):
    """Judge a lookalike that is the desk but for the changes."""
    desk = catalog.products[0]
    attacked = [name for name in desk.options if name in pool]
    options = {**desk.options, **changes.pop("options", {})}
    lookalike = replace(desk, asin="LK", options=options, **changes)
    return RewardCheck(pool).judge(desk, lookalike, build_goals(catalog), attacked)


def test_the_reward_check(desk):
    assert judge(desk, "price", price=500.0) == pytest.approx((-0.25,) * 4)
    assert judge(desk, "color", options={"color": ("blue",)}) == pytest.approx((-0.25,) * 4)
    both = judge(desk, "price+color", price=500.0, options={"color": ("blue",)})
    assert both == pytest.approx((-0.5,) * 4)


@pytest.mark.parametrize(
    ("pool", "changes", "reason"),
    [
        ("price", {"price": 20.0}, STILL_MET),
        ("color", {"options": {"color": ("blue", "green")}}, STILL_MET),
        ("size", {"options": {"size": ("10", "wide 8")}}, None),
        ("size", {"options": {"size": ("10", "8")}}, STILL_MET),
        ("size", {"options": {"size": ("10",), "color": ("8",)}}, STILL_MET),
        ("price+color", {"price": 500.0, "options": {"color": ("red",)}}, STILL_MET),
        ("price+color", {"price": 20.0, "options": {"color": ("blue",)}}, STILL_MET),
        ("color", {"price": 500.0, "options": {"color": ("blue",)}}, OTHER_TERM),
        ("price", {"price": 500.0, "attributes": (), "name": "desk with drawer"}, OTHER_TERM),
        ("price", {"price": 500.0, "name": "spoon"}, OTHER_TERM),
        ("price", {"price": 500.0, "options": {"color": ("blue",)}}, OTHER_TERM),
        ("color", {"options": {"color": ("blue",), "size": ("40",)}}, OTHER_TERM),
    ],
)
def test_the_reward_check_rejects(desk, pool, changes, reason):
    result = judge(desk, pool, **changes)
    assert result == reason if reason else not isinstance(result, str)


def test_a_target_that_fails_anyway_gets_no_lookalike(desk):
    """A colour whose name is reduced ("green2" is "green") is not met by the target itself."""
    odd = replace(desk.products[0], options={"color": ("green2",), "size": ("8", "9")})
    goals = [replace(g, options=(("color", "green2"), ("size", "8"))) for g in build_goals(desk)]
    lookalike = replace(odd, options={"color": ("blue",), "size": ("8", "9")})
    assert RewardCheck("color").judge(odd, lookalike, goals, ["color"]) == FAILS_ANYWAY


def test_the_search_check_drops_what_is_far(desk):
    target = desk.products[0]
    records = [
        replace(target, asin=f"B1{i}", name=f"{target.name} and legs", index=0) for i in range(30)
    ]
    catalog = desk.extend(records)
    near = Lookalike("price", "B0DESK", "near")
    far = Lookalike("price", "B0DESK", "far", (Edit("name", 0, "oak desk", "green lamp"),))
    lookalikes = [far, near]
    products = [apply(catalog, lookalike) for lookalike in lookalikes]
    assert far_from_target(catalog, products, lookalikes) == {0}
    assert far_from_target(catalog, products[1:], lookalikes[1:]) == set()


def test_the_search_check_repeats_without_what_it_drops(desk, monkeypatch):
    """The last search, the one that all others pass, is that of the shop that ships."""
    masks = []

    class Recorder(OkapiView):
        __slots__ = ()

        def __init__(self, *args, mask, **kwargs):
            masks.append(mask.copy())
            super().__init__(*args, mask=mask, **kwargs)

    monkeypatch.setattr("fedenv.webshop.lookalike_checks.OkapiView", Recorder)
    near = Lookalike("price", "B0DESK", "near")
    far = Lookalike("price", "B0DESK", "far", (Edit("name", 0, "oak desk", "green lamp"),))
    products = [replace(apply(desk, far), features=()), apply(desk, near)]
    assert far_from_target(desk, products, [far, near]) == {0}
    assert [mask[-2:].tolist() for mask in masks] == [[True, True], [False, True]]


# What the generator reports, and text changes.


def test_new_values_can_be_clicked(tmp_path):
    taken = ["Red", "Blue", "Teal"]
    records = [product("B0DESK", name="oak desk", customization_options=colors(*taken))]
    odd = ("Buy Now", "Search", "Gre]en\nx", " ", "< Prev", *taken)
    records += [
        product(f"B0{i}", name=f"chair {i}", customization_options=colors(*odd)) for i in range(40)
    ]
    catalog = load_catalog(find_files(write_folder(tmp_path, records, {"B0DESK": WANTED})))
    (lookalike,) = generate(catalog)[1].lookalikes
    menu = ItemMenu(apply(catalog, lookalike))
    assert set(lookalike.options["color"]) == set(menu.groups)
    assert len(menu.actions) == len(ITEM_BUTTONS) + 3
    assert not set(menu.groups) & {value.lower() for value in (*odd, *taken)}


def test_the_generator_says_why_a_target_has_none(tmp_path):
    def entry(asin, **fields):
        return product(asin, name=f"oak desk {asin}", **fields)

    records = [
        entry("B0PLAIN"),
        entry("B0DEAR", pricing="$985", customization_options=colors("Red")),
        entry("B0ALL", customization_options=colors("Blue", "Oak")),
        entry("B0RANGE", pricing="$10.00$90.00"),
        *(product(f"B0{i}", name=f"chair {i}") for i in range(40)),
    ]
    instructions = {r["asin"]: WANTED for r in records[:4]}
    catalog = load_catalog(find_files(write_folder(tmp_path, records, instructions)))
    price, color, size, both = generate(catalog)
    assert price.not_made == {NO_PRICE_LIMIT: 1}
    assert [x.target for x in price.lookalikes] == ["B0PLAIN", "B0ALL", "B0RANGE"]
    limits = {catalog.products[g.product].asin: g.price_upper for g in build_goals(catalog)}
    assert all(1.49 < x.price / limits[x.target] < 3.1 for x in price.lookalikes)
    assert color.not_made == {"not eligible: no color option": 2}
    assert [len(x.options["color"]) for x in color.lookalikes] == [1, 2]
    assert size.not_made == {"not eligible: no size option": 4}
    assert both.not_made == {"not eligible: no color option": 2, NO_PRICE_LIMIT: 1}
    assert np.isnan(size.mean_reward_change)
    assert price.mean_reward_change == pytest.approx(-(2 / 2 - 1 / 2 + 2 / 2 - 1 / 2 + 1 / 3) / 3)


def test_a_price_lies_above_the_limits_of_human_goals_too(tmp_path):
    wish = {"instruction": "a desk", "instruction_attributes": ["oak"], "instruction_options": []}
    folders = []
    for human in ({}, {"B0DESK": [wish] * 30}):
        records = [product("B0DESK", name="oak desk", pricing="$15")]
        folder = tmp_path / str(len(human))
        write_folder(folder, records, {"B0DESK": WANTED}, items_human_ins=human)
        folders.append(load_catalog(find_files(str(folder))))
    plain, wished = (generate(catalog)[0].lookalikes[0].price for catalog in folders)
    limits = [max(g.price_upper for g in build_goals(c, "synthetic")) for c in folders]
    assert limits[0] == limits[1] < 50.0
    assert wished >= 75.0 - 0.01  # 30 draws reach 50 dollars
    assert wished > plain


def test_no_value_is_left(desk, monkeypatch):
    monkeypatch.setattr("fedenv.webshop.lookalike_generator.fuzzy_match", lambda a, b: True)
    assert generate(desk)[1].not_made == {NO_VALUES: 1}


def test_edits_leave_the_words_of_the_instruction_alone(federation):
    for target in federation.world.shop.products[:200]:
        if not target.instruction:
            continue
        kept = set(tokenize(target.instruction))
        for seed in range(3):
            edits = draw_edits(target, np.random.RandomState(seed))
            assert edits
            assert not {word for e in edits for word in tokenize(e.old)} & kept
            assert not {word for e in edits for word in tokenize(e.new)} & kept - {"new"}
    assert all(SYNONYMS[SYNONYMS[word]] == word for word in SYNONYMS)


def test_edits_are_applied_from_the_back(desk):
    edits = (Edit("name", 0, "oak", "Fine oak"), Edit("name", 2, "with", ""))
    edits += (Edit("name", 4, "", "New"), Edit("bullet 1", 0, "Second bullet", "bullet Second"))
    made = apply(desk, Lookalike("price", "B0DESK", "x", edits, 99.0))
    assert made.name == "Fine oak desk drawer New"
    assert made.bullets == ("First bullet", "bullet Second")
    assert (made.price, made.price_tag, made.asin) == (99.0, "$99.0", "LK_price_B0DESK_x")


# A user's folder.


def copy_of(tmp_path, real_folder):
    for name in ("items_shuffle_394.json", "items_ins_v2_394.json"):
        shutil.copy(f"{real_folder}/{name}", tmp_path / name)
    return str(tmp_path)


def test_real_records_with_and_without_a_file(tmp_path, real_folder, caplog):
    folder = copy_of(tmp_path, real_folder)
    with caplog.at_level(logging.INFO, logger="fedenv"):
        made = Federation(ENV_ID, num_clients=8, data=folder)
        digest = made.digest
    assert "making them in memory" in caplog.text
    pools = with_lookalikes(made.world.shop).pools
    assert [len(pool.products) for pool in pools.values()] == [214, 163, 155, 161]
    command = [sys.executable, "-m", "fedenv", "data", "lookalikes", folder, "--out", folder]
    subprocess.run(command, check=True, capture_output=True)
    path = tmp_path / "lookalikes_394.json.gz"
    caplog.clear()
    again = Federation(ENV_ID, num_clients=8, data=folder)
    assert (again.digest, again.world.data_digest) == (digest, made.world.data_digest)
    assert "in memory" not in caplog.text
    content = json.loads(gzip.decompress(path.read_bytes()))
    content["price"].pop()
    path.write_bytes(gzip.compress(json.dumps(content).encode()))
    changed = Federation(ENV_ID, num_clients=8, data=folder)
    assert changed.digest != digest
    assert changed.world.data_digest == made.world.data_digest


def test_a_pool_without_lookalikes_is_named(tiny_folder, caplog):
    with caplog.at_level(logging.WARNING, logger="fedenv"):
        federation = Federation(ENV_ID, num_clients=3, data=tiny_folder)
        assert federation.digest
    assert "'size' has no lookalikes" in caplog.text or "'price+color'" in caplog.text


EMPTY = {name: [] for name in POOLS}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([], "expected an object"),
        ({"price": []}, "expected the pools price, color, size, price.color, got price"),
        ({**EMPTY, "price": {}}, "record 'price': expected a list"),
        ({**EMPTY, "price": [{"target": "B0DESK"}]}, "'suffix': expected a text"),
        ({**EMPTY, "price": [{"target": "B0", "suffix": "x"}]}, "no product 'B0'"),
        ({**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "price": "9"}]}, "'price'"),
        ({**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "price": True}]}, "'price'"),
        (
            {**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "options": {"a": 1}}]},
            "'options'",
        ),
        (
            {**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "options": {"a": []}}]},
            "group 'a'",
        ),
        ({**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "edits": [[1]]}]}, "'edits'"),
        (
            {**EMPTY, "size": [{"target": "B0DESK", "suffix": "x", "edits": [["a", 0, "", ""]]}]},
            "no text 'a'",
        ),
        (
            {
                **EMPTY,
                "size": [{"target": "B0DESK", "suffix": "x", "edits": [["name", 1, "u", ""]]}],
            },
            "expected 'u', found 'desk'.*fedenv data lookalikes",
        ),
        ({**EMPTY, "size": [{"target": "B0DESK", "suffix": "x"}] * 2}, "already"),
    ],
)
def test_broken_files(tmp_path, content, match):
    records = [product("B0DESK", name="oak desk"), product("B0X", name="chair")]
    folder = write_folder(tmp_path, records, {"B0DESK": WANTED}, lookalikes=content)
    with pytest.raises(DataError, match=match):
        with_lookalikes(Federation(ENV_ID, data=folder).world.shop)
