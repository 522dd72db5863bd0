from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.webshop.nouns import RuleNounTagger
from fedenv.webshop.reward import Reward, purchase_reward, success, title_score

SHOES = "Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White"
CORD = "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar"
OTHER_CORD = (
    "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR Combo Home "
    "Theater System"
)
SHAMPOO = ("tea tree", "essential oils", "natural ingredients")


@dataclass(frozen=True)
class Product:
    name: str = ""
    description: str = ""
    bullets: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    query: str = "query 1"
    product_category: str = "a › b › c"
    price: float = 35.0


@dataclass(frozen=True)
class Goal:
    name: str = ""
    query: str = "query 1"
    product_category: str = "a › b › c"
    attributes: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] | tuple[str, ...] = ()
    price_upper: float = 40.0


def judge(product=None, goal=None, chosen=None, product_nouns=("x",), goal_nouns=("x",)):
    return purchase_reward(
        product or Product(), goal or Goal(), chosen or {}, product_nouns, goal_nouns
    )


def buy(product, goal, chosen):
    nouns = RuleNounTagger().nouns
    return purchase_reward(product, goal, chosen, nouns(product.name), nouns(goal.name))


# Type ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "category", "shared", "of", "r_type"),
    [
        ("same", "same", 1, 1, 1.0),
        ("other", "same", 3, 20, 1.0),
        ("same", "other", 3, 20, 1.0),
        ("other", "other", 5, 17, 1.0),  # 0.29: the title alone is enough
        ("other", "other", 1, 5, 0.5),  # 0.2 exactly is no match
        ("other", "other", 1, 10, 0.5),  # 0.1 exactly is not poor
        ("other", "other", 1, 11, 0.1),
        ("same", "same", 1, 11, 0.1),  # a poor title overrides query and category
        ("same", "same", 0, 11, 0.0),  # and so does one without a shared noun
        ("other", "same", 0, 1, 0.0),
        ("other", "other", 0, 1, 0.0),
        ("other", "other", 0, 0, 0.5),  # a goal title without nouns scores 0.2
        ("same", "other", 0, 0, 1.0),
    ],
)
def test_type(query, category, shared, of, r_type):
    goal_nouns = [f"n{i}" for i in range(of)]
    result = judge(
        Product(query=query, product_category="x › y" if category == "other" else "a › b › c"),
        Goal(query="same"),
        product_nouns=[*goal_nouns[:shared], "z"],
        goal_nouns=goal_nouns,
    )
    assert result.query_match == (query == "same")
    assert result.category_match == (category == "same")
    assert result.title_score == (shared / of if of else 0.2)
    assert result.r_type == r_type


@pytest.mark.parametrize(
    ("category", "match"),
    [
        ("a › b › c", True),
        ("b › c › a", True),  # order does not count
        ("a › d › b", True),
        ("d › e › f", False),
        ("a › d › e", False),  # one shared level is not enough
        ("a › a › b", True),
        ("a › a › d", False),  # a level is shared once
        (" a›b ", True),  # spaces do not count
        ("a b c", False),
        ("", False),
    ],
)
def test_category_match(category, match):
    result = judge(Product(product_category=category), Goal(product_category="a › b › c"))
    assert result.category_match == match


def test_query_mismatch():
    assert not judge(Product(query="query 2")).query_match


@pytest.mark.parametrize(
    ("purchased", "goal", "score"),
    [
        ("a b", "a b", 1.0),
        ("a a b", "a b", 1.0),
        ("a b", "a b a", 2 / 3),  # the wanted product itself, if its title repeats a noun
        ("a b a", "a b a", 2 / 3),
        ("b a c d", "a x y z", 1 / 4),
        ("", "a", 0.0),
        ("a", "", 0.2),
        ("", "", 0.2),
    ],
)
def test_title_score(purchased, goal, score):
    assert title_score(purchased.split(), goal.split()) == score


# Attributes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "matches"),
    [
        (Product(attributes=("tea tree", "essential oil", "natural ingredients")), 3),
        (Product(attributes=("essential oil", "natural ingredients")), 2),
        (
            Product(
                bullets=("This shampoo has essential oils and smells like lemons",),
                description="Best shampoo on the market, made with natural ingredients",
            ),
            2,
        ),
        (
            Product(
                name="English tea for breakfast",
                bullets=("Soothing aroma", "Calming, great feeling"),
                description="Best tea made by Lipton, great to pair with breakfast",
                attributes=("tea bag", "earl gray", "lipton"),
            ),
            0,
        ),
        (Product(name="TEA TREE and Essential Oils with natural ingredientss"), 3),
        (Product(bullets=("with tea", "tree", "Essential", "Oils")), 2),  # bullets are joined
        (Product(name="tea", bullets=("tree",), description="essential"), 0),  # texts are not
        (Product(description="an essential oil"), 0),  # in texts nothing is fuzzy
        (Product(attributes=("tea tree",), name="tea tree"), 1),  # counted once
    ],
)
def test_attribute_matches(product, matches):
    result = judge(product, Goal(attributes=SHAMPOO))
    assert (result.attribute_matches, result.num_attributes) == (matches, 3)
    assert result.r_att == matches / 3


