"""The files of one WebShop data set: which ones belong together, and what they hold.

A data set is ``items_shuffle<suffix>.json`` with ``items_ins_v2<suffix>.json`` of the same suffix,
optionally ``items_human_ins<suffix>.json`` (or ``items_human_ins.json``) and
``holdout_asins<suffix>.json`` (or ``holdout_asins.json``); ``lookalikes<suffix>.json`` (or
``lookalikes.json``) and ``labels<suffix>.json`` (or ``labels.json``; success labels for the
hardness partition) are derived from them. Each may carry ``.gz``. The bundled catalog is such a
folder too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedenv import data
from fedenv.errors import DataError
from fedenv.fingerprint import digest, digest_files

BUNDLED = Path(__file__).parent / "data"
_PRODUCTS = re.compile(r"items_shuffle(?P<suffix>.*)\.json(\.gz)?")


@dataclass(frozen=True)
class DataFiles:
    """Paths of one data set; the last four are None where there is no such file.

    Lookalikes and labels are derived from the others and no part of the digest of the data.
    """

    products: Path
    instructions: Path
    human: Path | None
    holdout: Path | None
    lookalikes: Path | None = None
    labels: Path | None = None

    @property
    def present(self) -> dict[str, Path]:
        """Role of each file of the data that exists, and its path."""
        roles = {
            "products": self.products,
            "instructions": self.instructions,
            "human": self.human,
            "holdout": self.holdout,
        }
        return {role: path for role, path in roles.items() if path is not None}

    @property
    def suffix(self) -> str:
        """What stands behind ``items_shuffle`` in the name of the products' file."""
        named = _PRODUCTS.fullmatch(self.products.name)
        return named["suffix"] if named else ""

    def stamp(self) -> data.Stamp:
        """Return what tells one state of these files from another."""
        derived = [path for path in (self.lookalikes, self.labels) if path is not None]
        return data.stamp([*self.present.values(), *derived])

    def digest(self) -> str:
        """Return the digest of the contents that :meth:`read` returns, a piece at a time."""
        return digest({role: data.stream_sha256(path) for role, path in self.present.items()})

    def read(self) -> tuple[dict[str, Any], str]:
        """Return the JSON value of each file by role, and the digest of their contents."""
        contents = {role: data.read_bytes(path) for role, path in self.present.items()}
        values = {
            role: data.parse_json(content, self.present[role]) for role, content in contents.items()
        }
        return values, digest_files(contents)


def find_files(source: str | None) -> DataFiles:
    """Find the files of a data set.

    Args:
        source: None for the bundled catalog, a folder, or the path of one
            ``items_shuffle<suffix>.json`` in a folder that holds several sets.

    Raises:
        DataError: No complete set is there, or several are and the path does not choose one.
    """
    if source is None:
        return _files_of(BUNDLED, "_bundled")
    path = Path(source).resolve()
    if path.is_file():
        named = _PRODUCTS.fullmatch(path.name)
        if named is None:
            raise DataError(f"data={source!r}: expected a file named items_shuffle<suffix>.json")
        return _files_of(path.parent, named["suffix"])
    if not path.is_dir():
        raise DataError(f"data={source!r}: no such folder; pass a folder, or nothing (bundled)")
    return _files_of(path, _only_suffix(path))


def _only_suffix(folder: Path) -> str:
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    found = [match["suffix"] for name in names if (match := _PRODUCTS.fullmatch(name))]
    suffixes = sorted(set(found))
    complete = [s for s in suffixes if data.locate(folder, f"items_ins_v2{s}.json")]
    if len(complete) == 1:
        return complete[0]
    if complete:
        sets = ", ".join(f"items_shuffle{s}.json + items_ins_v2{s}.json" for s in complete)
        raise DataError(
            f"{folder}: expected one data set, found {len(complete)}: {sets}; "
            "pass the path of the items_shuffle file that you mean"
        )
    shown = ", ".join(name for name in names if name.startswith("items_")) or "none"
    raise DataError(
        f"{folder}: expected items_shuffle<suffix>.json and items_ins_v2<suffix>.json of the same "
        f"suffix; found files named items_*: {shown}"
    )


def _files_of(folder: Path, suffix: str) -> DataFiles:
    def optional(stem: str) -> Path | None:
        return data.locate(folder, f"{stem}{suffix}.json") or data.locate(folder, f"{stem}.json")

    products = data.locate(folder, f"items_shuffle{suffix}.json")
    instructions = data.locate(folder, f"items_ins_v2{suffix}.json")
    if products is None or instructions is None:
        raise DataError(
            f"{folder}: expected items_shuffle{suffix}.json and items_ins_v2{suffix}.json; "
            f"missing: {'items_shuffle' if products is None else 'items_ins_v2'}{suffix}.json"
        )
    return DataFiles(
        products,
        instructions,
        optional("items_human_ins"),
        optional("holdout_asins"),
        optional("lookalikes"),
        optional("labels"),
    )
