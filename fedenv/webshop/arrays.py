"""Memory-mapped files of a saved index: arrays, records, and lists of texts.

Arrays are ``.npy`` files. A *blob* is the concatenation of byte strings (``name.bin``) with their
int64 offsets (``name.npy``). A :class:`TextList` is a blob of texts with the order that sorts them,
so that a text is found by bisection without a dict in memory.
"""

from __future__ import annotations

import mmap
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

import numpy as np

_ENCODING = ("utf-8", "surrogatepass")  # JSON may name a lone surrogate


def load_array(path: Path) -> np.ndarray:
    """Return a memory-mapped read-only array; an empty one is read."""
    try:
        mapped: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
        return mapped
    except ValueError:
        found: np.ndarray = np.load(path, allow_pickle=False)  # nothing to map, or no .npy file
        return found


class ArrayWriter:
    """Writes a one-dimensional ``.npy`` file piece by piece."""

    def __init__(self, path: Path, dtype: type[np.generic]) -> None:
        self._dtype = np.dtype(dtype)
        self._file = open(path, "wb")  # noqa: SIM115
        self.size = 0
        self._header()
        self._start = self._file.tell()

    def __enter__(self) -> ArrayWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._file.seek(0)
        self._header()
        assert self._file.tell() == self._start, "NumPy leaves room for the length"
        self._file.close()

    def extend(self, values: np.ndarray | array[int]) -> None:
        """Append values; a ``array.array`` must hold items of the file's size."""
        if isinstance(values, array):
            assert values.itemsize == self._dtype.itemsize
            self._file.write(values)
        else:
            self._file.write(values.astype(self._dtype, copy=False).tobytes())
        self.size += len(values)

    def _header(self) -> None:
        about = {"descr": self._dtype.str, "fortran_order": False, "shape": (self.size,)}
        np.lib.format.write_array_header_1_0(self._file, about)


class BlobWriter:
    """Writes a blob."""

    def __init__(self, folder: Path, name: str) -> None:
        self._blob = open(folder / f"{name}.bin", "wb")  # noqa: SIM115
        self._path = folder / f"{name}.npy"
        self._ends = array("q", [0])

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._blob.close()
        np.save(self._path, np.frombuffer(self._ends, dtype=np.int64))

    def append(self, value: bytes) -> None:
        """Append one byte string."""
        self._blob.write(value)
        self._ends.append(self._ends[-1] + len(value))


class Blob:
    """A memory-mapped blob: ``blob[i]`` is the i-th byte string."""

    def __init__(self, folder: Path, name: str) -> None:
        self.offsets = load_array(folder / f"{name}.npy")
        path = folder / f"{name}.bin"
        self._bytes: bytes | mmap.mmap = b""
        if path.stat().st_size:
            with open(path, "rb") as file:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> bytes:
        return self._bytes[self.offsets[index] : self.offsets[index + 1]]


def write_texts(folder: Path, name: str, texts: Iterable[str]) -> None:
    """Write what :class:`TextList` reads."""
    encoded = [text.encode(*_ENCODING) for text in texts]
    with BlobWriter(folder, name) as blob:
        for value in encoded:
            blob.append(value)
    order = sorted(range(len(encoded)), key=encoded.__getitem__)
    np.save(folder / f"{name}-order.npy", np.array(order, dtype=np.int32))


class TextList(Mapping[str, int]):
    """Number of each text, read from a memory-mapped file; iterates in the order of the numbers.

    Of equal texts the last one's number is found, as in a dict that is filled in order.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._blob = Blob(folder, name)
        self._order = load_array(folder / f"{name}-order.npy")

    def __len__(self) -> int:
        return len(self._blob)

    def __iter__(self) -> Iterator[str]:
        return map(self.text, range(len(self)))

    def text(self, number: int) -> str:
        """Return the text of a number."""
        return self._blob[number].decode(*_ENCODING)

    def __getitem__(self, text: str) -> int:
        wanted = text.encode(*_ENCODING)
        low, high = 0, len(self._order)
        while low < high:
            middle = (low + high) // 2
            if self._blob[int(self._order[middle])] <= wanted:
                low = middle + 1
            else:
                high = middle
        if low:
            number = int(self._order[low - 1])
            if self._blob[number] == wanted:
                return number
        raise KeyError(text)
