"""How the bundled catalog writes: slots, sentences, titles and instructions of one product.

All words are data under ``vocabulary/``; this module only combines them. Used by
:mod:`fedenv.webshop.bundled` when the shipped files are made, never at run time.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedenv import seeding

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VOCABULARY = Path(__file__).parent / "vocabulary"
_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{(\w+)\}")
_SMALL = {"a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to"}
_AN = ("a", "e", "i", "o", "hdmi", "led", "ultra", "under", "up")
_MIXED = ("haircare", "skincare", "makeup", "fragrance")
_SOUNDS_LIKE_A = ("usb", "one", "eau")


def read_vocabulary(name: str) -> dict[str, Any]:
    """Return one vocabulary file."""
    return tomllib.loads((VOCABULARY / f"{name}.toml").read_text(encoding="utf-8"))


class Draw(seeding.Draw):
    """Frozen draws of one named stream of the bundled catalog."""

    def __init__(self, *path: str | int) -> None:
        super().__init__("webshop", "bundled", *path)


def count_tokens(text: str) -> int:
    """Return the number of word tokens, as the search engine counts them."""
    return len(re.findall(r"\w+", text.lower()))


def title_case(text: str) -> str:
    """Return the text in the case of a title; words with capitals stay as they are."""
    words = text.split()
    return " ".join(
        w if any(c.isupper() for c in w) or (i and w in _SMALL) else w[:1].upper() + w[1:]
        for i, w in enumerate(words)
    )


def with_article(noun: str) -> str:
    """Return the noun with "a" or "an"."""
    low = noun.lower()
    vowel = low.startswith(_AN) and not low.startswith(_SOUNDS_LIKE_A)
    return f"{'an' if vowel else 'a'} {noun}"


@dataclass
class Product:
    """What is true of a product, before any text is written."""

    shelf: dict[str, Any]
    brand: str
    kind: str
    one: str
    features: list[str]
    draw: Draw
    slots: dict[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)


def fill_slots(product: Product) -> None:
    """Draw the slot values that all sentences of a product share."""
    draw, shelf = product.draw, product.shelf
    materials = draw.sample(shelf["mat"], 2)
    parts, uses = draw.sample(shelf["part"], 2), draw.sample(shelf["use"], 2)
    who = draw.pick(shelf["who"])
    keys = [f"{a} {product.kind}" for a in draw.sample(product.features, 2)]
    model = "".join(draw.pick("ABCDEFGHKLMNPQRSTVWXZ") for _ in range(2 + draw.below(2)))
    product.slots = {
        "type": product.one,
        "a_type": with_article(product.one),
        "name_type": title_case(product.kind),
        "name_key": f"{product.kind} for {who}",
        "key1": keys[0],
        "key2": keys[1],
        "key3": f"{materials[0]} {product.kind}",
        "brand": product.brand,
        "model": f"{model}{10 + draw.below(990)}",
        "material": materials[0],
        "material_cap": materials[0][:1].upper() + materials[0][1:],
        "part": parts[0],
        "part2": parts[1],
        "use": uses[0],
        "use_cap": uses[0][:1].upper() + uses[0][1:],
        "use2": uses[1],
        "who": who,
        "who_cap": who[:1].upper() + who[1:],
        "n1": str(3 + draw.below(60)),
        "n2": str(2 + draw.below(30)),
        "n3": str(2 + draw.below(90)),
        "n4": str(draw.below(10)),
        "n5": str(draw.below(10)),
        "r": str(3 + draw.below(2)),
    }
    for name in ("use", "use2", "material", "part", "who"):
        words = re.sub(r"^(the|a|an) ", "", product.slots[name])
        product.slots[name[:1].upper() + name[1:]] = title_case(words)


def render(template: str, product: Product) -> str:
    """Return the template with its choices made and its slots filled."""
    text = _CHOICE.sub(lambda m: product.draw.pick(m.group(1).split("|")), template)
    return _SLOT.sub(lambda m: product.slots[m.group(1)], text)


class Writer:
    """Writes the texts of products from the vocabulary."""

    def __init__(self) -> None:
        self.attributes: dict[str, list[str]] = read_vocabulary("attributes")
        self.sentences = read_vocabulary("sentences")

    def attribute(self, product: Product, phrase: str, *, plain: bool) -> tuple[str, str]:
        """Return heading and sentence that state a feature, ``plain`` or as a paraphrase."""
        entry = self.attributes[phrase]
        heading = re.sub(r"^for ", "", entry[1])
        fresh = [t for t in entry[3:] if t not in product.told] or entry[3:]
        template = product.draw.pick(fresh) if plain else entry[2]
        if not plain:
            heading = product.draw.pick(["Thoughtful", "Good News", "You Will Like This", "Smart"])
        return heading, self._once(template, product)

    def _once(self, template: str, product: Product) -> str:
        text = render(template, product)
        text = text[:1].upper() + text[1:]
        product.told.add(template)
        return "" if text in product.used else text

    def pool(self, product: Product) -> list[str]:
        """Return the templates that fit a product, the more special ones rather first."""
        shelf, draw = product.shelf, product.draw
        tiers = [
            (shelf["facts"], 0.0),
            (self.sentences["family"][shelf["fam"]], 0.15),
            (self.sentences["category"][shelf["cat"]], 0.3),
            (self.sentences["any"], 0.45),
            (self.sentences["extra"]["spec"], 0.75),
        ]
        keyed = [
            (
                base + draw.unit() + (2.0 if text.rpartition(" :: ")[2] in product.told else 0.0),
                text,
            )
            for texts, base in tiers
            for text in texts
        ]
        return [text for _, text in sorted(keyed)]

    def passage(
        self, product: Product, must: list[tuple[str, bool]], target: int, *, opener: bool
    ) -> list[tuple[str, str]]:
        """Return about ``target`` tokens of (heading, sentence) pairs.

        Args:
            product: Whom to write about.
            must: Features to state, each with "plainly?"; stated first come, first served.
            target: The wished number of tokens.
            opener: Whether to begin with an opening sentence.
        """
        out: list[tuple[str, str]] = []
        size = 0

        def add(heading: str, text: str) -> bool:
            nonlocal size
            cost = count_tokens(text)
            if not text or (size + cost - target > target - size and size > 0):
                return False
            product.used.add(text)
            out.append((heading, text))
            size += cost
            return True

        if opener and target > 30:
            add("", self._once(product.draw.pick(self.sentences["extra"]["opener"]), product))
        stated = [add(*self.attribute(product, a, plain=plain)) for a, plain in must]
        kept = len(out)
        general = self.pool(product)
        more = product.draw.shuffled([a for a in product.features if (a, True) not in must])
        for turn in range(6):
            for template in general:
                if size >= target - 4:
                    break
                heading, _, text = template.rpartition(" :: ")
                add(heading.replace("{brand}", product.brand), self._once(text, product))
                if more and size < target - 12 and product.draw.chance(0.3):
                    a = more.pop()
                    add(*self.attribute(product, a, plain=product.draw.chance(0.5)))
            more = product.draw.shuffled(product.features) if turn else more
        first = 1 if opener and target > 30 and kept > len([s for s in stated if s]) else 0
        return out[:first] + product.draw.shuffled(out[first:])

    def bullets(self, product: Product, pairs: list[tuple[str, str]], wanted: int) -> list[str]:
        """Return the sentences as a list of about ``wanted`` bullet points."""
        count = max(1, min(wanted, len(pairs)))
        style = product.draw.weighted(["plain", "upper", "bracket", "dash"], [0.4, 0.25, 0.15, 0.2])
        out = []
        for i in range(count):
            part = pairs[i * len(pairs) // count : (i + 1) * len(pairs) // count]
            if not part:
                continue
            heading = render(part[0][0], product)
            text = " ".join(t for _, t in part)
            if style == "upper" and heading:
                text = f"{heading.upper()}: {text}"
            elif style == "bracket" and heading:
                text = f"【{heading}】{text}"
            elif style == "dash" and heading:
                text = f"{heading} - {text}"
            out.append(text)
        return out

    def title(self, product: Product, told: list[str], target: int) -> str:
        """Return a title of about ``target`` tokens that tells the features ``told``."""
        draw, slots = product.draw, product.slots
        mixed = product.shelf["cat"] == "grocery" or product.shelf["fam"] in _MIXED
        after = (
            self.sentences["after"]["any"] + self.sentences["after"]["mixed" if mixed else "made"]
        )
        forms = {a: (self.attributes[a][0], self.attributes[a][1]) for a in told}
        front = [f for k, f in forms.values() if k == "a" or (k == "w" and len(f) < 15)]
        back = [f for k, f in forms.values() if k == "w" and len(f) >= 15]
        goal = [re.sub(r"^for ", "", f) for k, f in forms.values() if k == "f"]
        room = max(1, min(3, (target - 6) // 3))
        extra, front = front[room:], front[:room]
        parts = [*front, title_case(product.kind)]
        if draw.chance(0.35) and target > 10:
            parts.insert(draw.below(len(parts)), slots["Material"])
        if draw.chance(0.88):
            parts.insert(0, product.brand)
        gender = re.match(r"(Women|Men)'s", product.shelf["query"])
        if gender and draw.chance(0.8):
            at_front = draw.chance(0.5)
            parts = [parts[0], gender.group(), *parts[1:]] if at_front else parts
            parts += [] if at_front else [f"for {gender.group(1)}"]
        text = " ".join(parts)
        tail = [f"with {' and '.join(back[:2])}"] if back else []
        tail += [f"for {' and '.join(goal[:2])}"] if goal else []
        tail += extra + draw.shuffled([render(t, product) for t in after])
        comma = draw.weighted([", ", " - ", " | ", ", "], [0.5, 0.2, 0.15, 0.15])
        said = {slots["Material"]} if slots["Material"] in text else set[str]()
        for piece in tail:
            cost = count_tokens(piece)
            size = count_tokens(text)
            if size >= target:
                break
            repeats = any(w in piece for w in said)
            if (
                repeats
                or size + cost - target > 1
                or (piece.startswith("by ") and parts[0] in piece)
            ):
                continue
            glue = " " if piece.startswith(("with ", "for ")) and draw.chance(0.7) else comma
            text += glue + piece
            said.update(
                v for k, v in slots.items() if (k[0].isupper() or k == "model") and v in piece
            )
        return text

    def instruction(self, product: Product, phrases: list[str]) -> str:
        """Return a request for the product, made of attributes and a noun."""
        draw, shelf = product.draw, product.shelf
        kinds = {k: [a for a in phrases if self.attributes[a][0] == k] for k in "awf"}
        terse = draw.chance(0.5)

        def join(items: list[str]) -> str:
            if terse or len(items) < 2:
                return ", ".join(items)
            return ", ".join(items[:-1]) + " and " + items[-1]

        noun = shelf["query"].lower() if draw.chance(0.4) else draw.pick(shelf["ask"])
        exact = draw.chance(0.08)
        if exact:
            noun = product.kind
            person = re.match(r"(Women|Men)'s", shelf["query"])
            if person and draw.chance(0.6):
                noun = f"{person.group().lower()} {noun}"
        text = f"{join(kinds['a'])} {noun}".strip()
        purpose = f" for {join(kinds['f'])}" if kinds["f"] else ""
        having = (
            f" {draw.pick(['with', 'with', 'featuring'])} {join(kinds['w'])}" if kinds["w"] else ""
        )
        text += purpose + having if draw.chance(0.3) else having + purpose
        if draw.chance(0.1):
            text += draw.pick(
                [" made with {material}", " suitable for {use}", ", {material} if possible"]
            )
        return f"Find me {render(text, product)}"
