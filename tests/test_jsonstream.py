"""Streaming gives what the standard library gives, and fails where it fails."""

import gzip
import hashlib
import json

import pytest

from fedenv import jsonstream
from fedenv.errors import DataError
from fedenv.jsonstream import JsonStream

LISTS = [
    [],
    [{}],
    [{"a": "x" * 50, "b": [1, 2.5, None, True]}, {"c": 'é⚘\u2028 \\" ] }, ['}, 123, -4.5e10, "z"],
    [{"n": i, "t": "word " * (i % 9)} for i in range(60)],
]
OBJECTS = [{}, {"a": 1}, {'é"]': {"x": []}, "b": 1234567, "c": [1, {"d": "}"}]}]


def write(path, text):
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize("chunk", [1, 3, 7, 64, 4096])
@pytest.mark.parametrize("indent", [None, 2])
def test_the_same_values(tmp_path, chunk, indent):
    for i, value in enumerate(LISTS + OBJECTS):
        for ascii_only in (True, False):
            text = json.dumps(value, indent=indent, ensure_ascii=ascii_only) + "\n "
            stream = JsonStream(write(tmp_path / f"{i}.json", text), chunk_bytes=chunk)
            if isinstance(value, list):
                assert list(stream.entries()) == value
            else:
                assert list(stream.items()) == list(value.items())
            assert stream.sha256 == hashlib.sha256(text.encode()).hexdigest()


def test_gzip_and_progress(tmp_path):
    content = json.dumps(LISTS[-1]).encode()
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(content))
    seen = []
    stream = JsonStream(path, seen.append, chunk_bytes=100)
    assert list(stream.entries()) == LISTS[-1]
    assert stream.sha256 == hashlib.sha256(content).hexdigest()
    assert seen == sorted(seen)
    assert seen[-1] == path.stat().st_size
    path.write_bytes(gzip.compress(content)[:-20])
    with pytest.raises(DataError, match="is the file complete"):
        list(JsonStream(path).entries())


@pytest.mark.parametrize("chunk", [2, 4096])
@pytest.mark.parametrize(
    "text",
    ["", "[", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[1] 2", "[1]]", '["a', '[{"a": }]', "{}", "3"]
    + ["[nul]", "\ufeff[]", "[1}"],
)
def test_a_broken_list_is_an_error(tmp_path, text, chunk):
    with pytest.raises(DataError, match=r"a\.json"):
        list(JsonStream(write(tmp_path / "a.json", text), chunk_bytes=chunk).entries())


@pytest.mark.parametrize(
    "text", ["{", '{"a"', '{"a":', '{"a":1', '{"a":1,}', "{1:2}", '{"a" 1}', '{"a":1 "b":2}', "[]"]
)
def test_a_broken_object_is_an_error(tmp_path, text):
    with pytest.raises(DataError, match=r"a\.json"):
        list(JsonStream(write(tmp_path / "a.json", text), chunk_bytes=2).items())


def test_limits(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonstream, "MAX_ENTRY_CHARS", 100)
    text = '[{"a": "' + "x" * 10_000
    read = []
    stream = JsonStream(write(tmp_path / "a.json", text), read.append, chunk_bytes=50)
    with pytest.raises(DataError, match="not valid JSON at character"):
        list(stream.entries())
    assert read[-1] < 1000, "a broken file is not read to its end into memory"
    with pytest.raises(DataError, match="nested too deeply"):
        list(JsonStream(write(tmp_path / "b.json", "[" * 100_000)).entries())
    (tmp_path / "c.json").write_bytes(b'["\xff"]')
    with pytest.raises(DataError, match="UTF-8"):
        list(JsonStream(tmp_path / "c.json").entries())
    with pytest.raises(DataError, match="cannot be read"):
        list(JsonStream(tmp_path / "no.json").entries())
