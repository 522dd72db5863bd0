"""What is saved of a tokenizer is what the tokenizer finds, however it is looked up."""

import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fedenv.webshop import fieldfiles
from fedenv.webshop.fieldfiles import READY, _Numbering, _Vocabulary
from fedenv.webshop.files import find_files
from fedenv.webshop.index import tokenize
from fedenv.webshop.saving import save_index
from tests.webshop.test_saved import tiny

SPACES = "".join(chr(i) for i in range(0x3001) if chr(i).isspace())
# Letters, digits, marks, quotes and emoji whose meaning depends on what stands beside them.
ODD = "aZs'’\"3.,:_-אב\u0301\u0308\u200d\ufe0f\u20e3👍🏽🇩🇪カ漢かกขΣσİ\ud800"
TEXTS = st.lists(st.text(ODD + SPACES, max_size=12) | st.sampled_from(["shoes", "the", " "]))


@pytest.mark.parametrize("tokenizer", READY)
@given(texts=TEXTS, kept=st.integers(1, 4))
@example(texts=[f"a{space}3{space}א{space}\u0301 é" for space in SPACES], kept=4)
@example(texts=["ΑΣ Σ ΑΣ\u0301 Β"], kept=1)
@settings(max_examples=300, deadline=None)
def test_pieces_between_spaces_make_the_tokens_of_a_text(tokenizer, texts, kept):
    vocabulary = _Vocabulary()
    expected = {}
    with mock.patch.object(fieldfiles, "_PIECES_KEPT", kept):
        numbering = _Numbering(tokenizer, vocabulary)
        for text in texts * 2:
            tokens = tokenize(text, tokenizer)
            numbers = [expected.setdefault(token, len(expected)) for token in tokens]
            assert numbering.of_text(text).tolist() == numbers
            assert len(numbering) <= kept
    assert list(vocabulary.items()) == list(expected.items())


_BUILD = """
import sys
from fedenv.webshop import blocks, fieldfiles, saving
from fedenv.webshop.files import find_files
fieldfiles._PIECES_KEPT = int(sys.argv[2])
blocks.BLOCK_DOCUMENTS = 9
saving.save_index(find_files(sys.argv[1]))
"""


def test_every_build_writes_the_same_bytes(tmp_path):
    """Whatever the seed of Python's hashes, the size of blocks, and how much is remembered."""
    contents = []
    for number, kept in enumerate((None, 7)):
        folder = tiny(tmp_path / str(number))
        if kept is None:
            save_index(find_files(folder))
        else:
            command = [sys.executable, "-c", _BUILD, folder, str(kept)]
            subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "5"})
        (index,) = Path(folder).glob("fedenv-index*")
        files = sorted(path for path in index.rglob("*") if path.is_file())
        assert {path.parent.name for path in files} == {index.name, *READY}
        contents.append({str(p.relative_to(index)): p.read_bytes() for p in files})
    for content in contents:
        content.pop("index.json")  # with the times of the data files
    assert contents[0] == contents[1]
