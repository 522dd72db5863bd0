"""What the small policy reads off WebShop's pages: hand-made ones, and those of the shop."""

import gymnasium as gym
import numpy as np
import pytest

from baselines.policies.features import reader_factory
from baselines.policies.features_webshop import STATE_NAMES, WEBSHOP, WebShopReader
from baselines.policies.text import bag, has_phrase, share, stems
from baselines.policies.webshop_pages import (
    BACK,
    BUY,
    INDEX,
    ITEM,
    NEXT,
    PREVIOUS,
    QUERIES,
    READ,
    RESULTS,
    SEARCH,
    SUB_PAGE,
    read_page,
    read_request,
)
from baselines.policies.webshop_sheet import ACTION_NAMES
from fedenv.agents import RandomAgent
from fedenv.errors import ConfigError
from fedenv.seeding import rng_for

WISH = (
    "Find me easy clean, slim fit men's shirts with short sleeve for daily wear with color: navy, "
    "and size: x-large, and price lower than 40.00 dollars"
)
HEAD = f"Instruction: [SEP] {WISH} [SEP] Back to Search"
FIRST = f"WebShop [SEP] Instruction: [SEP] {WISH} [SEP] Search"
LIST = (
    f"{HEAD} [SEP] Page 1 (Total results: 3) [SEP] Next > [SEP] B01 [SEP] Slim Fit Shirts for Men, "
    "Easy to Clean [SEP] $19.99 [SEP] B02 [SEP] Garden Chair [SEP] $39.0 to $41.5 [SEP] B03 [SEP] "
    "Men's Shirt [SEP] $55.0"
)
LIST_ACTIONS = (BACK, NEXT, "click[b01]", "click[b02]", "click[b03]")
PRODUCT = (
    f"{HEAD} [SEP] < Prev [SEP] color [SEP] navy [SEP] dark navy [SEP] size [SEP] large [SEP] "
    "x-large [SEP] Slim Fit Shirts for Men, Easy to Clean [SEP] Price: $19.99 [SEP] Rating: N.A. "
    "[SEP] Description [SEP] Features [SEP] Reviews [SEP] Buy Now"
)
OPTIONS = ("click[navy]", "click[dark navy]", "click[large]", "click[x-large]")
PRODUCT_ACTIONS = (BACK, PREVIOUS, *READ, BUY, *OPTIONS)
BULLETS = f"{HEAD} [SEP] < Prev [SEP] Short sleeves. [SEP] Made for daily wear."


def column(candidates, name):
    found = candidates.rows[:, ACTION_NAMES.index(name)].tolist()
    return dict(zip(candidates.actions, found, strict=True))


def fact(candidates, name):
    return float(candidates.state[STATE_NAMES.index(name)])


def walk(*steps, reader=None):
    """Look at pages and act; return what the last page offers."""
    reader = reader or WebShopReader()
    seen = None
    for page, actions, action in steps:
        seen = reader.look(page, actions)
        if action:
            reader.note(action)
    return seen


OPENED = (
    (FIRST, (SEARCH,), "search[shirts]"),
    (LIST, LIST_ACTIONS, "click[b01]"),
)


def test_words():
    assert stems("Easy to clean, Shirts!") == ("easi", "clean", "shirt")
    assert bag("easy cleaning").pairs == {("easi", "clean")}
    assert share((), set()) == 1.0
    assert share(("a", "b"), {"b"}) == 0.5
    assert has_phrase(("slim", "fit"), bag("a slim fit shirt"))
    assert not has_phrase(("slim", "fit"), bag("fits a slim shirt"))
    assert has_phrase(("clean",), bag("easy to clean"))


def test_request():
    request = read_request(WISH)
    assert request.options == (("color", "navy"), ("size", "x-large"))
    assert request.limit == 40.0
    assert request.kind == ("men", "shirt")
    assert request.phrases == (
        *(("easi", "clean"), ("slim", "fit"), ("short", "sleev")),
        ("daili", "wear"),
    )
    assert dict(zip(QUERIES, request.queries, strict=True)) == {
        "all": "easy clean slim fit men's shirts short sleeve daily wear",
        "all+options": "easy clean slim fit men's shirts short sleeve daily wear navy x-large",
        "first+options": "easy clean slim fit men's shirts navy x-large",
        "kind": "men's shirts",
        "kind+options": "men's shirts navy x-large",
        "rest+options": "short sleeve daily wear navy x-large",
        "verbatim": WISH,
    }


