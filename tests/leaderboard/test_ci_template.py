"""The template for boards kept as a git repository: its own commands, run in one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="needs PyYAML (comes with extra llm)")
pytest.importorskip("flask_frozen", reason="needs Frozen-Flask (extra web)")

ROOT = Path(__file__).resolve().parents[2]
JOBS = yaml.safe_load((ROOT / "docs" / "ci" / "board.yml").read_text(encoding="utf-8"))["jobs"]
ENTRY = ROOT / "leaderboard" / "submissions" / "entries" / "keyword" / "submission"
INSTALL = 'pip install "$FEDENV"'


def shell(folder, script, check=True):
    """Run a step as GitHub does: bash, and the first failure ends it."""
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    person = {
        f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, **person, "PATH": tools, "GITHUB_BASE_REF": "main"},
        capture_output=True,
        text=True,
        check=check,
        timeout=300,
    )


def steps(job):
    """Return the scripts of a job but for the installation."""
    found = [step["run"] for step in JOBS[job]["steps"] if "run" in step]
    assert found[0] == INSTALL
    return found[1:]


@pytest.fixture
def repository(tmp_path):
    """A clone with an empty board on main, and a branch that adds a submission."""
    shell(tmp_path, "git init -q --bare -b main origin && git clone -q origin work 2>/dev/null")
    work = tmp_path / "work"
    (work / "README.md").write_text("A board.\n")
    shell(
        work, "git checkout -q -b main; git add -A; git commit -qm Board; git push -q origin main"
    )
    shutil.copytree(ENTRY, work / "submissions" / "keyword")
    shell(work, "git checkout -q -b entry; git add -A; git commit -qm Entry")
    return work


def test_a_pull_request_is_verified_and_merging_publishes(repository):
    for script in steps("verify"):
        shell(repository, script)
    assert json.loads((repository / "report.json").read_text())["problems"] == []
    # The job's machine is thrown away; main gets the branch alone.
    shell(
        repository, "git clean -fdq; git reset -q --hard; git checkout -q main; git merge -q entry"
    )
    for script in steps("publish"):
        shell(repository, script)
    assert (repository / "site" / "index.html").exists()
    names = shell(repository, "git ls-tree -r --name-only origin/main").stdout.split()
    assert "entries/keyword/report.json" in names
    assert not any(name.startswith("submissions/") for name in names)
    for script in steps("publish"):  # a push that brings nothing new
        shell(repository, script)


@pytest.mark.parametrize("other", ["submissions/second/submission.json", "README.md"])
def test_more_than_one_submission_is_refused(repository, other):
    path = repository / other
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    shell(repository, "git add -A; git commit -qm More")
    done = shell(repository, steps("verify")[0], check=False)
    assert done.returncode != 0
    assert "expected changes in one folder" in done.stderr


def test_a_forged_submission_ends_the_job(repository):
    path = repository / "submissions" / "keyword" / "submission.json"
    content = json.loads(path.read_text())
    content["runs"][0]["trajectories"]["sha256"] = "0" * 64
    path.write_text(json.dumps(content))
    shell(repository, "git add -A; git commit -qm Forged")
    first, second = steps("verify")
    shell(repository, first)
    done = shell(repository, second, check=False)
    assert done.returncode != 0
    assert "SHA-256" in done.stdout + done.stderr
    assert not (repository / "entries").exists()
