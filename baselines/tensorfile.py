"""Files of tensors (safetensors) that are whole or absent, with a digest and a note on them.

The note travels in the file's own metadata under one key, so that equal content gives equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fedenv.errors import DataError
from fedenv.fingerprint import canonical_json

NOTE = "fedenv"
DTYPES: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_LENGTH = struct.Struct("<Q")
_MAX_HEADER = 100_000_000
_ALIGNMENT = 8
_DIGEST_BLOCK = 1 << 22


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies in the data of a file: bytes ``begin`` to ``end``."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """What a file says about its content.

    Attributes:
        tensors: By name, in the order in which they lie in the file, without gaps.
        note: What the writer said about them, JSON.
        size: Bytes before the data.
    """

    tensors: Mapping[str, TensorInfo]
    note: Mapping[str, Any]
    size: int

    @cached_property
    def data_size(self) -> int:
        """Bytes of the data."""
        return max((info.end for info in self.tensors.values()), default=0)

    def encode(self, note: Mapping[str, Any]) -> bytes:
        """Return the bytes that stand before the same tensors with another note."""
        names = {dtype: name for name, dtype in DTYPES.items()}
        content: dict[str, Any] = {"__metadata__": {NOTE: canonical_json(dict(note))}}
        for name, info in self.tensors.items():
            content[name] = {
                "dtype": names[info.dtype],
                "shape": list(info.shape),
                "data_offsets": [info.begin, info.end],
            }
        text = json.dumps(content, separators=(",", ":")).encode()
        text += b" " * (-len(text) % _ALIGNMENT)
        return _LENGTH.pack(len(text)) + text


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read what a file says about its content.

    Raises:
        DataError: The file cannot be read, is cut off, or is no safetensors file.
    """
    try:
        with open(path, "rb") as stream:
            (length,) = _LENGTH.unpack(stream.read(_LENGTH.size))
            if length > _MAX_HEADER:
                raise ValueError("its header is too long")
            content: dict[str, Any] = json.loads(stream.read(length))
            note = json.loads(content.pop("__metadata__", {}).get(NOTE, "{}"))
            tensors = {name: _info(entry) for name, entry in content.items()}
            size = os.fstat(stream.fileno()).st_size
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise DataError(f"{path}: no safetensors file ({error})") from error
    ordered = dict(sorted(tensors.items(), key=lambda item: item[1].begin))
    header = Header(ordered, note, _LENGTH.size + length)
    position = 0
    for name, info in ordered.items():
        if info.begin != position or info.end < info.begin:
            raise DataError(f"{path}: tensor {name!r} does not begin where the one before ends")
        position = info.end
    if header.size + header.data_size != size:
        raise DataError(
            f"{path}: has {size} bytes, its header promises {header.size + header.data_size}"
        )
    return header


def write_tensors(path: Path, tensors: Mapping[str, Tensor], note: Mapping[str, Any]) -> str:
    """Write tensors so that the file is whole or absent at every moment.

    Args:
        path: The file.
        tensors: By name; on the CPU.
        note: What they are, JSON.

    Returns:
        The file's digest.

    Raises:
        DataError: The file cannot be written.
    """
    content = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}

    def fill(partial: Path) -> None:
        save_file(content, partial, metadata={NOTE: canonical_json(dict(note))})

    return write_atomically(path, fill)


def write_atomically(path: Path, fill: Callable[[Path], None]) -> str:
    """Let a function write a temporary file, make it durable, and put it in its place.

    The name in the folder is durable with the next :func:`sync_folder`.

    Returns:
        The file's digest.

    Raises:
        DataError: The file cannot be written.
    """
    partial = path.with_name(f".{path.name}.part")
    try:
        fill(partial)
        name = file_digest(partial)
        with open(partial, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be written ({error})") from error
    return name


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_tensors(
    path: Path, expected_digest: str | None = None
) -> tuple[dict[str, Tensor], Mapping[str, Any]]:
    """Read tensors and the note about them.

    Args:
        path: The file.
        expected_digest: What its digest must be; None where nobody knows.

    Raises:
        DataError: The file is missing, broken, or not the one that was written.
    """
    if expected_digest is not None:
        check_digest(path, expected_digest)
    header = read_header(path)
    loaded = load_file(path)
    return {name: loaded[name] for name in header.tensors}, header.note


def check_digest(path: Path, expected: str) -> None:
    """Check that a file is the one that was written.

    Raises:
        DataError: It is missing or differs.
    """
    try:
        found = file_digest(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    if found != expected:
        raise DataError(
            f"{path}: its digest is {found}, {expected} was written; the file was damaged or "
            "changed: restore it, or start again in another folder"
        )


def file_digest(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes, as hex digits."""
    sha = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(_DIGEST_BLOCK):
            sha.update(block)
    return sha.hexdigest()


def map_data(path: str | os.PathLike[str], header: Header) -> Tensor:
    """Return the data of a file as bytes that are read when they are used; shape (data_size,).

    They must not be written to.
    """
    with open(path, "rb") as stream:
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
    return torch.frombuffer(mapped, dtype=torch.uint8)[header.size :]


def _info(entry: Mapping[str, Any]) -> TensorInfo:
    begin, end = entry["data_offsets"]
    return TensorInfo(DTYPES[entry["dtype"]], tuple(entry["shape"]), begin, end)