def test_requests_without_options_or_limit():
    request = read_request("Find me oil free serums.")
    assert (request.options, request.limit, request.kind) == ((), None, ("serum",))
    assert request.phrases == (("oil", "free"),)
    assert request.queries[0] == request.queries[1] == "oil free serums"
    odd = read_request("Find me cups with color: black, and white, and size: 3")
    assert odd.options == (("color", "black, and white"), ("size", "3"))


def test_result_page():
    page = read_page(LIST, LIST_ACTIONS)
    assert (page.kind, page.number) == (RESULTS, 1)
    assert [each.title for each in page.listings] == [
        *("Slim Fit Shirts for Men, Easy to Clean", "Garden Chair", "Men's Shirt"),
    ]
    assert [each.price.fits(40.0) for each in page.listings] == [(1, 1), (1, 0), (0, 0)]
    seen = walk(OPENED[0], (LIST, LIST_ACTIONS, ""))
    assert column(seen, "phrases") == {BACK: 0, NEXT: 0, "click[b01]": 0.5} | dict.fromkeys(
        ("click[b02]", "click[b03]"), 0.0
    )
    assert column(seen, "kind")["click[b03]"] == 1.0
    assert column(seen, "price high") == {
        BACK: 0,
        NEXT: 0,
        "click[b01]": 1,
        "click[b02]": 0,
        "click[b03]": 0,
    }
    words = column(seen, "words")
    assert words["click[b01]"] == pytest.approx(6 / 10)
    assert column(seen, "words below best")["click[b03]"] == pytest.approx(
        words["click[b01]"] - words["click[b03]"]
    )
    assert column(seen, "first unopened") == column(seen, "best unopened")
    assert column(seen, "first unopened")["click[b01]"] == 1.0


def test_rare_words_weigh_more():
    rare = column(walk((LIST, LIST_ACTIONS, "")), "rare words")
    words = column(walk((LIST, LIST_ACTIONS, "")), "words")
    # "men" and "shirt" stand in two of three titles.
    assert rare["click[b03]"] < words["click[b03]"]


def test_item_page():
    page = read_page(PRODUCT, PRODUCT_ACTIONS)
    assert page.kind == ITEM
    assert page.listings[0].groups == (("color", OPTIONS[:2]), ("size", OPTIONS[2:]))
    seen = walk(*OPENED, (PRODUCT, PRODUCT_ACTIONS, ""))
    assert [a for a, named in column(seen, "value named").items() if named] == [
        *("click[navy]", "click[x-large]"),
    ]
    assert column(seen, "value best of group")["click[navy]"] == 1.0
    assert column(seen, "value words")["click[dark navy]"] == 0.5
    assert [fact(seen, f"here {name}") for name in ("options", "complete", "price high")] == [1] * 3
    assert fact(seen, "here phrases") == 0.5
    assert fact(seen, "to choose") == pytest.approx(2 / 3)


def test_chosen_options_are_remembered():
    steps = (*OPENED, *((PRODUCT, PRODUCT_ACTIONS, label) for label in ("click[navy]", "")))
    seen = walk(*steps)
    assert column(seen, "chosen")["click[navy]"] == 1.0
    assert column(seen, "group chosen")["click[dark navy]"] == 1.0
    assert column(seen, "group chosen")["click[large]"] == 0.0
    assert fact(seen, "to choose") == pytest.approx(1 / 3)
    # Three steps of fifteen are gone; one option and the purchase are still needed.
    assert fact(seen, "slack") == pytest.approx((15 - 3 - 2) / 15)
    done = walk(*steps[:-1], (PRODUCT, PRODUCT_ACTIONS, "click[x-large]"), steps[-1])
    assert fact(done, "all chosen") == 1.0


def test_what_was_read_counts_for_the_product():
    reader = WebShopReader()
    seen = walk(
        *OPENED,
        (PRODUCT, PRODUCT_ACTIONS, READ[1]),
        (BULLETS, (BACK, PREVIOUS), PREVIOUS),
        (PRODUCT, PRODUCT_ACTIONS, PREVIOUS),
        (LIST, LIST_ACTIONS, ""),
        reader=reader,
    )
    assert read_page(BULLETS, (BACK, PREVIOUS)).kind == SUB_PAGE
    assert column(seen, "judged phrases")["click[b01]"] == 1.0
    assert column(seen, "judged read")["click[b01]"] == 0.5
    assert column(seen, "opened") == {a: float(a == "click[b01]") for a in LIST_ACTIONS}
    assert column(seen, "first unopened")["click[b02]"] == 1.0
    reader.note("click[b02]")
    other = PRODUCT.replace("Slim Fit Shirts for Men, Easy to Clean", "Garden Chair")
    there = reader.look(other, PRODUCT_ACTIONS)
    assert fact(there, "others complete") == fact(there, "best other phrases") == 1.0
    assert (fact(there, "here best"), fact(there, "read features")) == (0.0, 0.0)


