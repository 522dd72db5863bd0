"""Evaluation: paired cells, and results that no interruption and no number of workers changes."""

from __future__ import annotations

import json
import math
import random
import sys
from pathlib import Path

import pytest

from fedenv import Federation
from fedenv.category_figure import category_figure, published_by_category, save_category_figure
from fedenv.errors import ConfigError, DataError
from fedenv.evaluate import EvaluationConfig, evaluate
from fedenv.evaluation import wilson_interval
from fedenv.evaluation.cells import task_and_seed
from fedenv.plotting import MissingPlotting, client_figure, save_client_figure
from fedenv.recording import read_records
from fedenv.registration import ENVIRONMENTS
from fedenv.replay import replay_file
from fedenv.seeding import bits_for

PLAIN, RANK = "FedWebShop-v0", "FedWebShop-RankWrapper-v0"
REAL = Path(__file__).parents[1].parent / "shared" / "data" / "webshop_real"


def config(**changes) -> EvaluationConfig:
    base = {"envs": (PLAIN, RANK), "agent": "first", "clients": (0, 2, 5), "episodes": 2}
    return EvaluationConfig(**{**base, "num_clients": 6, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: its folder and its results."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, evaluate(config(), folder)


def same(folder, other) -> bool:
    """Tell whether two folders hold the same results, byte for byte."""
    lines, others = (
        sorted((f / "episodes.jsonl").read_bytes().splitlines(True)) for f in (folder, other)
    )
    files = [
        (f / name).read_bytes() for f in (folder, other) for name in ("results.json", "run.json")
    ]
    return lines == others and files[:2] == files[2:]


def test_every_cell_is_there_once_and_replays(whole):
    folder, results = whole
    cells = [record.cell for _, record in read_records(folder / "episodes.jsonl")]
    assert len(set(cells)) == len(cells) == 2 * 2 * 3 * 2 == results["episodes"]
    assert all(result.ok for result in replay_file(folder / "episodes.jsonl"))


def test_tasks_and_seeds_are_paired(whole, tmp_path):
    evaluate(config(agent="random", envs=(RANK,), episodes=3), tmp_path)
    asked = {}
    for folder in (whole[0], tmp_path):
        for _, record in read_records(folder / "episodes.jsonl"):
            place = (record.cell.client_id, record.cell.episode)
            asked.setdefault(place, set()).add((record.task_id, record.episode_seed))
    assert len(asked) == 9
    assert all(len(pairs) == 1 for pairs in asked.values())
    assert len({seed for ((_, seed),) in asked.values()}) == 9


def test_kernels_are_what_they_say(whole):
    environments = whole[1]["environments"]
    # An agent without draws of its own: the unperturbed shop is the reference kernel.
    plain = environments[PLAIN]["kernels"]
    assert plain["client"] == plain["reference"]
    rank = environments[RANK]["kernels"]
    for mine, theirs in zip(rank["reference"]["clients"], plain["client"]["clients"], strict=True):
        assert {**mine, "pool_index": None} == theirs
    assert rank["client"]["clients"] != rank["reference"]["clients"]


def test_results_are_the_means_of_the_episodes(whole):
    folder, results = whole
    records = [record for _, record in read_records(folder / "episodes.jsonl")]
    for env_id, environment in results["environments"].items():
        for kernel, got in environment["kernels"].items():
            mine = [r for r in records if (r.cell.env_id, r.cell.kernel) == (env_id, kernel)]
            assert got["episodes"] == len(mine) == 6
            assert got["score"] == pytest.approx(sum(r.score for r in mine) / 6)
            assert got["success"] == pytest.approx(sum(r.success for r in mine) / 6)
            assert got["steps"] == pytest.approx(sum(len(r.steps) for r in mine) / 6)
            by_client = {k: sum(r.score for r in mine if r.client_id == k) / 2 for k in (0, 2, 5)}
            assert {c["client_id"]: c["score"] for c in got["clients"]} == pytest.approx(by_client)
            worst = got["worst_client"]
            assert worst["score"] == min(by_client.values())
            assert by_client[worst["client_id"]] == worst["score"]


def test_results_hold_no_place_and_no_time(whole):
    folder, results = whole
    text = (folder / "results.json").read_text(encoding="ascii")
    assert json.loads(text) == results
    assert str(folder) not in text
    assert results["config"]["clients"] == [0, 2, 5]


@pytest.mark.parametrize("seed", range(6))
def test_resumed_run_equals_the_whole_one(whole, tmp_path, seed):
    folder, _ = whole
    content = (folder / "episodes.jsonl").read_bytes()
    (tmp_path / "run.json").write_bytes((folder / "run.json").read_bytes())
    kept = random.Random(seed).randrange(len(content))
    (tmp_path / "episodes.jsonl").write_bytes(content[:kept])
    calls = []
    evaluate(config(), tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert same(folder, tmp_path)
    finished = content[:kept].count(b"\n")
    assert calls == [(done, 24) for done in range(finished, 25)]


def test_shuffled_lines_and_a_second_start_change_nothing(whole, tmp_path):
    folder, _ = whole
    lines = (folder / "episodes.jsonl").read_bytes().splitlines(True)
    random.Random(0).shuffle(lines)
    (tmp_path / "run.json").write_bytes((folder / "run.json").read_bytes())
    (tmp_path / "episodes.jsonl").write_bytes(b"".join(lines))
    evaluate(config(), tmp_path)
    assert same(folder, tmp_path)
    assert (tmp_path / "episodes.jsonl").read_bytes() == b"".join(lines)


def test_workers_change_nothing(whole, tmp_path):
    evaluate(config(), tmp_path, workers=2)
    assert same(whole[0], tmp_path)


def test_another_configuration_is_refused(whole, tmp_path):
    first = config(envs=(PLAIN,), clients=(0,), episodes=1, kernels=("client",))
    second = config(envs=(PLAIN,), clients=(0,), episodes=1, agent="random")
    evaluate(first, tmp_path)
    with pytest.raises(ConfigError) as caught:
        evaluate(second, tmp_path)
    message = str(caught.value)
    assert 'config.agent: there "first", here "random"' in message
    assert "config.kernels" in message
    assert "config.seed" not in message
    assert "--overwrite" in message
    results = evaluate(second, tmp_path, overwrite=True)
    assert results["episodes"] == 2
    (tmp_path / "run.json").unlink()
    with pytest.raises(ConfigError, match=r"holds episodes.jsonl but no run.json"):
        evaluate(second, tmp_path)


def test_changed_lines_are_refused(whole, tmp_path):
    folder, _ = whole
    lines = (folder / "episodes.jsonl").read_text(encoding="ascii").splitlines(True)
    (tmp_path / "run.json").write_bytes((folder / "run.json").read_bytes())
    for changed in (
        lines[1].replace('"episode":1', '"episode":7'),
        lines[1].replace('"action":"', '"action":"x'),
        lines[0],
    ):
        (tmp_path / "episodes.jsonl").write_text("".join((lines[0], changed, *lines[2:])))
        with pytest.raises(DataError, match=r"episodes.jsonl, line 2: "):
            evaluate(config(), tmp_path)


def test_tasks_are_drawn_without_replacement():
    tasks = [f"t{i}" for i in range(7)]
    for turn in range(2):
        drawn = [task_and_seed(0, 3, 7 * turn + k, tasks)[0] for k in range(7)]
        assert sorted(drawn) == tasks
    orders = {
        tuple(task_and_seed(s, c, k, tasks)[0] for k in range(7)) for s in (0, 1) for c in (0, 1)
    }
    assert len(orders) == 4
    # Published results depend on these draws: a change here needs a new results format.
    assert task_and_seed(0, 3, 1, tasks)[1] == bits_for("evaluate", 0, 3, 1, "seed", bits=31)
    assert [task_and_seed(0, 3, k, tasks) for k in (0, 1, 9)] == PINNED


PINNED = [("t2", 785249154), ("t5", 1941400923), ("t5", 58875047)]


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    # Newcombe 1998 (Statistics in Medicine 17), table I, and Brown, Cai & DasGupta 2001.
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_interval(successes, trials, interval):
    assert wilson_interval(successes, trials) == pytest.approx(interval, abs=5e-5)
    low, high = wilson_interval(trials - successes, trials)
    assert (1 - high, 1 - low) == pytest.approx(interval, abs=5e-5)


def test_wilson_interval_holds_the_rate():
    for trials in range(1, 30):
        for successes in range(trials + 1):
            low, high = wilson_interval(successes, trials)
            assert 0.0 <= low <= successes / trials <= high <= 1.0
            assert not math.isclose(low, high)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": "nobody"}, "unknown agent 'nobody'; legal: 'random'"),
        ({"envs": ("FedNope-v0",)}, "unknown environment id"),
        ({"envs": ()}, "no environment ids"),
        ({"clients": ()}, "clients must be"),
        ({"clients": (1, 1)}, "clients must be"),
        ({"clients": (6,)}, r"client 6 is not in 0\.\.5"),
        ({"episodes": 0}, "episodes"),
        ({"seed": -1}, "seed"),
        ({"kernels": ("mine",)}, "kernels must be from client, reference"),
        ({"settings": {"split": "test"}}, "unknown setting"),
        ({"settings": {"env_id": PLAIN}}, "unknown setting"),
        ({"settings": {"surface_k": 3}}, f"unknown setting for {PLAIN} 'surface_k'"),
    ],
)
def test_bad_configurations(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_names_stand_for_environments():
    family = config(envs=("webshop",)).envs
    assert PLAIN in family
    assert len(family) == len(set(family)) >= 5
    everything = config(envs=("all", PLAIN), agent="keyword").envs
    assert everything[: len(family)] == family
    assert everything[len(family) :] == config(envs=("alfworld",), agent="keyword").envs
    assert everything == tuple(ENVIRONMENTS)
    with pytest.raises(ConfigError, match="FedALFWorld-v0: unknown agent 'first'"):
        config(envs=("all",), agent="first")
    with pytest.raises(ConfigError, match="workers"):
        evaluate(config(), "unused", workers=0)


def test_settings_reach_the_environment(tmp_path):
    settings = {"surface_k": 200, "eval_tasks": 2, "reward": "success", "partition": "uniform"}
    asked = config(envs=(RANK,), clients=(1,), episodes=3, settings=settings)
    evaluate(asked, tmp_path)
    evaluate(asked, tmp_path)
    records = [record for _, record in read_records(tmp_path / "episodes.jsonl")]
    assert len({record.task_id for record in records}) == 2
    assert records[0].env_kwargs["surface_k"] == 200
    assert all(result.ok for result in replay_file(tmp_path / "episodes.jsonl"))


def test_real_data(tmp_path):
    if not REAL.is_dir():
        pytest.skip("the folder of real products is not here")
    results = evaluate(config(data=str(REAL), clients=(0,)), tmp_path)
    assert results["environments"][PLAIN]["kernels"]["client"]["score"] > 0
    assert all(result.ok for result in replay_file(tmp_path / "episodes.jsonl"))


def test_figure_shows_every_client(whole, tmp_path):
    _, results = whole
    figure = client_figure(results)
    assert len(figure.axes) == 2
    for axes, (env_id, environment) in zip(
        figure.axes, results["environments"].items(), strict=True
    ):
        assert env_id in axes.get_title(loc="left")
        assert f"{environment['kernels']['client']['score']:.3f}" in axes.get_title(loc="left")
        shown = [y for points in axes.collections for _, y in points.get_offsets().tolist()]
        scores = [row["score"] for k in environment["kernels"].values() for row in k["clients"]]
        # The stems and the lines of group means are collections with one point at the origin.
        assert sorted(y for y in shown if y)[-len(scores) :] == sorted(scores)[: len(shown)]
    labels = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    pool = results["environments"][RANK]["pool"]
    held = {
        row["pool_index"] for row in results["environments"][RANK]["kernels"]["client"]["clients"]
    }
    assert [label.split(" (")[0] for label in labels[:-1]] == [pool[i] for i in sorted(held)]
    save_client_figure(results, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize("kernel", ["client", "reference"])
def test_figure_of_one_kernel_and_many_clients(tmp_path, kernel):
    asked = config(envs=(RANK,), clients=range(30), num_clients=30, episodes=1, kernels=(kernel,))
    figure = client_figure(evaluate(asked, tmp_path))
    (axes,) = figure.axes
    ticks = [tick.get_text() for tick in axes.get_xticklabels()]
    assert sum(int(tick.removesuffix(" clients")) for tick in ticks) == 30


def test_missing_matplotlib_says_what_to_install(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPlotting, match=r"pip install 'fedenv\[plot\]'"):
        client_figure(whole[1])


@pytest.fixture(scope="module")
def houses(tmp_path_factory):
    """An evaluation in ALFWorld: its folder and its results."""
    folder = tmp_path_factory.mktemp("houses")
    envs = ("FedALFWorld-v0", "FedALFWorld-DoorRule-v0", PLAIN)
    asked = config(envs=envs, agent="keyword", settings={"eval_tasks": 30}, episodes=20)
    return folder, evaluate(asked, folder)


def test_categories_partition_the_episodes(houses):
    folder, results = houses
    records = [record for _, record in read_records(folder / "episodes.jsonl")]
    for env_id, environment in results["environments"].items():
        splits = Federation(env_id).world.splits
        for kernel, got in environment["kernels"].items():
            mine = [r for r in records if (r.cell.env_id, r.cell.kernel) == (env_id, kernel)]
            assert got["episodes"] == len(mine) == 60
            found = {}
            for record in mine:
                category = splits.tasks[splits.position(record.task_id)].category
                found.setdefault(category, []).append(record)
            assert {name: row["episodes"] for name, row in got["categories"].items()} == {
                name: len(group) for name, group in found.items()
            }
            for name, group in found.items():
                row = got["categories"][name]
                wins = sum(record.success for record in group)
                assert row["success"] == pytest.approx(wins / len(group))
                assert row["success_interval"] == wilson_interval(wins, len(group))
                assert row["steps"] == pytest.approx(sum(len(r.steps) for r in group) / len(group))
    titles = results["environments"]["FedALFWorld-v0"]["category_titles"]
    assert list(titles.values()) == ["Pick", "Look", "Clean", "Heat", "Cool", "Pick2"]
    categories = results["environments"]["FedALFWorld-v0"]["kernels"]["client"]["categories"]
    assert list(categories) == [name for name in titles if name in categories]
    assert results["environments"][PLAIN]["category_titles"] == {}


def test_figure_by_category(houses, tmp_path):
    _, results = houses
    figure = category_figure(results)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(results["environments"])[:2]
    for axes, environment in zip(figure.axes, published_by_category(results).values(), strict=True):
        ticks = [tick.get_text() for tick in axes.get_xticklabels()]
        assert ticks == [*environment["category_titles"].values(), "All"]
        for bars, row in zip(axes.containers, environment["kernels"].values(), strict=True):
            points, _, (whiskers,) = bars
            groups = [row["categories"].get(name) for name in environment["category_titles"]]
            shown = [group for group in (*groups, row) if group is not None]
            assert list(points.get_ydata()) == [group["success"] for group in shown]
            places = [i for i, group in enumerate((*groups, row)) if group is not None]
            assert [round(x) for x in points.get_xdata()] == places
            ends = [segment[:, 1].tolist() for segment in whiskers.get_segments()]
            assert ends == [pytest.approx(group["success_interval"]) for group in shown]
    save_category_figure(results, tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
