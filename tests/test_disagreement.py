"""Disagreement reports: known answers, who is asked, equal bytes, and clear errors."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints

import click
import pytest
from click.testing import CliRunner

from fedenv import Federation, cli
from fedenv.commands import report as report_module
from fedenv.comparison import Comparison, Measure
from fedenv.disagreement import (
    ProbeSource,
    choose_members,
    disagreement_report,
    sample,
)
from fedenv.errors import ConfigError
from fedenv.heatmap import disagreement_figure
from fedenv.recording import read_records
from fedenv.webshop.disagreement import (
    DISAGREEMENT,
    SearchProbe,
    rank1_disagreement,
    top10_jaccard,
)

BM25, FIELDS = "FedWebShop-BM25Reweight-v0", "FedWebShop-FieldSubset-v0"
RANK, SPLIT = "FedWebShop-RankWrapper-v0", "FedWebShop-CatalogSplit-v0"


def fed(*arguments: object, status: int = 0):
    result = CliRunner().invoke(cli.main, [str(a) for a in ("report", "disagreement", *arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result


@pytest.mark.parametrize(
    ("one", "other", "jaccard", "differs"),
    [
        ([1, 2, 3], [1, 2, 3], 1.0, 0.0),
        ([1, 2, 3], [3, 2, 1], 1.0, 1.0),
        ([1, 2, 3], [1, 2, 4], 0.5, 0.0),
        ([1], [2], 0.0, 1.0),
        ([], [], 1.0, 0.0),
        ([], [1], 0.0, 1.0),
        ([1, 2], [1], 0.5, 0.0),
        (list(range(10)), [*range(9), 99], 9 / 11, 0.0),
        (list(range(20)), [*range(10), *range(50, 60)], 1.0, 0.0),  # only page one counts
    ],
)
def test_measures_of_two_rankings(one, other, jaccard, differs):
    assert top10_jaccard(one, other) == top10_jaccard(other, one) == jaccard
    assert rank1_disagreement(one, other) == rank1_disagreement(other, one) == differs


def test_comparison_of_three_kernels():
    answers = [
        [[1, 2], [5, 6], []],
        [[1, 3], [5, 6], [1]],
        [[2, 1], [6, 5], []],
    ]
    jaccard, rank1 = (Comparison.of(answers, measure) for measure in DISAGREEMENT.measures)
    third = pytest.approx(1 / 3)
    assert jaccard.values == ((third, 1.0, 0.0), (1.0, 1.0, 1.0), (third, 1.0, 0.0))
    assert jaccard.matrix == [
        [1.0, pytest.approx(4 / 9), 1.0],
        [pytest.approx(4 / 9), 1.0, pytest.approx(4 / 9)],
        [1.0, pytest.approx(4 / 9), 1.0],
    ]
    assert jaccard.per_probe == [pytest.approx(5 / 9), 1.0, third]
    assert jaccard.mean == pytest.approx(17 / 27)
    assert jaccard.not_unanimous == pytest.approx(2 / 3)
    assert rank1.values == ((0.0, 0.0, 1.0), (1.0, 1.0, 0.0), (1.0, 1.0, 1.0))
    assert rank1.matrix[0] == [0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)]
    assert rank1.mean == pytest.approx(6 / 9)
    assert rank1.not_unanimous == 1.0


@pytest.mark.parametrize("answers", [[], [[1]], [[], []], [[1, 2], [1]]])
def test_comparison_needs_answers(answers):
    measure = Measure("m", "m", "", 1.0, lambda one, other: float(one == other))
    with pytest.raises(ConfigError, match="at least two kernels"):
        Comparison.of(answers, measure)


def test_sample_keeps_the_order_and_is_fixed():
    assert sample("abc", None) == sample("abc", 3) == sample("abc", 9) == ["a", "b", "c"]
    drawn = sample(range(1000), 20)
    assert drawn == sorted(drawn) == sample(list(range(1000)), 20)
    assert len(set(drawn)) == 20
    assert max(drawn) > 500


def test_members_are_the_first_clients_of_each_pool_entry():
    federation = Federation(BM25, pool_size=8)
    members = choose_members(federation)
    assert [member.kernel.pool_index for member in members] == list(range(8))
    for member in members:
        index = member.kernel.pool_index
        assert member.label == federation.world.pool_labels[index]
        earlier = [federation.kernel(k).pool_index for k in range(member.client_id)]
        assert index not in earlier
    chosen = choose_members(federation, (4, 2))
    assert [member.client_id for member in chosen] == [4, 2]
    assert chosen[0].label.startswith("client 4 (k1=")
    split = choose_members(Federation(SPLIT))
    assert [member.label for member in split] == [f"client {k}" for k in range(8)]
    assert len(choose_members(Federation(SPLIT, num_clients=3))) == 3


def test_nothing_to_compare():
    source = ProbeSource(lines=("shirt",))
    for federation in (
        Federation("FedWebShop-v0"),
        Federation(BM25, pool_size=1),
        Federation(SPLIT, num_clients=1),
        Federation(SPLIT, env_div=0.0),
    ):
        with pytest.raises(ConfigError, match="same kernel"):
            disagreement_report(federation, source)
    with pytest.raises(ConfigError, match=r"none of 2 clients holds entry .*num_clients"):
        disagreement_report(Federation(BM25, num_clients=2), source)
    with pytest.raises(ConfigError, match="client_id must be an int"):
        disagreement_report(Federation(BM25), source, clients=(0, 100))
    for lines in ((), ("", "  ")):
        with pytest.raises(ConfigError, match="found none in the file of queries"):
            disagreement_report(Federation(BM25), ProbeSource(lines=lines))
    with pytest.raises(ConfigError, match="found none in the episodes"):
        disagreement_report(Federation(BM25), ProbeSource(records=()))


def test_searches_of_the_validation_goals():
    federation = Federation(FIELDS)
    probes = DISAGREEMENT.probes(federation.world, ProbeSource())
    assert len(probes) == 500
    assert len({probe.episode_seed for probe in probes}) == 500
    env = federation.make_env(0, split="val")
    for index in (0, 17):
        observation, _ = env.reset(seed=0, options={"task_index": index})
        words = probes[index].query.split()
        assert words
        assert all(word in observation.lower() for word in words)
        assert "find" not in words
    other = DISAGREEMENT.probes(Federation(RANK, federation_seed=1).world, ProbeSource())
    assert other == probes


def test_rank_rules_that_draw_are_compared_on_a_fixed_draw():
    probes = [SearchProbe("shirt", 1), SearchProbe("shirt", 2), SearchProbe("shirt", 1)]
    shuffled = choose_members(Federation(RANK))[1]
    assert shuffled.label == "shuffle"
    first, second, again = DISAGREEMENT.answers(shuffled.kernel, probes)
    assert first == again != second


def test_report_on_every_variant():
    reports = {
        env_id: disagreement_report(Federation(env_id), ProbeSource(40))
        for env_id in (BM25, FIELDS, RANK, SPLIT)
    }
    for content in reports.values():
        size = len(content["members"])
        for measure in content["measures"].values():
            matrix = measure["matrix"]
            assert all(matrix[i][i] == measure["same"] for i in range(size))
            assert matrix == [list(column) for column in zip(*matrix, strict=True)]
            pairs = [matrix[i][j] for i in range(size) for j in range(i)]
            assert measure["mean"] == pytest.approx(sum(pairs) / len(pairs), abs=1e-5)
            values = [probe[name] for name in content["measures"] for probe in content["probes"]]
            assert all(0 <= value <= 1 for value in values)
            spread = list(measure["per_probe"].values())
            assert spread == sorted(spread)
        assert content["num_probes"] == len(content["probes"]) == 40
    means = {
        env_id: [measure["mean"] for measure in content["measures"].values()]
        for env_id, content in reports.items()
    }
    assert means[RANK][1] > 0.8, "an inverted, a shuffled and the plain page differ at the top"
    assert means[SPLIT][0] > means[FIELDS][0], "fewer products change less than other fields"
    assert all(0 < value < 1 for pair in means.values() for value in pair)
    assert reports[BM25]["measures"]["top10_jaccard"]["reported"] == 0.65
    assert reports[FIELDS]["measures"]["top10_jaccard"]["reported"] is None, "that is for eight"


def test_report_on_real_records(real_folder):
    content = disagreement_report(Federation(BM25, data=real_folder), ProbeSource(287))
    assert content["num_probes"] == 287
    measures = content["measures"]
    assert measures["top10_jaccard"]["mean"] == pytest.approx(0.65, abs=0.05), "the paper's ≈ .65"
    assert measures["rank1_disagreement"]["mean"] < measures["rank1_disagreement"]["not_unanimous"]


def test_command(tmp_path):
    arguments = (FIELDS, "--pool-size", 8, "--queries", 30)
    first = fed(*arguments, "--out", tmp_path / "a" / "b")
    for text in ("≈ 0.78", "30 searches", "BulletPoints", "top-10 Jaccard", "All pairs of 8"):
        assert text in first.output
    fed(*arguments, "--out", tmp_path / "c")
    report = (tmp_path / "a" / "b" / "disagreement.json").read_bytes()
    assert report == (tmp_path / "c" / "disagreement.json").read_bytes()
    content = json.loads(report)
    assert content["digest"] in first.output
    assert f"{content['measures']['top10_jaccard']['mean']:.3f}" in first.output
    assert content["federation_digest"] == Federation(FIELDS, pool_size=8).digest
    assert (tmp_path / "c" / "disagreement.png").read_bytes().startswith(b"\x89PNG")
    other = fed(*arguments, "-k", "k1=0.5", "--out", tmp_path / "c")
    assert content["digest"] not in other.output


def test_queries_of_a_file_and_of_recorded_episodes(tmp_path):
    file = tmp_path / "queries.txt"
    file.write_text("\ufeffBlue Shirt\n\n  usb café \nzzzz\n", encoding="utf-8")
    fed(BM25, "--queries-file", file, "--out", tmp_path)
    content = json.loads((tmp_path / "disagreement.json").read_text())
    assert [probe["query"] for probe in content["probes"]] == ["blue shirt", "usb café", "zzzz"]
    assert content["probes"][2]["top10_jaccard"] == 1.0, "nothing found anywhere: agreement"
    assert content["probes"][2]["rank1_disagreement"] == 0.0
    fed(BM25, "--queries-file", file, "--queries", 2, "--out", tmp_path)
    assert len(json.loads((tmp_path / "disagreement.json").read_text())["probes"]) == 2
    result = fed(BM25, "--queries-file", file, "--queries", 9, "--out", tmp_path)
    assert "Only 3 searches to replay, not 9" in result.stderr

    episodes = tmp_path / "episodes.jsonl"
    for task in (0, 1):
        rollout = ("rollout", BM25, "--agent", "first", "--split", "val", "--task-index", task)
        run = CliRunner().invoke(cli.main, [*map(str, rollout), "--record", str(episodes)])
        assert run.exit_code == 0
    fed(BM25, "--trajectories", episodes, "--out", tmp_path)
    content = json.loads((tmp_path / "disagreement.json").read_text())
    probes = DISAGREEMENT.probes(Federation(BM25).world, ProbeSource())[:2]
    assert [probe["query"] for probe in content["probes"]] == [probe.query for probe in probes]
    (_, record), *_ = read_records(episodes)
    after_the_end = replace(record.steps[-1], action="search[hat]", action_valid=False)
    record = replace(record, steps=(*record.steps, after_the_end))
    asked = DISAGREEMENT.probes(Federation(BM25).world, ProbeSource(records=(record,)))
    assert asked == probes[:1], "an action that changed nothing asked nothing"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope",), "unknown environment id 'nope'; legal: 'FedWebShop-v0'"),
        (("FedWebShop-v0",), "same kernel, so there is nothing to compare"),
        ((BM25, "--pool-size", 9), "pool_size must lie in 1..8, got 9"),
        (("FedWebShop-v0", "--pool-size", 4), "unknown setting for FedWebShop-v0 'pool_size'"),
        ((BM25, "--pool-size", 4, "-k", "pool_size=4"), "pool_size is given twice"),
        ((BM25, "--clients", "0,x"), "clients must look like"),
        ((BM25, "--queries-file", "missing"), "missing: cannot be read"),
        ((BM25, "--trajectories", "missing"), "missing: cannot be read"),
        ((BM25, "--trajectories", "x", "--queries-file", "y"), "expected one source"),
        ((BM25, "--data", "missing"), "missing"),
    ],
)
def test_errors_are_messages(arguments, message, tmp_path):
    result = fed(*arguments, "--out", tmp_path / "o", status=2)
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert not (tmp_path / "o").exists()


def test_broken_files_are_messages(tmp_path):
    file = tmp_path / "q"
    file.write_bytes(b"\n \n")
    assert (
        "write one query a line" in fed(BM25, "--queries-file", file, "--out", "o", status=2).stderr
    )
    file.write_bytes(b"shirt\xff")
    assert "byte 5" in fed(BM25, "--queries-file", file, "--out", "o", status=2).stderr
    assert "line 1" in fed(BM25, "--trajectories", file, "--out", "o", status=2).stderr
    file.write_bytes(b"shirt")
    result = fed(BM25, "--queries-file", file, "--out", file, status=2)
    assert "cannot be used" in result.stderr


def test_report_without_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    result = fed(BM25, "--queries", 2, "--out", tmp_path)
    assert "No disagreement.png: figures need matplotlib" in result.stderr
    assert (tmp_path / "disagreement.json").exists()


def test_figure_says_what_the_report_says():
    content = disagreement_report(Federation(BM25), ProbeSource(5))
    left, right = disagreement_figure(content).axes[:2]
    assert "≈ 0.65" in left.get_title(loc="left")
    assert left.get_yticklabels()[0].get_text() == "k1=1.2, b=0.75   0"
    for axes, measure in zip((left, right), content["measures"].values(), strict=True):
        matrix = measure["matrix"]
        shown = {tuple(map(int, text.get_position())): text.get_text() for text in axes.texts}
        assert len(shown) == 6
        for (column, row), text in shown.items():
            assert column < row
            assert float(text) == pytest.approx(matrix[row][column], abs=0.0051)
    colour = [axes.images[0].cmap(axes.images[0].norm(0.9)) for axes in (left, right)]
    assert sum(colour[0][:3]) > sum(colour[1][:3]), "dark is different in both panels"


def test_reports_of_other_packages(monkeypatch):
    @click.command()
    def run() -> None:
        """Report on a run."""
        click.echo("ran")

    monkeypatch.setattr(sys.modules[__name__], "run", run, raising=False)
    places = {
        report_module.ENTRY_POINT_GROUP: [
            EntryPoint("run", f"{__name__}:run", report_module.ENTRY_POINT_GROUP),
            EntryPoint("disagreement", f"{__name__}:run", report_module.ENTRY_POINT_GROUP),
        ]
    }
    monkeypatch.setattr(cli, "entry_points", lambda group: EntryPoints(places.get(group, [])))
    help_text = CliRunner().invoke(cli.main, ["report", "--help"]).output
    assert "Report on a run." in help_text
    assert help_text.count("disagreement") == 1
    assert CliRunner().invoke(cli.main, ["report", "run"]).output == "ran\n"
    assert "ran\n" not in CliRunner().invoke(cli.main, ["report", "disagreement", "--help"]).output
    assert CliRunner().invoke(cli.main, ["run"]).exit_code == 2, "it is no command of its own"
