"""Building the saved index of a data set, in one pass over its records.

What is written lies in ``fedenv-index<suffix>/`` beside the data files; ``saved.py`` reads it. The
build works in a folder of its own that gets its final name last, so that an index is there
completely or not at all. Memory is bounded by a block of documents, a dict per tokenizer of the
vocabulary, one of the product codes, and the largest single record.
"""

from __future__ import annotations

import json
import os
import shutil
from array import array
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from fedenv import data
from fedenv.errors import DataError
from fedenv.family import Progress
from fedenv.fingerprint import digest
from fedenv.jsonstream import JsonStream
from fedenv.webshop.arrays import BlobWriter, write_texts
from fedenv.webshop.catalog import Product, read_holdout, read_products
from fedenv.webshop.fieldfiles import READY, FieldWriter
from fedenv.webshop.files import DataFiles
from fedenv.webshop.goals import GOAL_KINDS, TASK_PREFIX, product_goals
from fedenv.webshop.pipeline import index_document
from fedenv.webshop.records import RecordReader, Row

FORMAT = 2
"""Raised whenever the content or the layout of the files changes."""

_STORED = [f.name for f in fields(Product)][1:]
FEATURES, ATTRIBUTES, OPTIONS = map(_STORED.index, ("features", "attributes", "options"))


def index_folder(files: DataFiles) -> Path:
    """Return the folder of a data set's saved index, whether it exists or not."""
    name = files.products.name.removesuffix(".gz").removesuffix(".json")
    return files.products.parent / f"fedenv-index{name.removeprefix('items_shuffle')}"


def file_states(files: DataFiles) -> dict[str, list[Any]]:
    """Return name, size in bytes and time of each data file by role, JSON only."""
    states = {role: (path.name, os.stat(path)) for role, path in files.present.items()}
    return {role: [name, s.st_size, s.st_mtime_ns] for role, (name, s) in states.items()}


def save_index(files: DataFiles, progress: Progress = lambda what, done, total: None) -> Path:
    """Build and save the index of a data set; an older one is replaced.

    Args:
        files: The data set.
        progress: Told now and then how far the build is.

    Returns:
        The folder of the index.

    Raises:
        DataError: A data file is broken, changed during the build, or its folder is read-only.
    """
    final = index_folder(files)
    states = file_states(files)
    for left in final.parent.glob(f"{final.name}.partial-*"):
        if not _runs(left.name.rpartition("-")[2]):
            shutil.rmtree(left, ignore_errors=True)
    partial = final.with_name(f"{final.name}.partial-{os.getpid()}")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            _build(files, partial, states, progress)
            if file_states(files) != states:
                raise DataError(f"{files.products.parent}: a data file changed; start again")
            _put_in_place(partial, final)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{final}: cannot be written ({error})") from error
    return final


