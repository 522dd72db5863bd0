"""Where data comes from: the files shipped in the wheel, or a folder of the user's.

Nothing is downloaded. A file may be plain JSON or gzip-compressed
(``.gz`` appended to its name). Every failure is a :class:`~fedenv.errors.DataError` that names the
file and what to do about it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from pathlib import Path
from typing import Any

from fedenv.errors import DataError

Stamp = tuple[tuple[str, int, int], ...]


def locate(folder: Path, name: str) -> Path | None:
    """Return the path of ``name`` or ``name.gz`` in a folder, or None where neither exists."""
    for candidate in (folder / name, folder / f"{name}.gz"):
        if candidate.is_file():
            return candidate
    return None


def read_bytes(path: Path) -> bytes:
    """Return the (decompressed) content of a file.

    Raises:
        DataError: The file cannot be read or is a broken gzip file.
    """
    try:
        raw = path.read_bytes()
        return gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); is the file complete?") from error


def write_gzip(path: Path, content: bytes) -> None:
    """Write a compressed file, replaced at once; equal contents give equal bytes.

    Raises:
        DataError: The file cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))
        os.replace(draft, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error})") from error


def parse_json(content: bytes, path: Path) -> Any:
    """Return the JSON value of a file's content.

    Raises:
        DataError: The content is not UTF-8 or not JSON; the message gives the position.
    """
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8 text, got byte {error.start}: {error.reason}"
        ) from (error)
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}: not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}; "
            "is the file complete?"
        ) from error
    except RecursionError as error:
        raise DataError(f"{path}: JSON is nested too deeply") from error


def sha256(content: bytes) -> str:
    """Return the SHA-256 of a content in hex digits."""
    return hashlib.sha256(content).hexdigest()


def stream_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's (decompressed) content without holding it in memory.

    Raises:
        DataError: The file cannot be read or is a broken gzip file.
    """
    sha = hashlib.sha256()
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            while chunk := file.read(2**22):
                sha.update(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error}); is the file complete?") from error
    return sha.hexdigest()


def stamp(paths: list[Path]) -> Stamp:
    """Return what tells one state of some files from another without reading them."""
    states = ((str(path), os.stat(path)) for path in paths)
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)
