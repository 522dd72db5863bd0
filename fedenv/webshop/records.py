"""Checked access to JSON records: every wrong type is an error that names file, record and field.

Unknown fields are ignored. ``null`` counts as an empty list, and as an empty text where a field may
be left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedenv.errors import DataError


class _Required:
    """Default of a field that must be there (``null`` is a value of its own)."""


REQUIRED = _Required()


@dataclass(frozen=True)
class Row:
    """One JSON object with the place it came from."""

    place: str
    fields: dict[str, Any]

    def error(self, name: str, expected: str, got: str) -> DataError:
        """Build the error for one field of this record."""
        return DataError(f"{self.place}, field {name!r}: expected {expected}, got {got}")

    def _get(self, name: str, expected: str, default: Any) -> Any:
        value = self.fields.get(name, default)
        if value is REQUIRED:
            raise self.error(name, expected, "no such field")
        return value

    def text(self, name: str, default: Any = REQUIRED) -> str:
        """Return a text field; without a default it must be there, with one it may be null."""
        value = self._get(name, "a text", default)
        if value is None and default is not REQUIRED:
            return str(default)
        if not isinstance(value, str):
            raise self.error(name, "a text", _describe(value))
        return value

    def texts(self, name: str, default: Any = REQUIRED) -> Any:
        """Return a field that holds a list of texts as a tuple, or the default if it is absent.

        A single text is a list of one; ``null`` is an empty list.
        """
        value = self._get(name, "a list of texts", default)
        if value is default:
            return default
        if isinstance(value, str):
            return (value,)
        entries = [] if value is None else value
        if not isinstance(entries, list) or not all(isinstance(e, str) for e in entries):
            raise self.error(name, "a list of texts", _describe(value))
        return tuple(entries)

    def groups(self, name: str) -> Iterator[tuple[str, list[Row]]]:
        """Yield the groups of a field that maps names to lists of records (null groups: none)."""
        table = self._get(name, "an object of lists", {})
        if not table:
            return
        if not isinstance(table, dict):
            raise self.error(name, "an object of lists", _describe(table))
        for key, entries in table.items():
            if entries is None:
                continue
            if not isinstance(entries, list):
                raise self.error(f"{name}.{key}", "a list of objects", _describe(entries))
            place = f"{self.place}, field {name!r}, group {key!r}"
            yield key, [_row(f"{place}, entry {i}", entry) for i, entry in enumerate(entries)]


@dataclass(frozen=True)
class RecordReader:
    """Turns the JSON value of one file into rows."""

    path: Path

    def row(self, label: str, value: Any) -> Row:
        """Return one JSON object as a row."""
        return _row(f"{self.path}: {label}", value)

    def rows(self, value: Any) -> list[Row]:
        """Return the rows of a file that holds a list of objects."""
        if not isinstance(value, list):
            raise DataError(f"{self.path}: expected a list of objects, got {_describe(value)}")
        return list(self.iter_rows(value))

    def iter_rows(self, entries: Iterable[Any]) -> Iterator[Row]:
        """Yield the rows of a list of objects, one at a time."""
        return (self.row(_label(i, entry), entry) for i, entry in enumerate(entries))

    def table(self, value: Any) -> dict[str, Row]:
        """Return the rows of a file that maps product codes to objects."""
        entries = self._entries(value).items()
        return {asin: self.row(f"record {asin!r}", entry) for asin, entry in entries}

    def list_table(self, value: Any) -> dict[str, list[Row]]:
        """Return the rows of a file that maps product codes to lists of objects."""
        rows: dict[str, list[Row]] = {}
        for asin, entries in self._entries(value).items():
            if not isinstance(entries, list):
                raise DataError(
                    f"{self.path}: record {asin!r}: expected a list, got {_describe(entries)}"
                )
            rows[asin] = [self.row(f"record {asin!r}[{i}]", e) for i, e in enumerate(entries)]
        return rows

    def _entries(self, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise DataError(
                f"{self.path}: expected an object keyed by product code, got {_describe(value)}"
            )
        return value


def _label(index: int, entry: Any) -> str:
    asin = entry.get("asin") if isinstance(entry, dict) else None
    return f"record {index} (asin {asin!r})" if isinstance(asin, str) else f"record {index}"


def _row(place: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{place}: expected an object, got {_describe(value)}")
    return Row(place, value)


def _describe(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        type(None): "null",
    }
    kind = names.get(type(value), type(value).__name__)
    return f"{kind}: {str(value)[:60]!r}"
