from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from thefuzz import fuzz as thefuzz_fuzz

from fedenv.webshop.matching import COLORS, fuzzy_match, normalize_color, token_set_ratio

# A small alphabet makes shared words likely; the second one covers all of Unicode.
WORDS = st.lists(st.text("abe1 -é(ŁΩ", max_size=6), max_size=5).map(" ".join)
TEXTS = WORDS | st.text()
OPTIONS = TEXTS | st.tuples(TEXTS, TEXTS)


@given(OPTIONS, OPTIONS)
@example("", "")
@example("日本 café", "日本 caf")
@example("straße", "strae")
@example(("color", "it's"), 'say "it\'s"')
def test_ratio_equals_thefuzz(a, b):
    assert token_set_ratio(a, b) == thefuzz_fuzz.token_set_ratio(a, b)


@given(OPTIONS, OPTIONS)
def test_match_is_the_ratio_above_85_and_symmetric(a, b):
    assert fuzzy_match(a, b) == (thefuzz_fuzz.token_set_ratio(a, b) > 85)
    assert fuzzy_match(a, b) == fuzzy_match(b, a)


@pytest.mark.parametrize(
    ("a", "b", "ratio"),
    [
        ("", "", 0),
        ("", "tea", 0),
        ("--", "tea", 0),  # nothing is left of it
        ("é", "tea", 0),  # U+0080 to U+00FF are deleted ...
        ("café", "caf", 100),
        ("日本", "日本", 100),  # ... and higher code points are kept
        ("日本", "caf", 0),
        ("tea tree", "TEA-tree!", 100),  # case and punctuation do not count
        ("tree tea tea", "tea tree", 100),  # nor order and repetition
        ("large", "x-large", 100),  # a set of words that contains the other
        ("powder snow", "cool powder snow", 100),
        ("large", ("size", "x-large"), 100),  # pairs are compared in their str form
        ("green", ("color", "dark green"), 100),
        ("machine wash", "machine washable", 86),
        ("projection screen", "screen protector", 85),
        ("easy care", "easy carry", 84),
    ],
)
def test_known_ratios(a, b, ratio):
    assert token_set_ratio(a, b) == ratio
    assert token_set_ratio(b, a) == ratio
    assert isinstance(token_set_ratio(a, b), int)


def test_threshold_is_strict_and_applies_to_the_rounded_ratio():
    assert not fuzzy_match("projection screen", "screen protector")  # 84.8, so 85
    assert not fuzzy_match("a" * 20 + "b" * 3, "a" * 20 + "c" * 4)  # 85.1, so 85
    assert not fuzzy_match("a" * 17 + "b" * 3, "a" * 17 + "c" * 3)  # 85 exactly
    assert fuzzy_match("machine wash", "machine washable")  # 85.7, so 86
    assert not fuzzy_match("easy care", "easy carry")


def test_the_colors_are_the_102_of_webshop_in_order():
    assert len(COLORS) == len(set(COLORS)) == 102
    # Alphabetical, which decides between 'dark' and 'green'.
    assert list(COLORS) == sorted(COLORS)
    assert (COLORS[0], COLORS[31], COLORS[-1]) == ("alabaster", "dark", "yellow")


@pytest.mark.parametrize(
    ("value", "color"),
    [
        ("dark green", "dark"),
        ("green dark", "dark"),  # the order of the list decides, not that of the text
        ("powdered", "red"),
        ("titanium", "tan"),
        ("multicolored", "multicolor"),
        ("stonewash", "ash"),
        ("dark blue", "blue"),
        ("heather grey", "grey"),
        ("washed", "ash"),
        ("red", "red"),
        ("Red", "Red"),  # case counts: the shop's values are lower-cased
        ("x-large", "x-large"),
        ("", ""),
    ],
)
def test_a_text_becomes_the_first_color_inside_it(value, color):
    assert normalize_color(value) == color


@pytest.mark.parametrize(
    ("pair", "normalized"),
    [
        (("color", "red"), "red"),
        (("red", "x"), "red"),  # the name is an element like the value
        (("red", "blue"), "blue"),  # and the list decides between them
        (("color", "dark green"), ("color", "dark green")),
        (("color", "powdered"), ("color", "powdered")),
        (("size", "x-large"), ("size", "x-large")),
    ],
)
def test_a_pair_becomes_a_color_only_if_an_element_is_one(pair, normalized):
    assert normalize_color(pair) == normalized


@given(TEXTS | st.sampled_from(COLORS).map("very {}ish".format))
def test_a_normalized_text_is_itself_or_the_first_color_in_it(value):
    found = [color for color in COLORS if color in value]
    assert normalize_color(value) == (found[0] if found else value)


def test_texts_and_pairs_are_never_confused():
    pair = ("size", "large")
    assert normalize_color(str(pair)) == str(pair)
    assert normalize_color(pair) == pair
    assert token_set_ratio(str(pair), pair) == 100
