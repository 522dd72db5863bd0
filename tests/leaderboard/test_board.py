"""Boards: what is admitted, what is a copy, what keepers may say."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from fedenv.errors import ConfigError, DataError
from leaderboard.board import Entry, admit, common_share, read_entries, set_status
from leaderboard.prepare import prepare
from leaderboard.report import Report
from leaderboard.signing import make_key, sign
from leaderboard.verify import verify
from tests.chains import forge
from tests.leaderboard.conftest import ABOUT
from tests.leaderboard.forging import edit_content, edit_records, read_records


@pytest.fixture(scope="module")
def report(honest, tracks) -> Report:
    return verify(honest, tracks=tracks)


@pytest.fixture
def board(honest, report, tmp_path):
    folder = tmp_path / "board"
    entry, problems = admit(folder, honest, report)
    assert problems == ()
    assert entry.level == "replayed"
    return folder


def test_reports_come_back_from_their_files(report, board):
    (entry,) = read_entries(board)
    assert entry.report == report
    assert entry.report.to_text() == report.to_text()
    assert (entry.slug, entry.track, entry.visible, entry.ranked) == ("keyword", "tiny", True, True)
    assert entry.mb_per_round is None
    assert Report.from_json(json.loads(report.to_text()), "x") == report


def test_episodes_of_an_entry_are_read(board, honest):
    (entry,) = read_entries(board)
    found = [record for _, record in entry.records("house", 2)]
    assert found == read_records(honest, "house-2")


def test_the_same_report_everywhere(honest, report, tracks, tmp_path):
    moved = shutil.copytree(honest, tmp_path / "some" / "where")
    assert verify(moved, tracks=tracks, workers=2).to_text() == report.to_text()
    checked = verify(moved, tracks=tracks, replay=False)
    assert (checked.verdict, checked.metrics, checked.outcomes) == ("checked", {}, ())


def test_only_replayed_entries_are_shown(honest, tracks, tmp_path):
    entry, _ = admit(tmp_path, honest, verify(honest, tracks=tracks, replay=False))
    assert (entry.level, entry.visible, entry.ranked) == ("self-reported", False, False)


def test_refused_submissions_are_not_admitted(forged, tracks, tmp_path):
    edit_content(forged, lambda c: c.update(x=1))
    entry, problems = admit(tmp_path / "board", forged, verify(forged, tracks=tracks))
    assert entry is None
    assert problems[0].check == "schema"
    assert read_entries(tmp_path / "board") == ()


def test_what_changed_after_verification_is_refused(forged, report, tmp_path):
    edit_content(forged, lambda c: c["entry"].update(slug="other"))
    with pytest.raises(DataError, match="changed after it was verified"):
        admit(tmp_path, forged, report)


@pytest.mark.parametrize("slug", ["keyw0rd", "key-word"])
def test_slugs_that_look_alike_are_refused(forged, board, tracks, slug):
    edit_content(forged, lambda c: c["entry"].update(slug=slug))
    entry, (problem,) = admit(board, forged, verify(forged, tracks=tracks))
    assert entry is None
    assert problem.check == "names"
    assert "looks like the entry 'keyword'" in problem.message


def test_a_slug_belongs_to_its_key(honest, tracks, tmp_path):
    board, first = tmp_path / "board", shutil.copytree(honest, tmp_path / "first")
    second = shutil.copytree(honest, tmp_path / "second")
    for key in ("a", "b"):
        make_key(tmp_path / key)

    def submit(folder, key):
        content = (folder / "submission.json").read_bytes()
        (folder / "signature.json").write_text(json.dumps(sign(content, tmp_path / key)))
        return admit(board, folder, verify(folder, tracks=tracks, replay=False))

    assert submit(first, "a")[0].report.signed_by is not None
    entry, (problem,) = submit(second, "b")
    assert entry is None
    assert "is taken by the entry 'keyword'" in problem.message
    edit_content(second, lambda c: c["entry"].update(description="Better."))
    entry, problems = submit(second, "a")
    assert problems == ()
    assert entry.submission["entry"]["description"] == "Better."
    assert len(read_entries(board)) == 1


@pytest.mark.parametrize("careful", [False, True])
def test_copies_are_refused(forged, board, tracks, careful):
    def change(content):
        content["entry"] |= {"slug": "thief", "name": "thief"}

    edit_content(forged, change)
    if careful:
        for run in ("shop-0", "shop-1", "shop-2", "house-1", "house-2"):
            edit_records(forged, run, lambda rs: [forge(r) for r in reversed(rs)])
    entry, (problem,) = admit(board, forged, verify(forged, tracks=tracks))
    assert entry is None
    assert problem.check == "copies"
    assert "100% of the episodes are those of the entry 'keyword'" in problem.message


def test_one_stolen_model_is_enough(tiny, evaluation, board, tracks, tmp_path):
    from fedenv.evaluation.plans import evaluate_plan

    own = tmp_path / "own"
    evaluate_plan(tiny.plan(), "random", {}, own)
    about = {**ABOUT, "entry": {**ABOUT["entry"], "slug": "thief"}}
    clean = prepare(own, about, tmp_path / "clean", tracks=tracks)
    shutil.copytree(evaluation / "house" / "1", own / "house" / "1", dirs_exist_ok=True)
    stolen = prepare(own, about, tmp_path / "stolen", tracks=tracks)
    entry, (problem,) = admit(board, stolen, verify(stolen, tracks=tracks))
    assert entry is None
    assert "house with seed 1" in problem.message
    entry, problems = admit(board, clean, verify(clean, tracks=tracks))
    assert problems == ()
    assert [found.slug for found in read_entries(board)] == ["keyword", "thief"]


def test_common_share_is_an_estimate(report):
    row = report.outcomes[0]
    assert common_share(row, row) == 1.0
    names = [f"{i:012x}" for i in range(100)]
    first, second = replace(row, sketch=tuple(names[:64])), replace(row, sketch=tuple(names[32:96]))
    assert common_share(first, second) == 0.5
    assert common_share(first, replace(row, sketch=())) == 0.0


def test_keepers_flag_and_raise(board):
    (entry,) = read_entries(board)
    flagged = set_status(entry, flagged="The prompt names products.")
    assert (flagged.flagged, flagged.ranked, flagged.visible) == (
        "The prompt names products.",
        False,
        True,
    )
    audited = set_status(flagged, level="audited", clear=True)
    assert (audited.level, audited.flagged, audited.ranked) == ("audited", None, True)
    with pytest.raises(ConfigError, match="unknown level 'best'; legal: 'self-reported'"):
        set_status(audited, level="best")
    with pytest.raises(DataError, match="flagged"):
        set_status(audited, flagged="x" * 2000)


def test_upper_bounds_have_no_rank(forged, tracks, tmp_path):
    edit_content(forged, lambda c: c["method"].update(upper_bound=True))
    entry, _ = admit(tmp_path, forged, verify(forged, tracks=tracks))
    assert (entry.visible, entry.ranked) == (True, False)


def test_broken_boards_say_so(board):
    (entry,) = read_entries(board)
    (entry.folder / "status.json").write_text('{"level": "best"}')
    with pytest.raises(DataError, match=r"status\.json: "):
        Entry.read(entry.folder)


def test_bytes_a_round(forged, tracks, tmp_path):
    training = {
        "rounds": 4,
        "clients_per_round": 2,
        "local_epochs": 3,
        "episodes_per_epoch": 64,
        "bytes_up": 4_000_000,
        "bytes_down": 8_000_000,
    }

    def change(content):
        content["method"]["kind"] = "federated"
        for run in content["runs"]:
            run["training"] = training

    edit_content(forged, change)
    entry, _ = admit(tmp_path, forged, verify(forged, tracks=tracks, replay=False))
    assert entry.mb_per_round == 3.0
