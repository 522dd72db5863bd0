"""Large JSON files, read value by value: memory is bounded by one entry, not by the file.

The standard library's decoder is kept and fed piece by piece: ``JSONDecoder.raw_decode`` reads one
entry at a time off a text buffer that is refilled from the (perhaps gzip-compressed) file. An
incremental parser such as ijson is built for single values deep inside a document; where whole
records are wanted, it builds them from events in Python and is several times slower, and values
would come from another decoder than the one that reads small data.
"""

from __future__ import annotations

import codecs
import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from fedenv.errors import DataError

CHUNK_BYTES = 4 * 2**20
MAX_ENTRY_CHARS = 64 * 2**20
"""The longest entry; a file without a complete entry in so many characters is broken."""

_SPACE = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """One pass over a file whose JSON value is a list or an object.

    After the pass :attr:`sha256` names the whole (decompressed) content.

    Args:
        path: The file; ``.gz`` is decompressed.
        progress: Called with the number of bytes of the file that were read so far.
        chunk_bytes: How much is read at a time.
    """

    def __init__(
        self,
        path: Path,
        progress: Callable[[int], None] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self.path = path
        self._progress = progress
        self._chunk_bytes = chunk_bytes
        self._hash = hashlib.sha256()
        self._decode = json.JSONDecoder().raw_decode
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text, self._position, self._passed = "", 0, 0
        self._ended = False
        self._raw: IO[bytes]
        self._file: IO[bytes] | gzip.GzipFile

    @property
    def sha256(self) -> str:
        """Hex digest of the content that was read."""
        return self._hash.hexdigest()

    def entries(self) -> Iterator[Any]:
        """Yield the entries of a list.

        Raises:
            DataError: The file cannot be read, is not JSON, or holds no list.
        """
        yield from (value for _, value in self._walk("[", "]", "a list of objects"))

    def items(self) -> Iterator[tuple[str, Any]]:
        """Yield keys and values of an object, a repeated key each time it comes.

        Raises:
            DataError: The file cannot be read, is not JSON, or holds no object.
        """
        yield from self._walk("{", "}", "an object keyed by product code")

    def _walk(self, start: str, stop: str, expected: str) -> Iterator[tuple[str, Any]]:
        try:
            with open(self.path, "rb") as self._raw:
                zipped = self.path.suffix == ".gz"
                self._file = gzip.GzipFile(fileobj=self._raw) if zipped else self._raw
                yield from self._values(start, stop, expected)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(
                f"{self.path}: cannot be read ({error}); is the file complete?"
            ) from error

    def _values(self, start: str, stop: str, expected: str) -> Iterator[tuple[str, Any]]:
        if self._peek() != start:
            found = self._text[self._position : self._position + 20]
            raise DataError(f"{self.path}: expected {expected}, got {found!r}")
        self._position += 1
        if self._peek() == stop:
            self._position += 1
        else:
            while True:
                yield (self._key() if start == "{" else ""), self._value()
                mark = self._peek()
                if mark not in (",", stop):
                    raise self._broken(f"expected ',' or {stop!r}")
                self._position += 1
                if mark == stop:
                    break
        if self._peek():
            raise self._broken("expected the end of the file")

    def _key(self) -> str:
        if self._peek() != '"':
            raise self._broken("expected a key in double quotes")
        key: str = self._value()
        if self._peek() != ":":
            raise self._broken("expected ':'")
        self._position += 1
        return key

    def _value(self) -> Any:
        self._peek()
        while True:
            try:
                value, end = self._decode(self._text, self._position)
            except RecursionError as error:
                raise DataError(f"{self.path}: JSON is nested too deeply") from error
            except json.JSONDecodeError as error:
                # The value may go on in what was not read yet.
                if self._ended or len(self._text) - self._position > MAX_ENTRY_CHARS:
                    raise self._broken(error.msg, error.pos) from error
            else:
                # A number may go on too: "-4.5" of "-4.5e+7" leaves two characters at most.
                if end + 2 < len(self._text) or self._ended:
                    self._position = end
                    return value
            self._read()

    def _peek(self) -> str:
        """Return the next character that is no white space, without taking it; "" at the end."""
        while True:
            match = _SPACE.match(self._text, self._position)
            assert match is not None
            self._position = match.end()
            if self._position < len(self._text):
                return self._text[self._position]
            if self._ended:
                return ""
            self._read()

    def _read(self) -> None:
        rest = self._text[self._position :]
        chunk = self._file.read(max(self._chunk_bytes, len(rest)))  # no quadratic time
        self._hash.update(chunk)
        self._ended = not chunk
        try:
            more = self._utf8.decode(chunk, final=self._ended)
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: expected UTF-8 text: {error.reason}") from error
        self._passed += self._position
        self._text, self._position = rest + more, 0
        if self._progress is not None:
            self._progress(self._raw.tell())

    def _broken(self, problem: str, position: int | None = None) -> DataError:
        place = self._passed + (self._position if position is None else position)
        return DataError(
            f"{self.path}: not valid JSON at character {place}: {problem}; is the file complete?"
        )
