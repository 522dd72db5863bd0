"""English text analysis: what Lucene's ``EnglishAnalyzer`` makes of a text, without Lucene.

Five steps, in this order: word segmentation (UAX #29 as Lucene's standard tokenizer has it),
removal of a possessive 's, lower-casing, Lucene's 33 English stop words, Porter's stemmer.

Segmentation works on the *classes* of characters: every character is replaced by a letter that
stands for what it does at word boundaries, and one regular expression over these letters finds the
words. The classes are a file of the package and not those of the running Python, so that a new
version of Unicode moves no token.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

MAX_TOKEN_LENGTH = 255
"""Longest word in UTF-16 units; longer ones are cut into pieces of this length."""

_STOP_WORDS: Final = """
a an and are as at be but by for if in into is it no not of on or such that the their then there
these they this to was will with
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())
"""Lucene's default English stop words."""

_POSSESSIVES = ("'s", "'S", "’s", "’S", "＇s", "＇S")
_WORDS_KEPT = 2**17
_TWO_LETTERS = "\ue000\ue001"  # consonants that no word holds

# The letter that stands for each class of characters; "-" stands for all other characters.
_LETTERS = {
    "letter": "a",
    "emoji_letter": "A",
    "hebrew_letter": "h",
    "numeric": "n",
    "digit": "N",
    "katakana": "k",
    "extend_num_let": "u",
    "mid_letter": "l",
    "mid_num": "m",
    "mid_num_let": "b",
    "single_quote": "q",
    "double_quote": "d",
    "extend": "x",
    "complex_extend": "X",
    "zwj": "z",
    "key_cap": "K",
    "key_cap_base": "B",
    "text_selector": "v",
    "emoji_selector": "V",
    "tag": "t",
    "tag_end": "T",
    "emoji": "e",
    "emoji_modifier": "M",
    "regional_indicator": "r",
    "complex_context": "c",
    "han": "H",
    "hiragana": "i",
}


def _grammar(classes: bool) -> re.Pattern[str]:
    """Return the expression that finds words: over class letters, or over plain ASCII text."""
    # What extends the character before it (UAX #29, WB4), with and without emoji selectors.
    x, s = ("xXzKvVtTM", "xXzKtTM") if classes else ("", "")
    letters, digits, joins = ("aAh", "nN", "u") if classes else ("A-Za-z", "0-9", "_")
    mid_letter, mid_number = ("lbq", "mbq") if classes else (":.'", ",;.'")
    extended = f"[{x}]*" if classes else ""

    def run(members: str) -> str:
        return f"[{members}][{members}{x}]*"

    join = run(joins)
    word = f"{run(letters)}(?:(?:{join}|[{mid_letter}]{extended}){run(letters)})*"
    number = f"{run(digits)}(?:(?:{join}|[{mid_number}]{extended}){run(digits)})*"
    if not classes:
        core = f"(?:{word}|{number})+"
        return re.compile(f"_*{core}(?:_+{core})*_*")
    # WB7a-c: quotes after and between Hebrew letters.
    word = (
        f"{run(letters)}(?:(?:{join}|[{mid_letter}]{extended}|(?<=h)d{extended}(?=h)){run(letters)}"
        f")*(?:(?<=h)q{extended})?"
    )
    core = f"(?:{run('k')}(?:{join}{run('k')})*|(?:{word}|{number})+)"
    words = f"(?:{join})?{core}(?:{join}{core})*(?:{join})?"
    # Emoji: characters with modifiers and selectors, joined by zero-width joiners.
    joined = f"(?:[eA][{s}]*(?:Vz+|(?<=z))|M[{s}]*(?<=z))"
    emoji = f"(?:z+(?=[eA]))?{joined}*(?:[eA][{s}]*(?:V(?:t+T)?)?|M[{s}]*)"
    key_cap = f"B[{s}]*V?K[{s}]*"
    flag = f"r{extended}r{extended}"
    complex_run = f"[cX][cX{x}]*"
    single = f"[Hi]{extended}"
    return re.compile(f"{words}|{emoji}|{key_cap}|{flag}|{complex_run}|{single}")


class _ClassTable(dict[int, str]):
    """Class letters by code point, looked up once each."""

    def __init__(self) -> None:
        super().__init__()
        path = files("fedenv.webshop").joinpath("word_classes.json")
        ranges: list[tuple[int, int, str]] = []
        for name, text in json.loads(path.read_text(encoding="utf-8"))["classes"].items():
            for part in text.split():
                first, _, last = part.partition("-")
                ranges.append((int(first, 16), int(last or first, 16), _LETTERS[name]))
        self._ranges = sorted(ranges)
        self._starts = [first for first, _, _ in self._ranges]

    def __missing__(self, code_point: int) -> str:
        _, last, letter = self._ranges[max(bisect_right(self._starts, code_point) - 1, 0)]
        letter = letter if self._covers(code_point, last) else "-"
        self[code_point] = letter
        return letter

    def _covers(self, code_point: int, last: int) -> bool:
        return self._starts[0] <= code_point <= last


