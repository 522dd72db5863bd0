"""The nouns of a product title, for the title score of the purchase reward.

WebShop compares the nouns of two titles and takes them from a spaCy model
(princeton-nlp/WebShop, ``engine/goal.py``). The model is a separate download, and titles are
tagged differently from one version of it to the next: for one and the same pair of titles,
public versions of WebShop's own test expect 0.31, 0.3125 and 0.30. So the tagger is exchangeable,
and its name belongs in every fingerprint:

* ``"rules"`` (default): no model. Every word of a title counts, unless it is a function word,
  ``mens`` or ``womens``, or a participle in ``-ed``. A substitute: product titles are nearly all
  nouns, but adjectives count here as well.
* ``"spacy"`` or ``"spacy:<model>"``: the original rule, part of speech NOUN or PROPN.
"""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any, Final, Protocol

from fedenv.errors import ConfigError, unknown_name


class NounTagger(Protocol):
    """Finds the nouns of a title. Equal names promise equal nouns."""

    @property
    def name(self) -> str:
        """Name and version, for fingerprints."""

    def nouns(self, text: str) -> tuple[str, ...]:
        """Return the lower-cased nouns of ``text`` in order, duplicates kept."""


_FUNCTION_WORDS: Final = """
a an the this that these those
i you he she it we they me him her us them my your his its our their who which what
and or nor but so if than as while because
of in on at to by for from with without into onto over under up down out about above below
after before between during through across around against along behind beside beyond inside
outside per plus via within upon toward towards until since like
is are was were be been being am do does did has have had could will would shall should may
might must used using make makes made get include includes including featuring keep keeps
not no non any all both each every either neither some such more most much many very too also
only just own same other another again ever now then there here when where why how
"""

FUNCTION_WORDS: Final = frozenset(_FUNCTION_WORDS.split())
"""Words that do not count. ``off`` and ``can`` do: in titles they are "off white", "trash can"."""

GENDER_WORDS: Final = frozenset({"mens", "womens"})
"""Possessives, with or without the apostrophe. "For men" does count."""

NOUNS_IN_ED: Final = frozenset(
    {"hundred", "infrared", "moped", "watershed", "toolshed", "bobsled", "daybed", "airbed"}
    | {"sofabed", "bunkbed", "waterbed", "sunbed", "flatbed", "seabed", "riverbed", "hotbed"}
)
"""Nouns that look like participles."""

_WORD: Final = re.compile(
    r"""
      [^\W\d_](?:\.[^\W\d_])+\b            # initials: D.O.N.
    | \d+(?:[.,]\d+)+[^\W_]*               # a decimal number with its unit: 1.5V
    | [^\W_]+(?:['’][^\W\d_]+)*            # a word: men's, 4K, 921ORB
    """,
    re.VERBOSE,
)
_LETTER: Final = re.compile(r"[^\W\d_]")
_PARTICIPLE: Final = re.compile(r"(?=.{5}).*[aeiouy].*(?<!e)ed")
_APOSTROPHES: Final = str.maketrans("", "", "'’")


def _joined(word: str) -> str:
    return word if word[0].isdigit() else word.translate(_APOSTROPHES).replace(".", "")


def _is_noun(word: str) -> bool:
    if word in FUNCTION_WORDS or word in GENDER_WORDS or not _LETTER.search(word):
        return False
    return word in NOUNS_IN_ED or not _PARTICIPLE.fullmatch(word)


class RuleNounTagger:
    """The nouns of a title by rule: all words but function words and participles.

    A word holds at least one letter. Hyphens and slashes separate words; an apostrophe or the
    dots of initials do not ("Men's" is ``mens``, "D.O.N." is ``don``); a number stays with its
    unit ("4K" is ``4k``). Participles are words in -ed with a vowel before it ("listed",
    "padded", but not "bed", "seed" or "moped"); words in -ing count, being mostly nouns here.

    The rule gives the values of WebShop's four title tests (3/9, 5/17, 2/13 and 0); on other
    titles it agrees with a spaCy model only roughly.
    """

    name: str = "rules-1"

    def nouns(self, text: str) -> tuple[str, ...]:
        """Return the lower-cased nouns of ``text`` in order, duplicates kept."""
        words = map(_joined, _WORD.findall(text.lower()))
        return tuple(word for word in words if _is_noun(word))


class SpacyNounTagger:
    """The nouns of a title by a spaCy model, as in the original environment.

    Args:
        model: Name (or folder) of an installed spaCy model.

    Raises:
        ConfigError: If spaCy or the model is not installed.
    """

    POS: Final = ("NOUN", "PROPN")

    def __init__(self, model: str = "en_core_web_sm") -> None:
        try:
            spacy: Any = import_module("spacy")
        except ImportError as error:
            raise ConfigError(
                f"expected spaCy for the noun tagger 'spacy:{model}', but it is not installed; "
                "install it with: pip install 'fedenv[spacy]', or use the tagger 'rules'"
            ) from error
        try:
            self._pipeline: Any = spacy.load(model)
        except OSError as error:
            raise ConfigError(
                f"expected an installed spaCy model, got {model!r}, which spaCy cannot load; "
                f"install it with: python -m spacy download {model}, or use the tagger 'rules'"
            ) from error
        # From the model's own record: it is the same for a package and for a folder.
        meta = self._pipeline.meta
        self.name: str = f"spacy:{meta['lang']}_{meta['name']}:{meta['version']}"

    def nouns(self, text: str) -> tuple[str, ...]:
        """Return the lower-cased nouns of ``text`` in order, duplicates kept."""
        return tuple(token.text.lower() for token in self._pipeline(text) if token.pos_ in self.POS)


def get_tagger(name: str) -> NounTagger:
    """Return a noun tagger by name.

    Args:
        name: ``"rules"``, ``"spacy"`` (model en_core_web_sm) or ``"spacy:<model>"``.

    Raises:
        ConfigError: If the name is unknown, or what it needs is not installed.
    """
    kind, colon, model = name.partition(":")
    if name == "rules":
        return RuleNounTagger()
    if name == "spacy":
        return SpacyNounTagger()
    if kind == "spacy" and colon and model:
        return SpacyNounTagger(model)
    raise unknown_name("noun tagger", name, ("rules", "spacy", "spacy:<model>"))