def test_a_goal_attribute_is_looked_up_in_texts_with_its_own_case():
    product = Product(name="Tea Tree", bullets=("Tea Tree",), description="Tea Tree")
    assert judge(product, Goal(attributes=("Tea Tree",))).attribute_matches == 0
    assert judge(product, Goal(attributes=("tea tree",))).attribute_matches == 1
    # The fuzzy rule ignores case.
    product = Product(attributes=("tea tree",))
    assert judge(product, Goal(attributes=("Tea Tree",))).attribute_matches == 1


def test_texts_of_different_products_are_kept_apart():
    goal = Goal(attributes=("soft",))
    for _ in range(2):
        assert judge(Product(name="Soft", bullets=("b",)), goal).attribute_matches == 1
        assert judge(Product(name="Hard", bullets=("b",)), goal).attribute_matches == 0


def test_repeated_goal_attributes_count_each():
    result = judge(Product(attributes=("soft",)), Goal(attributes=("soft", "soft", "warm")))
    assert (result.attribute_matches, result.num_attributes) == (2, 3)


# Options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "chosen", "matches"),
    [
        (("grey", "XL", "pack of 12"), ("pack of 12", "grey", "XL"), 3),
        (("grey", "XL", "pack of 12"), ("pack of 12", "blue", "XL"), 2),
        (("cool powder snow", "XL", "pack of 12"), ("pack of 12", "powder snow", "XL"), 3),
        (("goal 1", "goal 2"), (), 0),
        ((), ("goal 1", "goal 2"), 0),
        (("dark green",), ("dark red",), 1),  # both are 'dark'
        (("dark green",), ("green",), 0),
        (("powdered",), ("red",), 1),
        (("titanium",), ("tan",), 1),
        (("multicolored",), ("multicolor",), 1),
        (("x-large",), ("large",), 1),
        (("large", "x-large"), ("large",), 2),  # one chosen value may satisfy several
        (("large",), ("large", "x-large"), 1),  # a goal option counts once
        ((("size", "x-large"),), ("large",), 1),  # pairs are compared in their str form
        ((("size", "x-large"),), ("size",), 1),  # so the name of the option is in it
        ((("color", "dark green"),), ("green",), 1),
        ((("color", "dark green"),), ("dark green",), 1),  # 'dark' is in the pair as well
        ((("color", "red"),), ("dark red",), 0),  # 'red' against 'dark'
        ((("color", "red"),), ("powdered",), 1),  # 'red' against 'red'
        ((("color", "red"), ("size", "8")), ("red", "8"), 2),
        ((("color", "red"), ("size", "8")), ("blue", "8"), 1),
    ],
)
def test_option_matches(wanted, chosen, matches):
    result = judge(goal=Goal(options=wanted), chosen={str(i): v for i, v in enumerate(chosen)})
    assert (result.option_matches, result.num_options) == (matches, len(wanted))
    assert result.r_option == (matches / len(wanted) if wanted else None)


def test_the_name_of_a_chosen_option_plays_no_part():
    goal = Goal(options=(("color", "walnut"),))
    assert judge(goal=goal, chosen={"finish": "walnut"}).option_matches == 1


# Price and total ----------------------------------------------------------------------------


@pytest.mark.parametrize(("price", "ok"), [(39.99, True), (40.0, True), (40.01, False)])
def test_price(price, ok):
    result = judge(Product(price=price), Goal(price_upper=40.0))
    assert result.price_ok is ok
    assert result.r_price == (1.0 if ok else 0.0)
    assert result.score == (1.0 if ok else 0.0)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan")])
def test_a_price_limit_that_is_not_positive_is_an_error(limit):
    with pytest.raises(ConfigError, match="price_upper > 0"):
        judge(goal=Goal(price_upper=limit))