_ASCII_WORD = _grammar(classes=False)


@lru_cache(maxsize=1)
def _class_words() -> tuple[_ClassTable, re.Pattern[str]]:
    return _ClassTable(), _grammar(classes=True)


def words(text: str) -> list[str]:
    """Return the words of a text as Lucene's standard tokenizer finds them.

    Words are letters, numbers such as "3.5", single ideographs, runs of Thai or similar scripts,
    and emoji; a word longer than ``MAX_TOKEN_LENGTH`` is cut. One rule is simplified: a quote
    after a Hebrew letter belongs to the word only where no vowel point stands between them.

    Args:
        text: Any string.
    """
    if text.isascii():
        found = _ASCII_WORD.findall(text)
        if len(text) <= MAX_TOKEN_LENGTH or max(map(len, found), default=0) <= MAX_TOKEN_LENGTH:
            return found
        return _cut(text, text, _ASCII_WORD)
    table, pattern = _class_words()
    classes = text.translate(table)
    spans = [match.span() for match in pattern.finditer(classes)]
    # A character outside the basic plane counts as two units.
    if max((end - start for start, end in spans), default=0) * 2 <= MAX_TOKEN_LENGTH:
        return [text[start:end] for start, end in spans]
    return _cut(text, classes, pattern)


def _cut(text: str, classes: str, pattern: re.Pattern[str]) -> list[str]:
    """Return the words of a text that may hold words longer than the limit."""
    found: list[str] = []
    position = 0
    while match := pattern.search(classes, position):
        start, end = match.span()
        window = _window(text, start, end)
        if window < end:  # the scanner sees no further: the longest word that ends there
            cut = pattern.match(classes, start, window)
            end = cut.end() if cut else start + 1
        found.append(text[start:end])
        position = end
    return found


def _window(text: str, start: int, end: int) -> int:
    """Return where ``MAX_TOKEN_LENGTH`` UTF-16 units from ``start`` end, at most ``end``."""
    units = 0
    for position in range(start, end):
        units += 2 if text[position] > "\uffff" else 1
        if units > MAX_TOKEN_LENGTH:
            return position
    return end


def english_tokens(text: str) -> list[str]:
    """Return the tokens that Lucene's ``EnglishAnalyzer`` gives for a text, in order.

    Args:
        text: Any string.
    """
    return [token for token in map(word_token, words(text)) if token is not None]


@lru_cache(maxsize=_WORDS_KEPT)
def word_token(word: str) -> str | None:
    """Return the token that a word of a text becomes; None for a stop word.

    Args:
        word: One of what ``words`` returns.
    """
    if word.endswith(_POSSESSIVES):
        word = word[:-2]
    word = word.lower() if word.isascii() else "".join(c.lower()[0] for c in word)
    return None if word in STOP_WORDS else stem(word)


def stem(word: str) -> str:
    """Return Porter's stem of a lower-case word, as Lucene's ``PorterStemFilter`` has it.

    Snowball's "porter" is the algorithm of the article (Porter 1980, "An algorithm for suffix
    stripping"). Lucene follows Porter's own program, which departs from it in three points: words
    of one or two letters stay, "-bli" becomes "-ble" and "-logi" becomes "-log". As there, a
    character outside the basic plane counts as two letters.
    """
    astral = [] if word.isascii() else [c for c in word if c > "\uffff"]
    if astral:
        for character in astral:
            word = word.replace(character, _TWO_LETTERS, 1)
        word = stem(word)
        for character in astral:
            word = word.replace(_TWO_LETTERS, character, 1)
        return word
    if len(word) <= 2:
        return word
    stemmed = _snowball(word)
    for ending, instead in (("bli", "ble"), ("logi", "log")):
        if stemmed.endswith(ending) and _has_measure(stemmed[: -len(ending)]):
            return _snowball(stemmed[: -len(ending)] + instead)
    return stemmed


def _has_measure(text: str) -> bool:
    """Tell whether a vowel is followed by a consonant (Porter's measure above 0)."""
    after_vowel = False
    for position, letter in enumerate(text):
        vowel = letter in "aeiou" or (letter == "y" and position > 0 and not after_vowel)
        if after_vowel and not vowel:
            return True
        after_vowel = vowel
    return False


def _snowball(word: str) -> str:
    stemmed: str = _porter().stemWord(word)
    return stemmed


@lru_cache(maxsize=1)
def _porter() -> Any:
    import snowballstemmer

    return snowballstemmer.stemmer("porter")
