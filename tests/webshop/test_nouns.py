from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.webshop.nouns import FUNCTION_WORDS, RuleNounTagger, SpacyNounTagger, get_tagger
from fedenv.webshop.reward import title_score

SNEAKERS = "Mens D.O.N. Issue 2 Gca Basketball Sneakers Shoes Casual - Off White"
STREETBALL = (
    "PEAK High Top Mens Basketball Shoes Lou Williams Streetball Master Breathable Non Slip "
    "Outdoor Sneakers"
)
CORD = "Saireed UL Listed 2 Prong Power Cord for JBL Bar 3.1 Bar 2.1 Channel 4K Ultra HD Soundbar"
LONG_CORD = f"{CORD} Home Theater System Subwoofer"
OTHER_CORD = (
    "BRST AC Power Cord Outlet Socket Cable Plug Lead for Panasonic SC-HT830V DVD/VCR Combo Home "
    "Theater System"
)
KNOB = "Rusticware 921ORB Kitchen and Bath Cabinet Knob"
TWEEZERS = (
    "Minkissy 2pcs Stainless Steel Eyebrow Tweezers Blackhead Acne Remover Portable Makeup "
    "Tweezers (Silver)"
)


def nouns(text: str) -> list[str]:
    return list(RuleNounTagger().nouns(text))


@pytest.mark.parametrize(
    ("goal", "purchased", "score", "upstream"),
    [
        (SNEAKERS, STREETBALL, 3 / 9, 0.333),
        (LONG_CORD, OTHER_CORD, 5 / 17, 0.3),
        (CORD, OTHER_CORD, 2 / 13, 0.15),
        (KNOB, TWEEZERS, 0.0, 0.0),
        # From an earlier version of the same test.
        (
            "adidas Unisex-Adult D.o.n. Issue 2 Basketball Shoe",
            "adidas Unisex-Adult D.o.n. Issue 2 Indoor Court Shoe",
            6 / 7,
            0.85,
        ),
        ("Name 1", "Name 1", 1.0, 1.0),
    ],
)
def test_rules_give_the_title_scores_of_upstream(goal, purchased, score, upstream):
    result = title_score(nouns(purchased), nouns(goal))
    assert result == score
    assert result == pytest.approx(upstream, abs=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("24-7, 3.1 & 100% / 1,000", ""),  # no letters
        ("Cabinet Knob, Cabinet", "cabinet knob cabinet"),  # in order, with duplicates
        ("Unisex-Adult DVD/VCR (Silver)", "unisex adult dvd vcr silver"),
        ("snake_case", "snake case"),
        ("D.O.N. and D.o.n and U.S.A", "don don usa"),
        ("v.neck", "v neck"),  # no initials
        ("4K TV 2pcs 1.5V 1,000W 921ORB SC-HT830V", "4k tv 2pcs 1.5v 1,000w 921orb sc ht830v"),
        ("Men's Mens Mens' Womens Women’s Levi's Men", "levis men"),
        ("The Lid of a Box with Handles for Your Kitchen", "lid box handles kitchen"),
        ("Off White Trash Can", "off white trash can"),
        ("UL Listed Padded Dried Ribbed Unscented Oversized Heated", "ul"),
        (
            "Bed Red Seed Need Speed LED OLED Shed Sled",
            "bed red seed need speed led oled shed sled",
        ),
        ("Moped Hundred Infrared Daybed", "moped hundred infrared daybed"),
        ("Ring String Spring Running Bedding", "ring string spring running bedding"),
        ("Crème Łódź 日本", "crème łódź 日本"),
    ],
)
def test_rules(text, expected):
    assert nouns(text) == expected.split()


@given(st.text() | st.lists(st.sampled_from([*CORD.split(), "Men's", "x_y"])).map(" ".join))
def test_rule_nouns_are_lower_case_words_with_a_letter(text):
    for noun in nouns(text):
        assert noun == noun.lower()
        assert noun not in FUNCTION_WORDS
        assert noun not in ("mens", "womens")
        assert any(char.isalpha() or not char.isascii() for char in noun)
        assert not any(char.isspace() for char in noun)


def test_get_tagger_knows_the_rules_by_name():
    tagger = get_tagger("rules")
    assert isinstance(tagger, RuleNounTagger)
    assert tagger.name == "rules-1"


@pytest.mark.parametrize("name", ["", "rule", "rules-1", "rules:", "spacy:", "Spacy", "nltk:x"])
def test_get_tagger_lists_the_legal_names(name):
    with pytest.raises(ConfigError, match=r"'rules', 'spacy', 'spacy:<model>'") as caught:
        get_tagger(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["spacy", "spacy:en_core_web_sm"])
def test_without_spacy_the_error_tells_how_to_install_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(ConfigError, match=r"pip install 'fedenv\[spacy\]'") as caught:
        get_tagger(name)
    assert "spacy:en_core_web_sm" in str(caught.value)


class Token:
    def __init__(self, text: str, pos: str) -> None:
        self.text, self.pos_ = text, pos


class Pipeline:
    meta = {"lang": "en", "name": "toy", "version": "1.2.3"}  # noqa: RUF012

    def __call__(self, text: str) -> list[Token]:
        return [Token(*word.split("/")) for word in text.split()]


@pytest.fixture
def fake_spacy(monkeypatch):
    """A module that stands in for spaCy and knows one model."""
    loaded: list[str] = []

    def load(model: str) -> Pipeline:
        loaded.append(model)
        if model not in ("en_toy", "en_core_web_sm"):
            raise OSError(f"[E050] Can't find model {model!r}.")
        return Pipeline()

    module = ModuleType("spacy")
    module.load = load
    monkeypatch.setitem(sys.modules, "spacy", module)
    return loaded


def test_spacy_tagger_keeps_nouns_and_proper_nouns(fake_spacy):
    tagger = get_tagger("spacy:en_toy")
    assert fake_spacy == ["en_toy"]
    assert tagger.name == "spacy:en_toy:1.2.3"
    text = "Soft/ADJ Knob/NOUN for/ADP JBL/PROPN 2/NUM Knob/NOUN sit/VERB"
    assert tagger.nouns(text) == ("knob", "jbl", "knob")


def test_spacy_means_the_small_english_model(fake_spacy):
    get_tagger("spacy")
    assert fake_spacy == ["en_core_web_sm"]


def test_a_missing_model_is_an_error_that_tells_how_to_install_it(fake_spacy):
    with pytest.raises(ConfigError, match="python -m spacy download en_none"):
        get_tagger("spacy:en_none")


def test_real_spacy_pipeline(tmp_path):
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed")
    pipeline = spacy.blank("en")
    ruler = pipeline.add_pipe("attribute_ruler")
    ruler.add([[{"LOWER": "knob"}]], {"POS": "NOUN"})
    ruler.add([[{"LOWER": "jbl"}]], {"POS": "PROPN"})
    ruler.add([[{"LOWER": "soft"}]], {"POS": "ADJ"})
    pipeline.meta["name"] = "toy"
    pipeline.to_disk(tmp_path / "model")
    tagger = SpacyNounTagger(str(tmp_path / "model"))
    assert tagger.name == f"spacy:en_toy:{pipeline.meta['version']}"
    assert tagger.nouns("Soft Knob for JBL, knob") == ("knob", "jbl", "knob")


def test_real_spacy_without_the_model():
    pytest.importorskip("spacy", reason="spaCy is not installed")
    with pytest.raises(ConfigError, match="python -m spacy download en_fedenv_none"):
        SpacyNounTagger("en_fedenv_none")
