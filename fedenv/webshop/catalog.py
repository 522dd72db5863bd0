"""Stage 1 of the pipeline: the products, their prices, and which of them a client's shop holds.

Records in the public WebShop file format become :class:`Product` values by the load-time rules of
the original shop. One draw differs: the scalar price of a product with a price range comes from a
stream named by the product, so it is the same in every process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from fedenv import seeding
from fedenv.errors import ConfigError, DataError
from fedenv.webshop.files import DataFiles
from fedenv.webshop.records import RecordReader, Row

DEFAULT_PRICE = 100.0
MAX_ASIN_LENGTH = 10
NUM_HOLDOUT = 30
UNLISTED_ATTRIBUTES = ("DUMMY_ATTR",)


@dataclass(frozen=True)
class HumanInstruction:
    """One instruction that a person wrote for a product (``items_human_ins.json``)."""

    text: str
    attributes: tuple[str, ...]
    options: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """One product of the shop.

    Attributes:
        index: Position in the catalog.
        asin: Product code; what the agent clicks.
        name: Title.
        description: Full description, may be empty.
        bullets: Feature list.
        features: Attribute phrases of the instruction file, empty where it lists none.
        attributes: What the reward compares; a placeholder where the file lists none.
        category: One of the five WebShop categories.
        query: Shelf name, lower-cased and stripped.
        product_category: Category levels joined by ``›``.
        price: The scalar price in dollars that reward and price limits use.
        price_tag: The price as shown.
        options: Option name to its values, in the order of the record.
        instruction: Synthetic instruction, or None.
        instruction_attributes: The attributes that the instruction asks for.
        human: Instructions written by people.
    """

    index: int
    asin: str
    name: str
    description: str
    bullets: tuple[str, ...]
    features: tuple[str, ...]
    attributes: tuple[str, ...]
    category: str
    query: str
    product_category: str
    price: float
    price_tag: str
    options: Mapping[str, tuple[str, ...]]
    instruction: str | None
    instruction_attributes: tuple[str, ...]
    human: tuple[HumanInstruction, ...] = ()


@dataclass(frozen=True)
class Catalog:
    """All products of a data set, shared read-only by every client of a process."""

    products: Sequence[Product]
    holdout: tuple[str, ...]
    digest: str
    _position: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        positions = {product.asin: product.index for product in self.products}
        object.__setattr__(self, "_position", positions)

    def position(self, asin: str) -> int:
        """Return the index of a product; raises KeyError for an unknown code."""
        return self._position[asin]

    @cached_property
    def asins(self) -> tuple[str, ...]:
        """Product codes in catalog order."""
        return tuple(product.asin for product in self.products)

    def extend(self, products: Iterable[Product]) -> Catalog:
        """Return the catalog with further products behind its own, whose indices stay.

        The digest stays that of the data: the added products are named where they are sold.

        Args:
            products: What is added; each gets the next free index.

        Raises:
            DataError: A code is there already.
        """
        added: list[Product] = []
        taken = set(self.asins)
        for product in products:
            if product.asin in taken:
                raise DataError(
                    f"product {product.asin!r} is in the catalog already; every code must be new"
                )
            taken.add(product.asin)
            added.append(replace(product, index=len(self.products) + len(added)))
        return replace(self, products=(*self.products, *added))

    def targets(self, goals: str = "synthetic") -> tuple[str, ...]:
        """Return the codes of the products that carry an instruction; every client keeps them.

        Args:
            goals: ``"synthetic"`` or ``"human"``: which kind of instruction counts.
        """
        if goals == "human":
            return tuple(p.asin for p in self.products if p.human)
        return tuple(p.asin for p in self.products if p.instruction)

    def mask(self, asins: Sequence[str]) -> np.ndarray:
        """Return a boolean array of shape (num_products,), True where the product is listed."""
        mask = np.zeros(len(self.products), dtype=bool)
        mask[[self._position[asin] for asin in asins]] = True
        return mask


def catalog_split(
    asins: Sequence[str],
    targets: Sequence[str],
    holdout: Sequence[str],
    client_id: int,
    env_div: float,
    keep_ratio: float,
    seed: int = 42,
) -> list[str]:
    """Return the product codes that one client's shop holds under Catalog Split.

    Every client keeps all targets. Of the others, in sorted order and without the held-out ones,
    it keeps the ``round(keep_ratio * n)`` with the smallest mixture of draws that all clients
    share and draws of its own. Source: paper, Algorithm 5.

    Args:
        asins: All product codes; the result keeps their order.
        targets: Codes of products that carry an instruction.
        holdout: Codes reserved for out-of-distribution evaluation; no client holds them.
        client_id: 0-based client index.
        env_div: Share of the client's own draws in [0, 1]: 0 gives every client the same shop.
        keep_ratio: Share of the other products that a client keeps, in [0, 1].
        seed: The paper's seed sigma_0.

    Raises:
        ConfigError: A number is out of range.
    """
    for name, value in (("env_div", env_div), ("keep_ratio", keep_ratio)):
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"{name} must lie in [0, 1], got {value!r}")
    kept = set(targets)
    others = sorted(set(asins) - kept - set(holdout))
    shared = seeding.shared_uniforms(len(others), seed)
    own = seeding.client_uniforms(len(others), client_id, seed)
    order = np.argsort((1.0 - env_div) * shared + env_div * own, kind="stable")
    kept.update(others[i] for i in order[: round(keep_ratio * len(others))])
    return [asin for asin in asins if asin in kept]


def load_catalog(files: DataFiles) -> Catalog:
    """Read and check a data set.

    Raises:
        DataError: A file is broken; the message names file, record and field.
    """
    values, digest = files.read()
    listings = RecordReader(files.products).rows(values["products"])
    instructions = RecordReader(files.instructions).table(values["instructions"])
    human = RecordReader(files.human).list_table(values["human"]) if files.human else {}
    products = tuple(read_products(listings, instructions.get, human.get))
    listed = values.get("holdout")
    codes = {product.asin for product in products}
    uninstructed = (p.asin for p in products if not (p.instruction or p.human))
    return Catalog(products, read_holdout(files, listed, codes, uninstructed), digest)


def read_products(
    listings: Iterable[Row],
    instructions: Callable[[str], Row | None],
    human: Callable[[str], list[Row] | None],
) -> Iterator[Product]:
    """Yield the products of a data set, one at a time.

    Args:
        listings: The product records.
        instructions: Finds the instruction record of a product code.
        human: Finds the instructions that people wrote for a product code.

    Raises:
        DataError: A record is broken.
    """
    seen: set[str] = set()
    for row in listings:
        asin = row.text("asin")
        if not asin:
            raise row.error("asin", "a product code", "nothing")
        if asin == "nan" or len(asin) > MAX_ASIN_LENGTH or asin in seen:
            continue
        yield _product(len(seen), asin, row, instructions(asin), human(asin))
        seen.add(asin)


def read_holdout(
    files: DataFiles, listed: Any, codes: Container[str], uninstructed: Iterable[str]
) -> tuple[str, ...]:
    """Return the codes of the held-out products.

    They are those that a file lists, or else 30 (at most a quarter) of the products without an
    instruction, by a frozen draw.

    Args:
        files: The data set.
        listed: The JSON value of its file of held-out codes, if it has one.
        codes: All product codes.
        uninstructed: Codes of the products without an instruction of either kind.

    Raises:
        DataError: The file is broken.
    """
    if files.holdout:
        table = RecordReader(files.holdout).row("the file", listed)
        return tuple(asin for asin in table.texts("asins") if asin in codes)
    others = sorted(uninstructed)
    size = min(NUM_HOLDOUT, len(others) // 4)
    order = seeding.frozen_rng("webshop", "holdout").permutation(len(others))
    return tuple(sorted(others[i] for i in order[:size]))


def _product(
    index: int, asin: str, row: Row, instructions: Row | None, human: list[Row] | None
) -> Product:
    amounts, tag = _pricing(row)
    features = instructions.texts("attributes", default=None) if instructions else None
    instruction = instructions.text("instruction", default="") if instructions else ""
    wanted: tuple[str, ...] = ()
    if instructions and instruction:
        wanted = instructions.texts("instruction_attributes")
        if not wanted:
            raise instructions.error("instruction_attributes", "at least one attribute", "none")
    return Product(
        index=index,
        asin=asin,
        name=row.text("name"),
        description=row.text("full_description", default=""),
        bullets=row.texts("small_description"),
        features=features or (),
        attributes=UNLISTED_ATTRIBUTES if features is None else features,
        category=row.text("category"),
        query=row.text("query").lower().strip(),
        product_category=row.text("product_category"),
        price=_scalar_price(asin, amounts),
        price_tag=tag,
        options=_options(row),
        instruction=instruction or None,
        instruction_attributes=wanted,
        human=_human_instructions(human),
    )


def _pricing(row: Row) -> tuple[tuple[float, ...], str]:
    pricing = row.text("pricing", default="").strip()
    if pricing and "$" not in pricing:
        raise row.error("pricing", "amounts such as '$19.99'", repr(pricing))
    amounts: list[float] = []
    for piece in pricing.split("$")[1:]:
        digits = re.sub(r"[^0-9.]", "", piece)
        try:
            amounts.append(float(digits))
        except ValueError:
            raise row.error("pricing", "amounts such as '$19.99'", repr(piece)) from None
    if not amounts:
        return (), f"${DEFAULT_PRICE}"
    if len(amounts) == 1:
        return (amounts[0],), f"${amounts[0]}"
    return (amounts[0], amounts[1]), f"${amounts[0]} to ${amounts[1]}"


def _scalar_price(asin: str, amounts: tuple[float, ...]) -> float:
    if len(amounts) < 2:
        return amounts[0] if amounts else DEFAULT_PRICE
    low, high = amounts
    return low + (high - low) * seeding.uniform_for("webshop", "price", asin)


def _options(row: Row) -> dict[str, tuple[str, ...]]:
    options: dict[str, tuple[str, ...]] = {}
    for name, entries in row.groups("customization_options"):
        values = (entry.text("value").strip().replace("/", " | ").lower() for entry in entries)
        options[name.lower()] = tuple(values)
    return options


def _human_instructions(rows: list[Row] | None) -> tuple[HumanInstruction, ...]:
    return tuple(
        HumanInstruction(
            row.text("instruction"),
            row.texts("instruction_attributes"),
            row.texts("instruction_options", default=()),
        )
        for row in rows or ()
    )
