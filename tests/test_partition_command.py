"""``fedenv partition``: commands made from knobs, what they write, and what they refuse."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

import fedenv
from fedenv import cli
from fedenv.commands import partition as command
from fedenv.commands.partition import parse_knob
from fedenv.partition_report import PartitionReport
from fedenv.partitions import Labels, Provenance
from fedenv.partitions.checks import REQUIREMENTS, Cell, CheckReport
from fedenv.partitions.knobs import count
from fedenv.partitions.measures import Independence
from fedenv.partitions.registry import PARTITIONS, Partition
from fedenv.partitions.theory import Band, Box
from fedenv.partitions.uniform import uniform

PLAIN = "FedWebShop-v0"
SMALL = ("--num-clients", 10, "--sweep-seeds", 2)


def fed(*arguments: object, status: int = 0):
    result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


@pytest.fixture(scope="module")
def labels_file(tmp_path_factory):
    """Half of the bundled catalog's training tasks are solved, whatever their category."""
    world = fedenv.Federation(PLAIN).world
    rates = {task_id: float(i % 2) for i, task_id in enumerate(world.splits.pool("train").ids)}
    path = tmp_path_factory.mktemp("labels") / "labels.json"
    Labels(rates, Provenance("p", PLAIN, "e", world.data_digest, 2, 0)).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "knobs", "given"),
    [
        ("uniform", (), {}),
        ("preference", ("--omega", ".9"), {"omega": 0.9}),
        ("coverage", ("--xi", 4, "--bounds", "20,60,100"), {"xi": 4, "bounds": [20, 60, 100]}),
        ("hardness", ("--xi", 1), {"xi": 1}),
        (
            "composite",
            ("--omega", 0.5, "--xi", 2, "--xi-hard", 2),
            {"omega": 0.5, "xi": 2, "xi_hard": 2},
        ),
    ],
)
def test_every_partition_is_a_command(tmp_path, labels_file, name, knobs, given):
    labelled = PARTITIONS[name].needs_labels
    if labelled:
        knobs, given = (*knobs, "--labels", labels_file), {**given, "labels": str(labels_file)}
    text = fed("partition", name, *knobs, *SMALL, "--env", PLAIN, "--out", tmp_path).output
    federation = fedenv.Federation(PLAIN, 10, {"name": name, **given})
    content = json.loads((tmp_path / "manifest.json").read_text())
    expected = federation.manifest()
    assert content["digest"] == expected["digest"]
    assert f"federation {expected['digest']}" in text
    assert content["assignment_digest"] == federation.assignment.digest
    assert {k: content["measures"][k] for k in expected["measures"]} == expected["measures"]
    pool = {task.id: task.category for task in federation.assignment.pool.tasks}
    with (tmp_path / "clients.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10 * 5
    for row, wanted in zip(content["clients"], expected["clients"], strict=True):
        assert {k: row[k] for k in wanted} == wanted
        held = [pool[i] for i in federation.client(row["client_id"]).task_ids]
        assert row["categories"] == {c: held.count(c) for c in row["categories"]}
        mine = [r for r in rows if r["client_id"] == str(row["client_id"])]
        assert {r["category"]: int(r["tasks"]) for r in mine} == row["categories"]
        if labelled:
            assert row["successes"] == sum(int(r["successes"]) for r in mine)
    figures = {"categories.png", "sizes.png"}
    figures |= (
        {"control.png", "control.json"} if name in ("preference", "coverage", "hardness") else set()
    )
    figures |= {"successes.png"} if PartitionReport(federation).success is not None else set()
    assert {p.name for p in tmp_path.iterdir()} == {"manifest.json", "clients.csv", *figures}
    assert all(figure in text for figure in figures)


def test_labels_are_named_and_tested(labels_file):
    partition = {"name": "hardness", "xi": 1, "labels": str(labels_file)}
    content = PartitionReport(fedenv.Federation(PLAIN, 10, partition)).manifest()
    about, labels = content["success_labels"], Labels.load(labels_file)
    assert (about["digest"], about["policy"], about["eta"]) == (labels.digest, "p", 0.5)
    assert about["independence"]["success_share"] == 0.5
    assert 0 < about["independence"]["p_value"] <= 1
    assert content["measures"]["delta2_hard"] > 0.05


def test_a_new_partition_needs_no_new_command(tmp_path, monkeypatch):
    """Options come from the knobs: a partition that is registered is there."""

    def wide(pool, num_clients, seed=42, *, width: int = 3):
        return uniform(pool, num_clients, seed, min_tasks=width)

    row = Partition(wide, "their width", {"width": count("how wide")})
    for module in (command, sys.modules["fedenv.partitions.registry"]):
        monkeypatch.setattr(module, "PARTITIONS", {**PARTITIONS, "wide": row})
    assert "their width" in fed("partition", "--help").output
    text = fed("partition", "wide", "--help").output
    assert "how wide: an int of at least 1 [default 3]" in " ".join(text.split())
    fed("partition", "wide", "--width", 700, *SMALL, "--out", tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert content["partition"] == {"name": "wide", "width": 700}
    assert content["clients"][0]["num_tasks"] == 700


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "unknown partition 'nope'; legal: 'uniform', 'preference'"),
        (("preference",), "needs omega"),
        (("preference", "--omega", "1"), "must be a number in (0, 1), got 1"),
        (("preference", "--omega", "much"), "must be a number in (0, 1), got 'much'"),
        (("coverage", "--xi", "1", "--bounds", "5,4,3"), "Lmin <= Lavg <= Lmax, got [5, 4, 3]"),
        (("coverage", "--xi", "1", "-k", "partition=uniform"), "partition is given by its knobs"),
        (("uniform", "-k", "federation_seed=3"), "federation_seed is given by --seed"),
        (("uniform", "-k", "colour=3"), f"unknown setting for {PLAIN} 'colour'"),
        (("uniform", "--env", "FedNope-v0"), "unknown environment id 'FedNope-v0'"),
        (("hardness", "--xi", "1", "--labels", "none.json"), "none.json"),
    ],
)
def test_errors_are_messages(tmp_path, arguments, message):
    out = () if arguments == ("nope",) else ("--out", tmp_path / "new")
    result = fed("partition", *arguments, *out, status=2)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not (tmp_path / "new").exists(), "refused before anything is written"