def test_queries_are_remembered():
    reader = WebShopReader()
    first = reader.look(FIRST, (SEARCH,))
    assert first.actions == tuple(f"search[{q}]" for q in read_request(WISH).queries)
    reader.note(first.actions[3])
    reader.look(LIST, LIST_ACTIONS)
    reader.note(BACK)
    again = column(reader.look(FIRST, (SEARCH,)), "query used")
    assert [action for action, used in again.items() if used] == [first.actions[3]]


def test_features_do_not_depend_on_product_codes():
    plain = walk((LIST, LIST_ACTIONS, ""))
    swap = {"B01": "B77", "B02": "B01", "B03": "AAA"}
    text, actions = LIST, list(LIST_ACTIONS)
    for old, new in swap.items():
        text = text.replace(f"{old} [SEP]", f"{new}! [SEP]")
        actions = [a.replace(f"[{old.lower()}]", f"[{new.lower()}!]") for a in actions]
    other = walk((text, tuple(actions), ""))
    assert np.array_equal(plain.rows, other.rows)
    assert np.array_equal(plain.state, other.state)


@pytest.mark.parametrize("page", [FIRST, LIST, PRODUCT, BULLETS])
def test_pages_that_offer_nothing_known_leave_a_candidate(page):
    assert WebShopReader().look(page, ()).actions == (BACK,)


def test_names_are_as_many_as_features():
    for page, actions in ((FIRST, (SEARCH,)), (LIST, LIST_ACTIONS), (PRODUCT, PRODUCT_ACTIONS)):
        seen = walk((page, actions, ""))
        assert seen.rows.shape == (len(seen.actions), len(WEBSHOP.action_names))
        assert seen.state.shape == (len(WEBSHOP.state_names),)
        assert seen.rows.dtype == seen.state.dtype == np.float32
    assert len(set(ACTION_NAMES)) == len(ACTION_NAMES)
    assert len(set(STATE_NAMES)) == len(STATE_NAMES)


@pytest.mark.parametrize("data", [None, "real"])
def test_pages_read_as_the_shop_wrote_them(data, request):
    folder = request.getfixturevalue("real_folder") if data else None
    env = gym.make("FedWebShop-v0", data=folder)
    kinds = {"index": INDEX, "results": RESULTS, "item": ITEM, "sub_page": SUB_PAGE}
    checked = dict.fromkeys(kinds, 0)
    for seed in range(40):
        observation, info = env.reset(seed=seed)
        agent = RandomAgent(env, rng_for("test", seed))
        agent.reset(observation, info)
        reader = WebShopReader()
        for _ in range(14):
            session = env.unwrapped.episode
            if session.done:
                break
            actions = tuple(info["admissible_actions"])
            page = read_page(observation, actions)
            assert page.kind == kinds[session.page]
            checked[session.page] += 1
            products = [session.shop.products[i] for i in session._shown()]
            if page.kind == RESULTS:
                titles = [" ".join(each.title.split()) for each in page.listings]
                assert titles == [" ".join(p.name.split()) for p in products]
            if page.kind == ITEM:
                product = session.shop.products[session.product]
                groups = session.shop.menu(session.product).groups
                ours = {v[6:-1]: name for name, values in page.listings[0].groups for v in values}
                assert ours == groups or len(set(groups)) < sum(map(len, product.options.values()))
            if page.kind == INDEX:
                wish = page.request
                assert wish.options == tuple((n, v.lower()) for n, v in session.goal.options)
                assert wish.limit in (None, session.goal.price_upper)
            candidates = reader.look(observation, actions)
            assert np.isfinite(candidates.rows).all()
            action = agent.act(observation, info)
            reader.note(action)
            observation, *_, info = env.step(action)
    assert min(checked.values()) > 0


def test_readers_by_name():
    assert reader_factory("webshop") is WEBSHOP
    with pytest.raises(ConfigError, match="webshop"):
        reader_factory("shop")
    with pytest.raises(ConfigError, match="nowhere"):
        reader_factory("nowhere:READER")
