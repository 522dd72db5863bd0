"""The example scripts run as a reader would run them, and stay short."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = {
    "plug_in_your_trainer.py": (("--rounds", "3"), r"round 3: validation score 0\.\d+"),
    "vector_rollouts.py": (("--steps", "40"), r"[1-9]\d* episodes of 16 clients, mean score 0\."),
    "your_own_records.py": ((), r"client 4: [1-9]\d* tasks; teapots sold: mine"),
}
MAX_LINES = 80


def test_every_example_is_tested_and_short():
    scripts = {path.name: path for path in (ROOT / "examples").glob("*.py")}
    assert scripts.keys() == EXAMPLES.keys()
    for path in scripts.values():
        assert len(path.read_text(encoding="utf-8").splitlines()) < MAX_LINES, path.name


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    arguments, expected = EXAMPLES[name]
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / name), *arguments]
    runs = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        for _ in range(2)
    ]
    for done in runs:
        assert done.returncode == 0, done.stderr
        assert re.search(expected, done.stdout), done.stdout
    same = [re.sub(r"in [\d.]+ s", "", done.stdout) for done in runs]
    assert same[0] == same[1], "an example prints the same twice"