def test_labels_that_lack_tasks(tmp_path, labels_file):
    labels = Labels.load(labels_file)
    short = dict(list(labels.rates.items())[:-3])
    gone = list(labels.rates)[-3:]
    Labels(short, labels.provenance).save(tmp_path / "short.json")
    arguments = ("--xi", 1, "--labels", tmp_path / "short.json", "--out", tmp_path / "new")
    message = fed("partition", "hardness", *arguments, status=2).stderr
    assert "3 of the pool's 6410 are not among them" in message
    assert all(task_id in message for task_id in gone)


def test_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = fed("partition", "uniform", *SMALL, "--out", tmp_path)
    assert "pip install 'fedenv[plot]'" in result.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"manifest.json", "clients.csv"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("null", None),
        ("1,2.5", [1, 2.5]),
        ("[1, 2]", [1, 2]),
        ("a/labels.json", "a/labels.json"),
        ("", ""),
    ],
)
def test_knobs_as_text(text, value):
    assert parse_knob(text) == value
    assert type(parse_knob(text)) is type(value)


def test_labels_of_other_tasks_are_left_out(shelf, tmp_path):
    """A report without labels of its own takes those of the data only where they fit."""
    folder = Path(shutil.copytree(shelf, tmp_path / "shelf"))
    world = fedenv.Federation(PLAIN, data=shelf).world
    rates = dict.fromkeys(world.splits.pool("train").ids, 1.0)
    made = Provenance("p", PLAIN, "e", world.data_digest, 2, 0)
    for tasks, fit in ((rates, True), (dict(list(rates.items())[1:]), False)):
        Labels(tasks, made).save(folder / "labels.json")
        report = PartitionReport(fedenv.Federation(PLAIN, 5, data=str(folder)))
        assert (report.success is not None) == fit
        assert (report.manifest()["success_labels"] is not None) == fit