def _runs(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass
    return True


def _put_in_place(partial: Path, final: Path) -> None:
    old = partial.with_name(f"{partial.name}-old")  # a folder replaces only an empty one
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def _build(
    files: DataFiles, folder: Path, states: Mapping[str, list[Any]], progress: Progress
) -> None:
    waiting = folder / "waiting"
    waiting.mkdir()
    hashes: dict[str, str] = {}
    values: dict[str, Any] = {}
    for role in ("human", "holdout"):
        if path := files.present.get(role):
            content = data.read_bytes(path)
            hashes[role] = data.sha256(content)
            values[role] = data.parse_json(content, path)
    human = RecordReader(files.human).list_table(values["human"]) if files.human else {}
    with InstructionTable(files.instructions, waiting, progress) as instructions:
        hashes["instructions"] = instructions.sha256
        size = states["products"][1]
        stream = JsonStream(files.products, lambda done: progress("products", done, size))
        rows = RecordReader(files.products).iter_rows(stream.entries())
        with _Writer(folder) as writer:
            for product in read_products(rows, instructions.get, human.get):
                writer.add(product)
        hashes["products"] = stream.sha256
    shutil.rmtree(waiting)
    writer.finish(progress)
    holdout = read_holdout(
        files, values.get("holdout"), frozenset(writer.codes), writer.uninstructed
    )
    parts = sorted(path for path in folder.rglob("*") if path.is_file())
    about = {
        "format": FORMAT,
        "digest": digest(hashes),
        "files": states,
        "holdout": holdout,
        "categories": list(writer.categories),
        "parts": {path.relative_to(folder).as_posix(): path.stat().st_size for path in parts},
    }
    (folder / "index.json").write_text(json.dumps(about), encoding="utf-8")


class InstructionTable:
    """The instruction file by product code, its records on disk while the products are read."""

    def __init__(self, path: Path, waiting: Path, progress: Progress) -> None:
        self._reader = RecordReader(path)
        self._places: dict[str, tuple[int, int]] = {}
        size = path.stat().st_size
        stream = JsonStream(path, lambda done: progress("instructions", done, size))
        start = 0
        with open(waiting / "instructions", "wb") as file:
            for asin, value in stream.items():
                self._reader.table({asin: value})  # an entry that is no object is an error
                record = json.dumps(value).encode("ascii")
                file.write(record)
                self._places[asin] = (start, len(record))
                start += len(record)
        self.sha256 = stream.sha256
        self._file = open(waiting / "instructions", "rb")  # noqa: SIM115

    def __enter__(self) -> InstructionTable:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def get(self, asin: str) -> Row | None:
        """Return the record of a product, or None."""
        if asin not in self._places:
            return None
        start, size = self._places[asin]
        self._file.seek(start)
        return self._reader.table({asin: json.loads(self._file.read(size))})[asin]


@dataclass
class _GoalTable:
    """Per kind of goals: which products carry an instruction, how many goals each has, their ids.

    Attributes:
        products: Indices of the products.
        starts: Number of goals of all products before each, and of all at the end.
        ids: The 64 bits of each goal's task id.
        categories: Index of the category of each product listed.
    """

    products: array[int] = field(default_factory=lambda: array("i"))
    starts: array[int] = field(default_factory=lambda: array("q", [0]))
    ids: array[int] = field(default_factory=lambda: array("Q"))
    categories: array[int] = field(default_factory=lambda: array("i"))


class _Writer(ExitStack):
    """Takes the products one by one and writes everything but the postings as they come."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.codes: list[str] = []
        self.uninstructed: list[str] = []
        self.categories: dict[str, int] = {}
        self._folder = folder
        self._goals = {kind: _GoalTable() for kind in GOAL_KINDS}
        self._records = self.enter_context(BlobWriter(folder, "products"))
        self._fields = [
            self.enter_context(FieldWriter(folder / tokenizer, tokenizer)) for tokenizer in READY
        ]

    def add(self, product: Product) -> None:
        """Take the next product."""
        self._records.append(encode(product))
        self.codes.append(product.asin)
        if not (product.instruction or product.human):
            self.uninstructed.append(product.asin)
        document = index_document(product)
        for writer in self._fields:
            writer.add(document)
        for kind, has in (("synthetic", product.instruction), ("human", product.human)):
            if has:
                self._add_goals(self._goals[kind], product, kind)

    def _add_goals(self, table: _GoalTable, product: Product, kind: str) -> None:
        goals = product_goals(product, kind)
        table.products.append(product.index)
        table.categories.append(self.categories.setdefault(product.category, len(self.categories)))
        table.ids.extend(int(goal.task_id.removeprefix(TASK_PREFIX), 16) for goal in goals)
        table.starts.append(len(table.ids))

    def finish(self, progress: Progress) -> None:
        """Write what needs all products: vocabulary, codes, goals and postings."""
        folder = self._folder
        for kind, table in self._goals.items():
            for part in fields(table):
                np.save(folder / f"{kind}-{part.name}.npy", np.array(getattr(table, part.name)))
        write_texts(folder, "codes", self.codes)
        write_texts(folder, "labels", (code.lower() for code in self.codes))
        for writer in self._fields:
            writer.finish(progress)


def encode(product: Product) -> bytes:
    """Return a product as the bytes that ``saved.decode`` reads: its fields without the index."""
    values: list[Any] = [getattr(product, name) for name in _STORED]
    if values[ATTRIBUTES] == values[FEATURES]:
        values[ATTRIBUTES] = None
    values[-1] = [[h.text, h.attributes, h.options] for h in product.human]
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
