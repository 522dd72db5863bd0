"""Fuzzy and colour matching of attributes and options.

Two strings match when their token-set ratio is strictly above 85: word order and repeated words
do not count, and a text whose words are all in the other one scores 100. So ``'large'``
satisfies ``'x-large'``. Colours are reduced first: ``'dark green'`` is ``'dark'``.

Behaviour: WebShop (Yao et al., 2022), princeton-nlp/WebShop ``engine/goal.py`` and
``engine/normalize.py``, with ``thefuzz`` 0.22 as the scorer. ``thefuzz`` is a thin layer over
``rapidfuzz``; the layer is written out here, so that only ``rapidfuzz`` has to be installed.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, TypeAlias

from rapidfuzz import fuzz, utils

Option: TypeAlias = "str | tuple[str, str]"
"""An option: a plain value, or the (name, value) pair of a synthetic goal."""

FUZZY_THRESHOLD: Final = 85
"""Two texts match when their rounded token-set ratio is strictly above this."""

_COLOR_NAMES: Final = """
alabaster apricot aqua ash asphalt azure banana beige black blue blush bordeaux bronze brown
burgundy camel camo caramel champagne charcoal cheetah chestnut chocolate christmas coffee
cognac copper coral cranberry cream crystal dark denim eggplant elephant espresso fuchsia gold
granite grape graphite grass gray green grey heather indigo ivory ivy khaki lavender lemon
leopard light lilac lime magenta maroon mauve merlot midnight mint mocha multicolor mushroom
mustard natural navy nude olive orange peach pewter pink plum purple rainbow red rose royal
rust sand sapphire seashell silver skull slate steel stone stonewash sunflower tan taupe teal
tiger turquoise violet walnut wheat white wine yellow
"""

COLORS: Final = tuple(_COLOR_NAMES.split())
"""The 102 base colours of WebShop. The order decides which of several colours is kept."""

_LATIN1: Final = dict.fromkeys(range(128, 256))
"""The code points that ``thefuzz`` deletes; it leaves those above 255 alone."""


@lru_cache(maxsize=1 << 15)
def _processed(text: Option) -> str:
    return utils.default_process(str(text).translate(_LATIN1))


@lru_cache(maxsize=1 << 16)
def _ratio(a: Option, b: Option) -> int:
    return round(fuzz.token_set_ratio(_processed(a), _processed(b)))


@lru_cache(maxsize=1 << 14)
def _normalized(value: Option) -> Option:
    # `in` is the substring test for a string and the element test for a pair.
    return next((color for color in COLORS if color in value), value)


def token_set_ratio(a: Option, b: Option) -> int:
    """Return the token-set ratio of ``thefuzz`` 0.22.1, an integer from 0 to 100.

    Args:
        a: A text, or a (name, value) pair, which is compared in its ``str`` form.
        b: The other one; the order does not matter.
    """
    return _ratio(a, b)


def fuzzy_match(a: Option, b: Option) -> bool:
    """Tell whether two texts are close enough for the purchase reward.

    The ratio is rounded to an integer first, so 85.4 is no match and 85.6 is one.
    """
    return _ratio(a, b) > FUZZY_THRESHOLD


def normalize_color(value: Option) -> Option:
    """Reduce an option to the first base colour found in it, or return it unchanged.

    In a string a colour is found anywhere, also inside a word: ``'titanium'`` becomes ``'tan'``
    and ``'powdered'`` becomes ``'red'``. In a (name, value) pair it must be a whole element:
    ``('color', 'red')`` becomes ``'red'``, ``('color', 'dark green')`` stays. Both are what
    WebShop does, and both decide rewards.
    """
    return _normalized(value)