def test_check_of_an_environment(tmp_path, labels_file):
    arguments = ("--env", PLAIN, "--labels", labels_file, "--num-clients", 10, "--seeds", 2)
    result = CliRunner().invoke(
        cli.main,
        [str(a) for a in ("partition", "check", *arguments, "--targets", 2, "--out", tmp_path)],
        catch_exceptions=False,
    )
    content = json.loads((tmp_path / "check.json").read_text())
    assert result.exit_code == (0 if content["passed"] else 1)
    assert content["config"]["runs"] == 2
    assert content["pool"]["tasks"] == 6410
    assert content["labels"] == Labels.load(labels_file).digest
    by_requirement = Counter(cell["requirement"] for cell in content["cells"])
    assert by_requirement == {"D1": 27, "D2": 6, "D3": 9, "D4": 6}
    for requirement in by_requirement:
        mine = [c["passed"] for c in content["cells"] if c["requirement"] == requirement]
        binding = requirement in content["binding"]
        verdict = ("pass" if all(mine) else "FAIL") if binding else "reported"
        section = result.output.split(f"\n{requirement}: ")[1].split("\n\n")[0]
        assert f"{verdict}: {sum(mine)} of {len(mine)}" in section
    assert content["binding"] == ["D1", "D3"]
    first = content["cells"][0]
    assert f"{first['measured']:.4g}" in result.output
    assert f"{first['band']['expected']:.4g}" in result.output
    assert "epsilon 0." in result.output


@pytest.mark.parametrize("broken", [None, "D1", "D2", "D3", "D4"])
@pytest.mark.parametrize("balanced", [True, False])
def test_what_must_hold_decides_the_exit_status(monkeypatch, broken, balanced):
    """On a balanced pool everything must hold, elsewhere D1 and D3."""
    partition = {"name": "coverage", "xi": 2.0}
    cells = tuple(
        Cell(
            requirement,
            partition,
            "delta2_cov",
            1.0 + (requirement == broken),
            Band(1.0, 0.1),
            0.1,
            5,
        )
        for requirement in REQUIREMENTS
    )
    epsilon = 0.0 if balanced else 0.25
    asked = []

    def fake(pool, labels, config, workers, progress):
        asked.append((len(pool), config.num_clients, config.runs, config.targets, workers))
        return CheckReport(
            config=config,
            cells=cells,
            independence=Independence(0.5, {"a": 0.5}, epsilon, 3.5, 4, 0.4),
            smallest_category=2000,
            smallest_cell=1000,
            box=Box(0.5, 0.8, 0.25),
            short_clients=0.0,
            shortfall=0.0,
        )

    monkeypatch.setattr("fedenv.commands.partition_check.run_check", fake)
    fails = broken in (("D1", "D2", "D3", "D4") if balanced else ("D1", "D3"))
    text = fed("partition", "check", "--seeds", 9, "--workers", 2, status=int(fails)).output
    assert asked == [(20_000, 100, 9, 50, 2)]
    assert ("FAIL: 0 of 1" in text) == fails
    assert text.count("pass: 1 of 1") == (4 if balanced else 2) - fails
    assert text.count("OUT") == (broken in ("D1", "D2", "D3"))
    assert f"epsilon {epsilon:.3f}, chi2 3.5" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--labels", "l.json"), "give --env"),
        (("-k", "engine=okapi"), "give --env"),
        (("--env", PLAIN, "-k", "partition=uniform"), "check runs every partition"),
        (("--env", PLAIN, "--labels", "none.json"), "none.json"),
        (("--env", "FedNope-v0"), "unknown environment id"),
        (("--env", PLAIN, "--data", "SHELF"), "make them with `fedenv label`"),
        (("--bounds", 5, 4, 3), "Lmin <= Lavg <= Lmax, got [5, 4, 3]"),
    ],
)
def test_check_refuses(shelf, arguments, message, monkeypatch):
    monkeypatch.setattr("fedenv.commands.partition_check.run_check", None)  # before any run
    given = [shelf if argument == "SHELF" else argument for argument in arguments]
    assert message in fed("partition", "check", *given, status=2).stderr
