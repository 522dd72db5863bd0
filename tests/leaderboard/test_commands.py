"""The commands: from a grid that is filled to a report, and the words in between."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from click.testing import CliRunner

import leaderboard.track
from fedenv.cli import main
from fedenv.errors import ConfigError, DataError, FedEnvError
from fedenv.evaluation.plans import evaluate_plan
from fedenv.evaluation.served import Endpoint, ServedModel
from fedenv.prompts import prompt_hash
from leaderboard.commands.leaderboard import leaderboard as leaderboard_command
from leaderboard.commands.submit import submit
from leaderboard.errors import SubmissionError
from leaderboard.prepare import TEMPLATE, place_of, prepare, read_about
from leaderboard.track import open_track, read_content
from leaderboard.verify import verify
from tests.chat_server import ChatServer
from tests.leaderboard.conftest import ABOUT
from tests.leaderboard.forging import edit_content


def run(*arguments: object, command=submit):
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_from_a_grid_to_a_report(evaluation, tracks, tmp_path):
    about, out, report = (tmp_path / name for name in ("about.toml", "out", "report.json"))
    about.write_text(TEMPLATE.replace('"federated"', '"scripted"'))
    done = run("prepare", evaluation, "--about", about, "--out", out, "--tracks", tracks)
    assert done.exit_code == 0, done.output
    assert f"fedenv submit replay {out}" in done.output
    done = run("validate", out, "--tracks", tracks)
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == "my-method: checked"
    assert run("keygen", tmp_path / "key").exit_code == 0
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0
    assert run("keygen", tmp_path / "key").exit_code == 1  # never overwritten
    assert run("sign", out, "--key", tmp_path / "key").exit_code == 0
    done = run("replay", out, "--report", report, "--tracks", tracks)
    assert done.exit_code == 0
    assert "my-method: replayed" in done.output
    assert "transfer gap" in done.output
    assert report.read_text() == verify(out, tracks=tracks).to_text()
    assert json.loads(report.read_text())["signed_by"]


def test_refusals_are_shown(forged, tracks):
    edit_content(forged, lambda c: c["track"].update(lock="0" * 64))
    done = run("validate", forged, "--tracks", tracks)
    assert done.exit_code == 1
    assert done.output.startswith("[track] submission.json: track tiny: expected lock")
    assert done.output.endswith("keyword: refused\n")


def test_prepare_gives_equal_bytes(evaluation, honest, tracks, tmp_path):
    again = prepare(evaluation, ABOUT, tmp_path / "again", tracks=tracks)
    for path in sorted(honest.rglob("*")):
        if path.is_file():
            assert (again / path.relative_to(honest)).read_bytes() == path.read_bytes()


def test_what_cannot_be_prepared(evaluation, tracks, tmp_path):
    bad = {**ABOUT, "entry": {**ABOUT["entry"], "slug": "No"}}
    with pytest.raises(SubmissionError, match="nothing was written: entry/slug: expected lower"):
        prepare(evaluation, bad, tmp_path / "x", tracks=tracks)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "x").mkdir()
    with pytest.raises(ConfigError, match="is there already"):
        prepare(evaluation, ABOUT, tmp_path / "x", tracks=tracks)
    copy = shutil.copytree(evaluation, tmp_path / "evaluation")
    plan = json.loads((copy / "plan.json").read_text())
    (copy / "plan.json").write_text(json.dumps({**plan, "lock": "0" * 64}))
    with pytest.raises(ConfigError, match="was evaluated with lock 0000"):
        prepare(copy, ABOUT, tmp_path / "y", tracks=tracks)
    (copy / "plan.json").write_text(json.dumps(plan))
    shutil.copy(copy / "shop" / "1" / "episodes.jsonl", copy / "shop" / "0" / "episodes.jsonl")
    with pytest.raises(DataError, match="episodes that track tiny does not ask"):
        prepare(copy, ABOUT, tmp_path / "z", tracks=tracks)
    (tmp_path / "about.toml").write_text("[method]\n")
    with pytest.raises(DataError, match="expected the tables entry, method, compute, got method"):
        read_about(tmp_path / "about.toml")


def test_the_template_is_complete(tmp_path):
    done = run("template")
    assert done.output == TEMPLATE
    (tmp_path / "about.toml").write_text(TEMPLATE)
    assert set(read_about(tmp_path / "about.toml")) == {"entry", "method", "compute"}


def test_training_runs_find_their_place(tiny, tmp_path):
    def write(**changes):
        content = {
            "format": "fedenv-training/1",
            "federation_digest": tiny.environments[1].federation,
            "config": {"run": {"seed": 2}},
        }
        (tmp_path / "run.json").write_text(json.dumps({**content, **changes}))
        return place_of(tiny, tmp_path)

    assert write() == ("house", 2)
    with pytest.raises(ConfigError, match="with seed 7; track tiny has the federations shop: "):
        write(config={"run": {"seed": 7}})
    with pytest.raises(ConfigError, match="trained in federation x with seed 2"):
        write(federation_digest="x")
    with pytest.raises(DataError, match="expected a folder of `fedenv train`"):
        write(format="fedenv-evaluation/1")


def test_runs_need_a_track(tmp_path):
    (tmp_path / "about.toml").write_text(TEMPLATE)
    about = tmp_path / "about.toml"
    done = run("prepare", tmp_path, tmp_path, "--about", about, "--out", tmp_path / "o")
    assert done.exit_code == 2
    assert "need '--track'" in done.output


def test_tracks_are_listed():
    done = run("tracks", command=leaderboard_command)
    assert done.exit_code == 0
    assert "webshop-env" in done.output
    assert "6,000" in done.output


def test_the_commands_are_declared():
    root = leaderboard.track.FOLDER.parents[1]
    project = read_content(root / "pyproject.toml")["project"]
    points = project["entry-points"]
    assert points["fedenv.commands"]["submit"] == "leaderboard.commands.submit:submit"
    assert points["fedenv.plans"]["tracks"] == "leaderboard.track:find_plan"
    assert "board" in project["optional-dependencies"]
    assert callable(main)


def test_without_the_extra_the_commands_say_so(honest, tracks, monkeypatch):
    for module in ("leaderboard.trajectories", "leaderboard.runcheck", "leaderboard.verify"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    done = run("validate", honest, "--tracks", tracks)
    assert isinstance(done.exception, FedEnvError)
    assert "pip install 'fedenv[board]'" in str(done.exception)


def test_a_served_model_tells_decoding_and_prompts(tracks, tmp_path):
    pytest.importorskip("openai", reason="needs openai (extra openai)")
    pytest.importorskip("aiolimiter", reason="needs aiolimiter (extra openai)")
    model = ServedModel("stub", temperature=0.7, max_tokens=64)
    with ChatServer() as server:
        plan, endpoint = open_track("tiny", tracks).plan(), Endpoint(server.url)
        evaluate_plan(plan, "openai", {}, tmp_path / "grid", model=model, endpoint=endpoint)
    about = {**ABOUT, "method": {**ABOUT["method"], "kind": "prompted", "base_model": "Stub-1"}}
    out = prepare(tmp_path / "grid", about, tmp_path / "out", tracks=tracks)
    method = json.loads((out / "submission.json").read_text())["method"]
    assert method["base_model"] == "Stub-1"  # what the submitter says comes first
    assert method["decoding"] == {"temperature": 0.7, "top_p": 1.0, "max_new_tokens": 64}
    assert method["prompt_hash"] == prompt_hash()
    report = verify(out, tracks=tracks)
    assert report.problems == ()
    assert report.missing == 0