def test_total_reward_of_upstream():
    options = (("color", "grey"), ("size", "XL"))
    chosen = dict(options)
    goal = Goal(name=SHOES, attributes=SHAMPOO, options=options)
    product = Product(name=SHOES, attributes=("tea tree", "essential oil", "natural ingredients"))
    assert buy(product, goal, chosen).score == 1.0

    # Only one attribute is found: upstream passes the bullets as a text, so they are joined
    # letter by letter and 'essential oils' is not in them.
    letters = tuple("This shampoo has essential oils and smells like lemons")
    text = "Best shampoo on the market, made with natural ingredients"
    product = replace(product, attributes=(), bullets=letters, description=text)
    assert buy(product, goal, chosen).score == pytest.approx(2 / 3)

    goal = replace(goal, options=(*options, ("amount", "pack of 12")))
    assert buy(product, goal, chosen).score == pytest.approx(0.5714, abs=1e-4)

    goal = replace(goal, name=CORD)
    product = replace(product, name=OTHER_CORD, query="query 2", product_category="a › d › e")
    result = buy(product, goal, chosen)
    assert result.r_type == 0.5
    assert result.score == pytest.approx(0.2857, abs=1e-4)

    assert buy(replace(product, price=40.5), goal, chosen).score == pytest.approx(3 / 14)


def test_buying_the_wanted_product_can_be_less_than_a_perfect_title():
    name = "Tea Tree Oil, Tea"
    result = buy(Product(name=name), Goal(name=name), {})
    assert result.title_score == 3 / 4
    assert result.score == 1.0


def test_derived_values():
    result = Reward(
        r_type=0.5,
        query_match=False,
        category_match=False,
        title_score=0.2,
        attribute_matches=1,
        num_attributes=4,
        option_matches=2,
        num_options=3,
        price_ok=True,
    )
    assert result.score == 0.25
    assert (result.r_att, result.r_option, result.r_price) == (0.25, 2 / 3, 1.0)
    assert (result.w_att, result.w_option, result.w_price) == (0.5, 0.375, 0.125)
    assert result.terms == {"attributes": 0.125, "options": 0.25, "price": 0.125, "type": -0.25}
    assert list(result.terms) == ["attributes", "options", "price", "type"]


def test_a_goal_without_attributes_or_options_is_judged_by_price_and_type():
    result = judge()
    assert (result.r_att, result.r_option) == (None, None)
    assert (result.w_att, result.w_option, result.w_price) == (0.0, 0.0, 1.0)
    assert result.score == 1.0


@st.composite
def rewards(draw):
    num_attributes = draw(st.integers(0, 20))
    num_options = draw(st.integers(0, 8))
    return Reward(
        r_type=draw(st.sampled_from([0.0, 0.1, 0.5, 1.0])),
        query_match=draw(st.booleans()),
        category_match=draw(st.booleans()),
        title_score=draw(st.floats(0, 1)),
        attribute_matches=draw(st.integers(0, num_attributes)),
        num_attributes=num_attributes,
        option_matches=draw(st.integers(0, num_options)),
        num_options=num_options,
        price_ok=draw(st.booleans()),
    )


@given(rewards())
def test_terms_add_up_to_the_score(reward):
    matches = reward.attribute_matches + reward.option_matches + reward.price_ok
    total = reward.num_attributes + reward.num_options + 1
    assert reward.score == matches / total * reward.r_type
    assert 0.0 <= reward.score <= 1.0
    assert sum(reward.terms.values()) == pytest.approx(reward.score)
    assert reward.terms["type"] <= 0.0
    assert reward.w_att + reward.w_option + reward.w_price == pytest.approx(1.0)
    weighted = (reward.r_att or 0.0) * reward.w_att + (reward.r_option or 0.0) * reward.w_option
    weighted += reward.r_price * reward.w_price
    assert reward.r_type * weighted == pytest.approx(reward.score)
    full = reward.r_type == 1.0 and matches == total
    assert success(reward.score) == full


WORDS = ("tea", "tree", "oil", "dark", "red", "large", "x", "8", "soft")
PHRASES = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join)
PHRASE_LISTS = st.lists(PHRASES, max_size=3).map(tuple)


@given(
    product=st.builds(
        Product,
        name=PHRASES,
        description=PHRASES,
        bullets=PHRASE_LISTS,
        attributes=PHRASE_LISTS,
        price=st.floats(0, 100),
    ),
    goal=st.builds(
        Goal,
        name=PHRASES,
        attributes=PHRASE_LISTS,
        options=PHRASE_LISTS | st.lists(st.tuples(PHRASES, PHRASES), max_size=3).map(tuple),
        price_upper=st.floats(1, 100),
    ),
    chosen=st.dictionaries(st.text(max_size=1), PHRASES, max_size=3),
)
def test_any_purchase_scores_between_0_and_1(product, goal, chosen):
    result = buy(product, goal, chosen)
    assert 0.0 <= result.score <= 1.0
    assert 0 <= result.attribute_matches <= result.num_attributes == len(goal.attributes)
    assert 0 <= result.option_matches <= result.num_options == len(goal.options)
    assert sum(result.terms.values()) == pytest.approx(result.score)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (1.0, True),
        (1 - 1e-10, True),
        (1 + 1e-10, True),
        (1 - 1e-8, False),
        (0.999, False),
        (0.0, False),
    ],
)
def test_success(score, expected):
    assert success(score) is expected
