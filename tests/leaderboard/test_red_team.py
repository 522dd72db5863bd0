"""Forged submissions: each is refused, or does no good, with a message that says why."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shutil
import zipfile
from dataclasses import replace

import pytest
import zstandard

from leaderboard.limits import Limits
from leaderboard.signing import make_key, sign
from leaderboard.verify import verify
from tests.chains import forge, forge_step
from tests.leaderboard.forging import (
    edit_content,
    edit_lines,
    edit_records,
    fix_digest,
    path_of,
    read_lines,
    read_records,
    row_of,
    write_lines,
    write_raw,
)

SHOP, HOUSE = "shop-0", "house-0"
FORGERIES: dict[str, tuple] = {}


def forgery(check: str, message: str, where: str = ""):
    """Register a forgery: the check that refuses it, a pattern of the message, and the place."""

    def register(function):
        FORGERIES[function.__name__] = (function, check, message, where)
        return function

    return register


def first_failure(records) -> int:
    return next(i for i, record in enumerate(records) if not record.success)


# -- Edited rewards -------------------------------------------------------------------------------


@forgery("chain", r"breaks at the step: expected [0-9a-f]{32}, got", "shop-0.*line 1, step")
def reward_edited_in_place(folder):
    edit_lines(
        folder,
        SHOP,
        lambda ls: [re.sub(r'"reward":[\d.]+,"te', '"reward":0.99,"te', ls[0])] + ls[1:],
    )


@forgery("replay", r"reward: the record says 0\.9, playing it again gave 0\.0", "line 1, step 1")
def reward_edited_and_chained(folder):
    edit_records(folder, SHOP, lambda rs: [forge_step(rs[0], 0, reward=0.9), *rs[1:]])


@forgery("replay", r"end: the record says .*'score': 1\.0.* playing it again gave")
def score_edited_and_chained(folder):
    def edit(records):
        i = first_failure(records)
        records[i] = forge(records[i], score=1.0, success=True)
        return records

    edit_records(folder, SHOP, edit)


@forgery("chain", "breaks at the end")
def success_edited_in_place(folder):
    def edit(lines):
        i = next(i for i, line in enumerate(lines) if '"success":false' in line)
        lines[i] = lines[i].replace('"success":false', '"success":true')
        return lines

    edit_lines(folder, SHOP, edit)


# -- Edited observations --------------------------------------------------------------------------


@forgery("chain", "breaks at the step", "line 2, step 2")
def observation_edited_in_place(folder):
    def edit(records):
        steps = list(records[1].steps)
        steps[1] = replace(steps[1], observation="0" * 32)
        return [records[0], replace(records[1], steps=tuple(steps)), *records[2:]]

    edit_records(folder, SHOP, edit)


@forgery("replay", "observation: the record says '0{32}'", "house-0.*line 3, step 1")
def observation_edited_and_chained(folder):
    edit_records(
        folder,
        HOUSE,
        lambda rs: [*rs[:2], forge_step(rs[2], 0, observation="0" * 32), *rs[3:]],
    )


@forgery("replay", "observation: the record says", "line 1, step 0")
def first_observation_edited(folder):
    edit_records(folder, SHOP, lambda rs: [forge(rs[0], observation="f" * 32), *rs[1:]])


# -- Dropped and duplicated episodes --------------------------------------------------------------


@forgery("grid", "says 8 episodes, the file holds 7")
def bad_episode_dropped(folder):
    records = read_records(folder, SHOP)
    del records[first_failure(records)]
    write_lines(folder, SHOP, [record.to_json_line() for record in records])
    fix_digest(folder, SHOP, 8)


@forgery("files", "expected at most 8 episodes, the cells of the grid", "line 9")
def good_episode_repeated(folder):
    edit_lines(folder, SHOP, lambda ls: [*ls, ls[0]])


@forgery("grid", "played on line 1 already", "line 8")
def good_episode_instead_of_a_bad_one(folder):
    edit_lines(folder, SHOP, lambda ls: [*ls[:-1], ls[0]])


@forgery("grid", "asks client, split, task and episode seed", "line 2")
def good_episode_under_another_cell(folder):
    edit_records(folder, SHOP, lambda rs: [rs[0], forge(rs[0], cell=rs[1].cell), *rs[2:]])


@forgery("grid", "names no cell")
def cell_removed(folder):
    edit_records(folder, SHOP, lambda rs: [forge(rs[0], cell=None), *rs[1:]])


@forgery("grid", "has no cell .*'client_id': 99")
def cell_of_no_client(folder):
    edit_records(
        folder, SHOP, lambda rs: [forge(rs[0], cell=replace(rs[0].cell, client_id=99)), *rs[1:]]
    )


# -- Other environments ---------------------------------------------------------------------------


def kwargs(record, **changes):
    return {**record.env_kwargs, **changes}


@forgery("fingerprints", "arguments of the environment of client 0, kernel client", "line 1")
def environment_of_another_client(folder):
    def edit(records):
        other = next(r for r in records if r.client_id == 1 and r.cell.kernel == "client")
        moved = forge(
            records[0],
            env_kwargs=other.env_kwargs,
            fingerprint=other.fingerprint,
            parts=other.parts,
        )
        return [moved, *records[1:]]

    edit_records(folder, SHOP, edit)


@forgery("fingerprints", "kernel client: expected .*got ")
def reference_kernel_as_the_clients_own(folder):
    def edit(records):
        easy = next(r for r in records if r.cell.kernel == "reference" and r.client_id == 0)
        return [forge(easy, cell=records[0].cell), *records[1:]]

    edit_records(folder, SHOP, edit)


@forgery("fingerprints", "arguments of the environment")
def more_steps_than_allowed(folder):
    edit_records(
        folder,
        SHOP,
        lambda rs: [forge(rs[0], env_kwargs=kwargs(rs[0], max_episode_steps=999)), *rs[1:]],
    )


@forgery("fingerprints", "arguments of the environment")
def an_easier_knob(folder):
    edit_records(
        folder, SHOP, lambda rs: [forge(rs[0], env_kwargs=kwargs(rs[0], surface_k=1)), *rs[1:]]
    )


@forgery("fingerprints", "environment id of client 0")
def another_environment_id(folder):
    edit_records(folder, SHOP, lambda rs: [forge(rs[0], env_id="os:system"), *rs[1:]])


# -- Fingerprints ---------------------------------------------------------------------------------


@forgery("fingerprints", "the parts agree")
def another_fingerprint(folder):
    edit_records(folder, SHOP, lambda rs: [forge(rs[0], fingerprint="0" * 16), *rs[1:]])


@forgery("fingerprints", "data_digest: recorded")
def another_data_digest(folder):
    edit_records(
        folder,
        SHOP,
        lambda rs: [forge(rs[0], parts={**rs[0].parts, "data_digest": "mine"}), *rs[1:]],
    )


@forgery("fingerprints", "kernels_digest of shop: expected")
def another_kernels_digest(folder):
    edit_content(folder, lambda c: row_of(c, SHOP).update(kernels_digest="0" * 16))


@forgery("fingerprints", "federation of shop: expected")
def another_federation(folder):
    edit_content(folder, lambda c: row_of(c, SHOP).update(federation="0" * 16))


# -- Swaps between training seeds -----------------------------------------------------------------


@forgery("grid", "of training seed 0 asks client", "shop-0")
def files_of_two_seeds_swapped(folder):
    first, second = path_of(folder, "shop-0"), path_of(folder, "shop-1")
    a, b = first.read_bytes(), second.read_bytes()
    write_raw(folder, "shop-0", b)
    write_raw(folder, "shop-1", a)


@forgery("grid", "of training seed 2 asks client", "house-2")
def best_seed_thrice(folder):
    write_raw(folder, "house-2", path_of(folder, "house-0").read_bytes())


@forgery("grid", "asks client, split, task and episode seed", "shop-1.*line 1")
def one_episode_of_another_seed(folder):
    good = read_records(folder, "shop-0")[0]
    edit_records(folder, "shop-1", lambda rs: [good, *rs[1:]])


# -- Cut episodes and files -----------------------------------------------------------------------


@forgery("chain", "breaks at the end")
def last_step_cut_in_place(folder):
    edit_records(folder, SHOP, lambda rs: [replace(rs[0], steps=rs[0].steps[:-1]), *rs[1:]])


@forgery("grid", "played to its end")
def last_step_cut_and_chained(folder):
    edit_records(folder, SHOP, lambda rs: [forge(rs[0], steps=rs[0].steps[:-1]), *rs[1:]])


@forgery("replay", "truncated: the record says True")
def early_end_and_chained(folder):
    def edit(records):
        last = replace(records[0].steps[0], truncated=True)
        return [forge(records[0], steps=(last,)), *records[1:]]

    edit_records(folder, SHOP, edit)


@forgery("files", "the last line has no end")
def line_cut(folder):
    raw = "\n".join(read_lines(folder, SHOP))[:-40].encode()
    write_raw(folder, SHOP, zstandard.compress(raw))


@forgery("files", "not the one that submission.json names|not decompressed|has no end")
def file_cut(folder):
    path = path_of(folder, SHOP)
    path.write_bytes(path.read_bytes()[:-100])


@forgery("files", r"not the one that submission\.json names")
def other_bytes_than_named(folder):
    path = path_of(folder, SHOP)
    path.write_bytes(
        zstandard.compress("".join(f"{x}\n" for x in read_lines(folder, SHOP)).encode())
    )


@forgery("files", "not decompressed|not the one|has no end|broken record")
def bytes_behind_the_end(folder):
    write_raw(folder, SHOP, path_of(folder, SHOP).read_bytes() + b"hidden")


@forgery("files", "at most 8 episodes", "line 9")
def second_frame_behind_the_first(folder):
    raw = path_of(folder, SHOP).read_bytes()
    write_raw(folder, SHOP, raw + raw)


@forgery("files", "the file is missing", "trajectories/shop-0.jsonl.zst")
def file_left_out(folder):
    path_of(folder, SHOP).unlink()


# -- Bombs ----------------------------------------------------------------------------------------


@forgery("files", "a line is longer than|times as large when decompressed")
def bomb_of_one_line(folder):
    write_raw(folder, SHOP, zstandard.compress(b"0" * 40_000_000))


@forgery("files", "broken record|at most 8 episodes", "line 1")
def bomb_of_many_lines(folder):
    write_raw(folder, SHOP, zstandard.compress(b"\n" * 40_000_000))


@forgery("files", "not decompressed")
def window_of_a_gigabyte(folder):
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    write_raw(folder, SHOP, compressor.compress(b"x" * 10_000) + compressor.flush())


@forgery("files", "not decompressed")
def zip_instead_of_zstandard(folder):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../etc/passwd", "x" * 10_000_000)
    write_raw(folder, SHOP, stream.getvalue())


@forgery("files", "not decompressed")
def pickle_instead_of_zstandard(folder):
    write_raw(folder, SHOP, pickle.dumps(os.system))


@forgery("files", "larger than 8388608 bytes", "submission.json")
def submission_of_many_megabytes(folder):
    (folder / "submission.json").write_bytes(b" " * 9_000_000)


@forgery("files", "an action has 100000 characters")
def endless_action(folder):
    edit_records(folder, SHOP, lambda rs: [forge_step(rs[0], 0, action="a" * 100_000), *rs[1:]])


# -- Paths ----------------------------------------------------------------------------------------


@forgery("files", r"'run\.sh' is not part of a submission")
def foreign_file(folder):
    (folder / "run.sh").write_text("rm -rf /")


@forgery("files", "shop-0.jsonl.zst' is no plain file")
def link_to_another_file(folder):
    path = path_of(folder, SHOP)
    target = folder.parent / "elsewhere.zst"
    path.rename(target)
    path.symlink_to(target)


@forgery("files", "expected a plain file", "submission.json")
def link_as_submission(folder):
    (folder / "submission.json").rename(folder.parent / "elsewhere.json")
    (folder / "submission.json").symlink_to(folder.parent / "elsewhere.json")


@forgery("files", "is no plain file")
def pipe_instead_of_a_file(folder):
    path_of(folder, SHOP).unlink()
    os.mkfifo(path_of(folder, SHOP))


@forgery("files", "'trajectories' is no plain file")
def link_to_another_folder(folder):
    (folder / "trajectories").rename(folder.parent / "elsewhere")
    (folder / "trajectories").symlink_to(folder.parent / "elsewhere")


@forgery("schema", r"runs/0/environment: expected lower-case letters.*'\.\./\.\./etc'")
def path_as_environment(folder):
    edit_content(folder, lambda c: c["runs"][0].update(environment="../../etc"))


@forgery("schema", "entry/slug: expected lower-case letters")
def path_as_slug(folder):
    edit_content(folder, lambda c: c["entry"].update(slug="../admin"))


@forgery("fingerprints", "the parts agree|arguments of the environment")
def data_from_elsewhere(folder):
    edit_records(
        folder,
        SHOP,
        lambda rs: [
            forge(rs[0], env_kwargs=kwargs(rs[0], data="/etc"), fingerprint="0" * 16),
            *rs[1:],
        ],
    )


# -- JSON -----------------------------------------------------------------------------------------


def with_text(folder, old, new):
    path = folder / "submission.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@forgery("schema", "not valid JSON: a number has 5001 characters")
def huge_integer(folder):
    with_text(folder, '"seed": 0', f'"seed": 1{"0" * 5000}')


@forgery("schema", "expected maximum 2147483647")
def large_integer(folder):
    with_text(folder, '"seed": 0', '"seed": 10000000000000')


@forgery("schema", "seed: expected type 'integer', got 0.0")
def a_seed_in_another_spelling(folder):
    with_text(folder, '"seed": 0', '"seed": 0.0')


@forgery("schema", "not valid JSON")
def a_text_of_quotes_without_end(folder):
    with_text(folder, '"seed": 0', '"seed": "' + '\\"' * 1_000_000)


@forgery("schema", "entry/authors")
def a_million_authors(folder):
    edit_content(folder, lambda c: c["entry"].update(authors=[0] * 1_000_000))


@forgery("schema", "NaN is not a JSON number")
def not_a_number(folder):
    with_text(folder, '"seed": 0', '"seed": NaN')


@forgery("schema", "1e999 is out of range")
def beyond_a_float(folder):
    with_text(folder, '"seed": 0', '"seed": 1e999')


@forgery("schema", "nested deeper than 12 levels")
def deep_nesting(folder):
    with_text(folder, '"seed": 0', f'"seed": {"[" * 100_000}{"]" * 100_000}')


@forgery("schema", "the key 'slug' comes twice")
def repeated_key(folder):
    with_text(folder, '"slug": "keyword"', '"slug": "keyword", "slug": "better"')


@forgery("schema", "expected only the keys .*got 'exec'")
def unknown_key(folder):
    edit_content(folder, lambda c: c.update(exec="!!python/object/apply:os.system ['id']"))


@forgery("schema", "not valid JSON")
def yaml_instead_of_json(folder):
    (folder / "submission.json").write_text("!!python/object/apply:os.system ['id']\n")


@forgery("schema", "is not UTF-8")
def other_encoding(folder):
    (folder / "submission.json").write_bytes(b'{"a": "\xff"}')


@forgery("files", "broken record: a number has 300 characters", "line 1")
def huge_integer_in_a_record(folder):
    edit_lines(
        folder,
        SHOP,
        lambda ls: [ls[0].replace('"client_id":0', f'"client_id":{"9" * 300}'), *ls[1:]],
    )


@forgery("files", "broken record: JSON is nested deeper", "line 1")
def deep_nesting_in_a_record(folder):
    edit_lines(folder, SHOP, lambda ls: ['{"format":' + "[" * 50_000, *ls[1:]])


@forgery("files", "broken record: .*NaN is not a JSON number", "line 1")
def not_a_number_in_a_record(folder):
    edit_lines(folder, SHOP, lambda ls: [ls[0].replace('"reward":0.0', '"reward":NaN', 1), *ls[1:]])


@forgery("files", "broken record: .*one spelling", "line 1")
def second_spelling_of_a_record(folder):
    edit_lines(
        folder, SHOP, lambda ls: [ls[0].replace('"reward":0.0', '"reward":0.00', 1), *ls[1:]]
    )


# -- Names and texts ------------------------------------------------------------------------------


@forgery("schema", "expected one script a word, got CYRILLIC, LATIN")
def cyrillic_letters_in_a_name(folder):
    edit_content(folder, lambda c: c["entry"].update(name="FedАgent"))


@forgery("schema", r"expected visible characters only, got U\+200B")
def invisible_letters_in_a_name(folder):
    edit_content(folder, lambda c: c["entry"].update(name="Fed\u200bAgent"))


@forgery("schema", r"U\+202E")
def reversed_text_in_a_name(folder):
    edit_content(folder, lambda c: c["entry"]["authors"][0].update(name="abc\u202edef"))


@forgery("schema", r"expected the plain spelling 'FedAgent'")
def wide_letters_in_a_name(folder):
    edit_content(folder, lambda c: c["entry"].update(name="\uff26edAgent"))


@forgery("schema", "entry/name: expected one line of 1 to 80 characters without < and >")
def html_in_a_name(folder):
    edit_content(folder, lambda c: c["entry"].update(name="<script>alert(1)</script>"))


@forgery("schema", "entry/code: expected an address that begins with https://")
def script_as_address(folder):
    edit_content(folder, lambda c: c["entry"].update(code="javascript:alert(1)"))


@forgery("schema", "compute/hardware: expected one line")
def control_characters(folder):
    edit_content(folder, lambda c: c["compute"].update(hardware="\x1b[2J"))


@forgery("schema", "entry/slug: expected lower-case letters a-z")
def line_break_after_the_slug(folder):
    edit_content(folder, lambda c: c["entry"].update(slug="keyword\n"))


# -- Inadmissible actions with a reward -----------------------------------------------------------


@forgery("replay", "reward: |observation: |action_valid: |terminated: ")
def nonsense_that_pays(folder):
    def edit(records):
        i = first_failure(records)
        last = len(records[i].steps) - 1
        won = forge_step(
            records[i], last, action="click[win]", reward=1.0, terminated=True, truncated=False
        )
        records[i] = forge(won, score=1.0, success=True)
        return records

    edit_records(folder, SHOP, edit)


@forgery("replay", "action_valid: the record says True, playing it again gave False")
def inadmissible_action_as_valid(folder):
    def edit(records):
        step = replace(
            records[0].steps[0],
            action="click[buy now]",
            observation=records[0].observation,
            action_valid=True,
            terminated=False,
            truncated=False,
            reward=0.0,
        )
        return [forge(records[0], steps=(step, *records[0].steps[1:])), *records[1:]]

    edit_records(folder, SHOP, edit)


@forgery("grid", "in at most 15 steps, got 16 steps", "line")
def more_steps_than_there_are(folder):
    def edit(records):
        step, last = records[0].steps[0], records[0].steps[-1]
        steps = (*[replace(step, truncated=False)] * 15, last)
        return [forge(records[0], steps=steps), *records[1:]]

    edit_records(folder, SHOP, edit)


# -- Track, budget, self-praise -------------------------------------------------------------------


@forgery("track", "expected lock [0-9a-f]{64}, got 0{64}")
def another_lock(folder):
    edit_content(folder, lambda c: c["track"].update(lock="0" * 64))


@forgery("track", "unknown track 'mine'")
def a_track_of_their_own(folder):
    edit_content(folder, lambda c: c["track"].update(name="mine"))


@forgery("track", "training/rounds: expected at most 4, the track's budget, got 5")
def more_training_than_allowed(folder):
    budget = {"rounds": 5, "clients_per_round": 2, "local_epochs": 3, "episodes_per_epoch": 64}

    def change(content):
        content["method"]["kind"] = "federated"
        for row in content["runs"]:
            row["training"] = budget

    edit_content(folder, change)


@forgery("track", "a method of kind 'scripted' has no 'training'")
def a_script_that_was_trained(folder):
    budget = {"rounds": 1, "clients_per_round": 2, "local_epochs": 3, "episodes_per_epoch": 64}
    edit_content(folder, lambda c: c["runs"][0].update(training=budget))


@forgery("track", "has no run 'shop' with seed 7")
def a_seed_of_their_own(folder):
    edit_content(folder, lambda c: row_of(c, SHOP).update(seed=7))


@forgery("schema", "shop with seed 0 comes twice")
def the_same_model_twice(folder):
    edit_content(folder, lambda c: c["runs"].append(row_of(c, SHOP)))


@forgery("schema", "method/attempts_per_cell: expected 1: each cell is played once")
def best_of_several(folder):
    edit_content(folder, lambda c: c["method"].update(attempts_per_cell=5))


# -- Signatures -----------------------------------------------------------------------------------


@forgery("files", "the signature of key [0-9a-f]{64} does not fit", "signature.json")
def signature_of_another_text(folder):
    make_key(folder.parent / "key")
    signature = sign(b"{}", folder.parent / "key")
    (folder / "signature.json").write_text(json.dumps(signature))


@forgery("schema", "public_key: expected 64 hex digits", "signature.json")
def broken_signature(folder):
    row = {"algorithm": "ed25519", "public_key": "zz", "signature": "0" * 128}
    (folder / "signature.json").write_text(json.dumps(row))


def test_the_suite_is_large_enough():
    assert len(FORGERIES) >= 30


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_refused(name, forged, tracks):
    forge, check, message, where = FORGERIES[name]
    forge(forged)
    report = verify(forged, tracks=tracks)
    assert report.verdict == "refused"
    assert not report.outcomes
    assert not report.metrics
    problem = report.problems[0]
    assert problem.check == check, str(problem)
    assert re.search(message, problem.message), problem.message
    assert re.search(where, str(problem)), str(problem)
    text = str(problem)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 1200
    assert str(forged.parent) not in report.to_text()


def test_the_honest_submission_is_replayed(honest, tracks):
    report = verify(honest, tracks=tracks)
    assert report.verdict == "replayed", report.problems
    assert report.problems == ()
    assert (report.cells, report.missing) == (48, 0)


def test_small_files_are_no_bombs_and_bombs_are(forged, tracks):
    limits = Limits(ratio=2, line_bytes=10**9)
    assert verify(forged, tracks=tracks, limits=limits).verdict == "replayed"
    (problem,) = verify(forged, tracks=tracks, limits=Limits(total_bytes=1000)).problems
    assert problem.message == "more than 1000 bytes of trajectories, decompressed"
    problem = verify(forged, tracks=tracks, limits=Limits(line_bytes=1000)).problems[0]
    assert (problem.message, problem.line) == ("a line is longer than 1000 bytes", 1)
    write_raw(forged, SHOP, zstandard.compress(b"0" * 3_000_000))
    (problem,) = verify(forged, tracks=tracks, limits=limits).problems
    assert "more than 2 times as large when decompressed" in problem.message
    limits = Limits(expanded_bytes=1000)
    problems = verify(forged, tracks=tracks, limits=limits).problems
    assert len(problems) == 6
    assert all("larger than 1000 bytes when decompressed" in p.message for p in problems)


# -- Neutralised: no reason to refuse, and no good ------------------------------------------------


def test_dropping_bad_episodes_does_not_help(forged, honest, tracks):
    records = read_records(forged, SHOP)
    i = next(i for i, r in enumerate(records) if not r.success and r.cell.kernel == "client")
    del records[i]
    write_lines(forged, SHOP, [record.to_json_line() for record in records])
    before, after = (verify(folder, tracks=tracks) for folder in (honest, forged))
    assert after.verdict == "replayed"
    assert (before.missing, after.missing) == (0, 1)
    first, second = (report.metrics["environments"]["shop"] for report in (before, after))
    assert second["success"]["value"] == first["success"]["value"]
    assert second["score"]["value"] <= first["score"]["value"]


def test_leaving_out_a_bad_model_does_not_help(forged, honest, tracks):
    path_of(forged, "shop-2").unlink()
    edit_content(forged, lambda c: c["runs"].remove(row_of(c, "shop-2")))
    report = verify(forged, tracks=tracks)
    assert report.verdict == "replayed"
    assert report.missing == 8
    whole = verify(honest, tracks=tracks).metrics["overall"]["success"]["value"]
    assert report.metrics["overall"]["success"]["value"] < whole


def test_self_reported_numbers_are_ignored(forged, honest, tracks):
    edit_content(
        forged, lambda c: [row.__setitem__(3, row[2]) for r in c["runs"] for row in r["counts"]]
    )
    report = verify(forged, tracks=tracks)
    assert report.metrics == verify(honest, tracks=tracks).metrics
    told = [advice for advice in report.advice if advice.check == "self-reported counts"]
    assert told
    assert "the replayed ones count" in told[0].message


def test_html_in_prose_stays_text(forged, tracks):
    edit_content(forged, lambda c: c["entry"].update(description="<img src=x onerror=alert(1)>"))
    report = verify(forged, tracks=tracks)
    assert report.verdict == "replayed"
    assert "onerror" not in report.to_text()


def test_records_in_another_order_count_the_same(forged, honest, tracks):
    edit_lines(forged, SHOP, lambda lines: lines[::-1])
    first, second = (verify(folder, tracks=tracks) for folder in (honest, forged))
    assert first.outcomes == second.outcomes
    assert first.metrics == second.metrics


def test_nothing_is_a_submission(tmp_path, tracks):
    (problem,) = verify(tmp_path / "missing", tracks=tracks).problems
    assert problem.message.startswith("expected a folder")
    (problem,) = verify(tmp_path, tracks=tracks).problems
    assert (problem.file, problem.check) == ("submission.json", "files")
    shutil.rmtree(tmp_path)
