"""The saved index of a data set, memory-mapped: opened in milliseconds, shared by all processes.

Everything gives the same values as the data read in full (``catalog.py``, ``goals.py``,
``index.py``); products and goals are made when they are asked for and the recently used ones kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

import numpy as np

from fedenv.tasks import Task
from fedenv.webshop.arrays import Blob, TextList, load_array
from fedenv.webshop.catalog import Catalog, HumanInstruction, Product
from fedenv.webshop.fieldfiles import READY, open_fields
from fedenv.webshop.files import DataFiles
from fedenv.webshop.goals import GOAL_KINDS, TASK_PREFIX, Goal, product_goals
from fedenv.webshop.index import FieldIndex
from fedenv.webshop.saving import (
    ATTRIBUTES,
    FEATURES,
    FORMAT,
    OPTIONS,
    file_states,
    index_folder,
)

RECENT = 4096
"""How many products, and goals of how many products, are kept decoded."""

_logger = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Lazy(Sequence[_T], Generic[_T]):
    """A read-only sequence whose entries are made on access."""

    def __init__(self, size: int, make: Callable[[int], _T]) -> None:
        self._size = size
        self._make = make

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> _T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[_T, ...]: ...
    def __getitem__(self, index: int | slice) -> _T | tuple[_T, ...]:
        if isinstance(index, slice):
            return tuple(self._make(i) for i in range(*index.indices(self._size)))
        position = index + self._size if index < 0 else index
        if not 0 <= position < self._size:
            raise IndexError(index)
        return self._make(position)


class SavedCatalog(Catalog):
    """A catalog whose products lie in a file."""

    def __init__(
        self,
        products: Sequence[Product],
        holdout: tuple[str, ...],
        digest: str,
        codes: TextList,
        targets: Mapping[str, np.ndarray],
    ) -> None:
        values = {"products": products, "holdout": holdout, "digest": digest}
        for name, value in {**values, "_codes": codes, "_targets": targets}.items():
            object.__setattr__(self, name, value)

    _codes: TextList
    _targets: Mapping[str, np.ndarray]

    def position(self, asin: str) -> int:
        """Return the index of a product; raises KeyError for an unknown code."""
        return self._codes[asin]

    @cached_property
    def asins(self) -> tuple[str, ...]:
        """Product codes in catalog order; read when first asked for."""
        return tuple(self._codes)

    def targets(self, goals: str = "synthetic") -> tuple[str, ...]:
        """Return the codes of the products that carry an instruction."""
        return tuple(self._codes.text(i) for i in self._targets[goals].tolist())

    def mask(self, asins: Sequence[str]) -> np.ndarray:
        """Return a boolean array of shape (num_products,), True where the product is listed."""
        listed = set(asins)
        mask = np.fromiter((a in listed for a in self.asins), dtype=bool, count=len(self.asins))
        if np.count_nonzero(mask) < len(listed):
            raise KeyError(min(listed.difference(self.asins)))
        return mask


class SavedIndex:
    """What a folder written by ``saving.save_index`` holds.

    Attributes:
        size: Size of its files in bytes.
        catalog: The products.

    Args:
        folder: The folder.
        about: The content of its ``index.json``.
    """

    def __init__(self, folder: Path, about: Mapping[str, Any]) -> None:
        self._folder = folder
        self.size = sum(about["parts"].values())
        self._records = Blob(folder, "products")
        self._categories: list[str] = about["categories"]
        self._goal_products = {k: load_array(folder / f"{k}-products.npy") for k in GOAL_KINDS}
        self._goal_starts = {k: load_array(folder / f"{k}-starts.npy") for k in GOAL_KINDS}
        self._product = lru_cache(maxsize=RECENT)(self._decode)
        self._goals_of = lru_cache(maxsize=RECENT)(self._make_goals)
        self.field_index = lru_cache(maxsize=None)(self._open_fields)
        products = _Lazy(len(self._records), self._product)
        self._labels = TextList(folder, "labels")
        self.catalog: Catalog = SavedCatalog(
            products,
            tuple(about["holdout"]),
            about["digest"],
            TextList(folder, "codes"),
            self._goal_products,
        )

    def _decode(self, index: int) -> Product:
        return decode(index, self._records[index])

    def _make_goals(self, index: int, kind: str) -> list[Goal]:
        return product_goals(self._product(index), kind)

    def find(self, label: str) -> int | None:
        """Return the index of the product whose lower-cased code is ``label``."""
        return self._labels.get(label)

    def goals(self, kind: str) -> Sequence[Goal]:
        """Return all goals of a kind, made when they are asked for."""
        products, starts = self._goal_products[kind], self._goal_starts[kind]

        def goal(position: int) -> Goal:
            row = int(np.searchsorted(starts, position, side="right")) - 1
            return self._goals_of(int(products[row]), kind)[position - int(starts[row])]

        return _Lazy(int(starts[-1]), goal)

    def goal_products(self, kind: str) -> np.ndarray:
        """Return the index of each goal's product, without making a goal."""
        counts = np.diff(self._goal_starts[kind])
        repeated: np.ndarray = np.repeat(self._goal_products[kind], counts)
        return repeated

    def tasks(self, kind: str) -> Iterator[Task]:
        """Yield each goal's task, without making a goal."""
        ids = load_array(self._folder / f"{kind}-ids.npy")
        rows = load_array(self._folder / f"{kind}-categories.npy")
        categories = np.repeat(rows, np.diff(self._goal_starts[kind])).tolist()
        for number, category in zip(ids.tolist(), categories, strict=True):
            yield Task(f"{TASK_PREFIX}{number:016x}", self._categories[category])

    def holds(self, tokenizer: str) -> bool:
        """Tell whether ``field_index`` knows a tokenizer."""
        return tokenizer in READY

    def _open_fields(self, tokenizer: str) -> FieldIndex:
        return open_fields(self._folder / tokenizer, tokenizer)


def decode(index: int, record: bytes) -> Product:
    """Return the product that ``saving.encode`` wrote."""
    values: list[Any] = [tuple(v) if isinstance(v, list) else v for v in json.loads(record)]
    if values[ATTRIBUTES] is None:
        values[ATTRIBUTES] = values[FEATURES]
    values[OPTIONS] = {name: tuple(entries) for name, entries in values[OPTIONS].items()}
    values[-1] = tuple(HumanInstruction(t, tuple(a), tuple(o)) for t, a, o in values[-1])
    return Product(index, *values)


def open_index(files: DataFiles) -> SavedIndex | None:
    """Return the saved index of a data set; None where there is none that fits its files.

    Sizes and times of the files are compared; where only the times differ (a copied folder), their
    content is read and its digest compared.
    """
    folder = index_folder(files)
    try:
        about = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return _unfit(folder, f"index.json cannot be read ({error})")
    if about.get("format") != FORMAT:
        return _unfit(folder, f"its format is {about.get('format')!r}, not {FORMAT}")
    states = file_states(files)
    if states != about["files"]:
        sizes, saved = ({k: v[:2] for k, v in s.items()} for s in (states, about["files"]))
        if sizes != saved or files.digest() != about["digest"]:
            return _unfit(folder, "the data files have changed since it was built")
    for name, size in about["parts"].items():
        if not (folder / name).is_file() or (folder / name).stat().st_size != size:
            return _unfit(folder, f"its file {name} is missing or not complete")
    return SavedIndex(folder, about)


def _unfit(folder: Path, reason: str) -> SavedIndex | None:
    _logger.warning("%s is not used: %s; build it again with fedenv data index", folder, reason)
    return None
