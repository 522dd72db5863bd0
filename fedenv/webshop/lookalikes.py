"""Lookalikes: products that resemble a target and fail one term of its reward.

The Lookalike Injection variant adds them to a client's shop. What is stored of a lookalike is its
*difference* to the target (:class:`Lookalike`): a few edits of words, and a new price or new option
values. :func:`apply` makes the product. How they are drawn and checked is in
:mod:`fedenv.webshop.lookalike_generator`.

Source: FedAgent paper, Section 3.2 and Appendix I (Lookalike Injection).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fedenv import data
from fedenv.errors import DataError
from fedenv.fingerprint import canonical_json, digest_lines
from fedenv.webshop.catalog import Catalog, Product
from fedenv.webshop.records import RecordReader, Row

POOLS = ("price", "color", "size", "price+color")
"""The pools in the paper's order: the reward terms that a pool's lookalikes attack."""

PREFIX = "LK"
NAME, DESCRIPTION, BULLET = "name", "description", "bullet"


@dataclass(frozen=True)
class Edit:
    """One change of a text, counted in words between single spaces.

    Attributes:
        field: ``"name"``, ``"description"``, or ``"bullet 0"``, ``"bullet 1"``, …
        position: 0-based number of the first word concerned.
        old: The words that stand there, joined by spaces; empty where words are only added.
        new: The words that replace them; empty where words are only left out.
    """

    field: str
    position: int
    old: str
    new: str


@dataclass(frozen=True)
class Lookalike:
    """A product as a difference to its target.

    Attributes:
        pool: Name of the pool, from ``POOLS``.
        target: Code of the product that it resembles.
        suffix: Last part of its own code.
        edits: Changes of the texts; those of one field do not overlap.
        price: The new price in dollars, or None for the target's.
        options: Option groups with new values; groups that are not named stay.
    """

    pool: str
    target: str
    suffix: str
    edits: tuple[Edit, ...] = ()
    price: float | None = None
    options: Mapping[str, tuple[str, ...]] | None = None

    @property
    def asin(self) -> str:
        """Its product code, ``LK_<pool>_<target>_<suffix>``."""
        return f"{PREFIX}_{self.pool}_{self.target}_{self.suffix}"


@dataclass(frozen=True)
class LookalikePool:
    """The lookalikes of one pool as products, ready to be appended to the catalog.

    Attributes:
        name: From ``POOLS``.
        products: In catalog order of their targets; their ``index`` is set when appended.
        digest: Name of their whole content.
    """

    name: str
    products: tuple[Product, ...]
    digest: str


def make_pool(name: str, catalog: Catalog, lookalikes: Iterable[Lookalike]) -> LookalikePool:
    """Apply the lookalikes of one pool to their targets.

    Raises:
        DataError: A lookalike does not fit the catalog.
    """
    products = tuple(apply(catalog, lookalike) for lookalike in lookalikes)
    return LookalikePool(name, products, digest_lines(map(_content, products)))


def apply(catalog: Catalog, lookalike: Lookalike) -> Product:
    """Return the product that a lookalike stands for; it carries no instruction.

    Raises:
        DataError: The target is not in the catalog, or does not have the words or option groups
            that the lookalike changes.
    """
    try:
        target = catalog.products[catalog.position(lookalike.target)]
    except KeyError:
        raise _misfit(lookalike, f"no product {lookalike.target!r} in the catalog") from None
    texts = {NAME: target.name, DESCRIPTION: target.description}
    texts |= {f"{BULLET} {i}": bullet for i, bullet in enumerate(target.bullets)}
    for edit in sorted(lookalike.edits, key=lambda edit: edit.position, reverse=True):
        texts[edit.field] = _edited(lookalike, texts.get(edit.field), edit)
    changed = lookalike.options or {}
    for group in changed:
        if group not in target.options:
            raise _misfit(lookalike, f"the target has no option group {group!r}")
    priced = lookalike.price is not None
    return replace(
        target,
        index=-1,
        asin=lookalike.asin,
        name=texts[NAME],
        description=texts[DESCRIPTION],
        bullets=tuple(texts[f"{BULLET} {i}"] for i in range(len(target.bullets))),
        price=target.price if lookalike.price is None else lookalike.price,
        price_tag=f"${lookalike.price}" if priced else target.price_tag,
        options={group: changed.get(group, values) for group, values in target.options.items()},
        instruction=None,
        instruction_attributes=(),
        human=(),
    )


def _edited(lookalike: Lookalike, text: str | None, edit: Edit) -> str:
    if text is None:
        raise _misfit(lookalike, f"the target has no text {edit.field!r}")
    words = text.split(" ")
    old = edit.old.split(" ") if edit.old else []
    stop = edit.position + len(old)
    if words[edit.position : stop] != old or edit.position > len(words):
        found = " ".join(words[edit.position : stop])
        raise _misfit(lookalike, f"{edit.field}: expected {edit.old!r}, found {found!r}")
    words[edit.position : stop] = edit.new.split(" ") if edit.new else []
    return " ".join(words)


def _misfit(lookalike: Lookalike, what: str) -> DataError:
    return DataError(
        f"lookalike {lookalike.asin}: {what}; it was made for other data: "
        "run 'fedenv data lookalikes' on this data again"
    )


def _content(product: Product) -> str:
    """Return the content of a product as one line."""
    texts = [product.asin, product.name, product.description, *product.bullets]
    shelf = [product.category, product.query, product.product_category]
    lists = [list(product.features), list(product.attributes)]
    options = [[name, list(values)] for name, values in product.options.items()]
    return canonical_json([texts, shelf, lists, options, product.price, product.price_tag])


def dump(pools: Mapping[str, Iterable[Lookalike]]) -> bytes:
    """Return the content of a lookalikes file, the same bytes for equal lookalikes."""
    value = {name: [_record(lookalike) for lookalike in pool] for name, pool in pools.items()}
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _record(lookalike: Lookalike) -> dict[str, Any]:
    record: dict[str, Any] = {"target": lookalike.target, "suffix": lookalike.suffix}
    if lookalike.price is not None:
        record["price"] = lookalike.price
    if lookalike.options:
        record["options"] = {name: list(values) for name, values in lookalike.options.items()}
    record["edits"] = [[e.field, e.position, e.old, e.new] for e in lookalike.edits]
    return record


def read(path: Path) -> dict[str, tuple[Lookalike, ...]]:
    """Read a lookalikes file: an object that maps each pool's name to a list of records.

    Raises:
        DataError: The file is broken; the message names file, record and field.
    """
    content = data.parse_json(data.read_bytes(path), path)
    reader = RecordReader(path)
    pools = reader.list_table(content)
    if tuple(pools) != POOLS:
        raise DataError(
            f"{path}: expected the pools {', '.join(POOLS)}, got {', '.join(pools) or 'none'}"
        )
    return {name: tuple(_lookalike(name, row) for row in rows) for name, rows in pools.items()}


def _lookalike(pool: str, row: Row) -> Lookalike:
    price = row.fields.get("price")
    if price is not None and (type(price) not in (int, float) or not 0 <= price < float("inf")):
        raise row.error("price", "an amount in dollars", repr(price))
    options = row.fields.get("options")
    if options is not None and not (
        isinstance(options, dict) and all(map(_is_texts, options.values()))
    ):
        raise row.error("options", "an object of lists of texts", repr(options)[:60])
    edits = row.fields.get("edits", [])
    if not (isinstance(edits, list) and all(map(_is_edit, edits))):
        raise row.error("edits", "a list of [field, position, old, new]", repr(edits)[:60])
    return Lookalike(
        pool=pool,
        target=row.text("target"),
        suffix=row.text("suffix"),
        edits=tuple(Edit(*edit) for edit in edits),
        price=None if price is None else float(price),
        options=options and {name: tuple(values) for name, values in options.items()},
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _is_edit(value: object) -> bool:
    if not isinstance(value, list) or len(value) != 4 or type(value[1]) is not int:
        return False
    return value[1] >= 0 and _is_texts([value[0], *value[2:]])
