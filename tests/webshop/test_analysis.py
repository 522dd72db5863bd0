"""English analysis against what Lucene itself said."""

import json
from pathlib import Path

import pytest

from fedenv.webshop.analysis import MAX_TOKEN_LENGTH, STOP_WORDS, english_tokens, stem, words

GOLDEN = json.loads((Path(__file__).parent / "golden" / "lucene_rankings.json").read_text("utf-8"))


def test_tokens_are_lucenes() -> None:
    assert len(GOLDEN["tokens"]) > 400
    wrong = [t for t, tokens in GOLDEN["tokens"].items() if english_tokens(t) != tokens]
    assert wrong == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Women's T-Shirt, 2.5oz", ["Women's", "T", "Shirt", "2.5oz"]),
        ("3,500.5 1.a a.1 a:b 1:2", ["3,500.5", "1", "a", "a", "1", "a:b", "1", "2"]),
        ("_snake_case_ __", ["_snake_case_"]),
        ('12" x 10’ café™', ["12", "x", "10", "café", "™"]),
        ("can’t 'quoted'", ["can’t", "quoted"]),
        ("漢字 ひら カタカナ กขค", ["漢", "字", "ひ", "ら", "カタカナ", "กขค"]),
        ("👍🏻👩\u200d🔬🇩🇪#\ufe0f\u20e3", ["👍🏻", "👩\u200d🔬", "🇩🇪", "#\ufe0f\u20e3"]),
        ("e\u0301a soft\u00adhyphen", ["e\u0301a", "soft\u00adhyphen"]),
        ("אב\"ג ד'", ['אב"ג', "ד'"]),
        ("", []),
        (" \n!?-", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize("letter", ["a", "é", "𝐚"])
def test_long_words_are_cut(letter: str) -> None:
    limit = MAX_TOKEN_LENGTH // (2 if letter > "\uffff" else 1)
    assert words(f"x {letter * limit} y") == ["x", letter * limit, "y"]
    assert words(f"x {letter * (2 * limit + 3)} y") == ["x", letter * limit, letter * limit] + [
        letter * 3,
        "y",
    ]


@pytest.mark.parametrize("mark", ["'", "’", "＇"])
def test_possessives(mark: str) -> None:
    assert english_tokens(f"Dog{mark}s DOG{mark}S") == ["dog", "dog"]
    assert english_tokens(f"it{mark}s dogs{mark}") == ["dog"]


def test_lower_case_is_by_character() -> None:
    assert english_tokens("İstanbul ΟΔΟΣ") == ["istanbul", "οδοσ"]


def test_stop_words() -> None:
    assert len(STOP_WORDS) == 33
    assert english_tokens(" ".join(STOP_WORDS).title()) == []
    assert english_tokens("from you") == ["from", "you"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"),
        ("ponies", "poni"),
        ("us", "us"),
        ("possibly", "possibl"),
        ("possible", "possibl"),
        ("psychology", "psycholog"),
        ("biology", "biologi"),
        ("bubbly", "bubbl"),
        ("bubblies", "bubbl"),
        ("generalizations", "gener"),
        ("bli", "bli"),
        ("flogi", "flogi"),
        ("dyeblogi", "dyeblog"),
    ],
)
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected
