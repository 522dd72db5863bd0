"""Summaries, sweeps and the data behind the figures."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fedenv.partitions import Assignment, coverage, theory
from fedenv.partitions.figures import (
    Panel,
    category_figure,
    category_order,
    control_figure,
    quota_figure,
    save_figure,
    size_figure,
)
from fedenv.partitions.labels import Labels, Provenance
from fedenv.partitions.measures import measure
from fedenv.partitions.registry import parse
from fedenv.partitions.summary import Summary
from fedenv.partitions.sweep import SWEEPS, closed_form, run_sweep
from fedenv.plotting import MissingPlotting
from fedenv.tasks import Task, TaskPool

POOL = TaskPool(tuple(Task(f"t{i}", "nnmamnm"[i % 7]) for i in range(7)))
SUCCESS = np.array([True, False, True, True, False, True, False])


@pytest.fixture
def summary() -> Summary:
    members = [np.array([0, 1, 2]), np.array([3]), np.array([2, 4, 5, 6])]
    return Summary.of(Assignment.of(POOL, members), SUCCESS)


@pytest.fixture(scope="module")
def shop() -> TaskPool:
    """2,000 tasks in five categories of different sizes."""
    names = np.repeat(list("vwxyz"), [900, 500, 300, 200, 100])
    return TaskPool(tuple(Task(f"t{i}", str(names[i * 7 % 2000])) for i in range(2000)))


@pytest.fixture(scope="module")
def labels(shop) -> Labels:
    made = Provenance("p", "e", "d", "d", 4, 0)
    return Labels({task_id: (i % 5) / 4 for i, task_id in enumerate(shop.ids)}, made)


def test_a_summary_counts(summary):
    # The rarest last; m and n are equally frequent: by name.
    assert summary.categories == ("m", "n", "a")
    assert summary.tasks.tolist() == [[1, 2, 0], [0, 0, 1], [3, 1, 0]]
    assert summary.successes.tolist() == [[1, 1, 0], [0, 0, 1], [1, 1, 0]]
    assert summary.sizes.tolist() == [3, 1, 4]
    assert summary.rates.tolist() == [2 / 3, 1.0, 0.5]
    rows = list(summary.rows())
    assert len(rows) == 9
    assert rows[3] == {"client_id": 1, "category": "m", "tasks": 0, "successes": 0}
    assert rows[7] == {"client_id": 2, "category": "n", "tasks": 1, "successes": 1}


def test_a_summary_without_labels():
    bare = Summary.of(Assignment.of(POOL, [np.array([0]), np.array([3])]))
    assert bare.rates is None
    assert next(bare.rows()) == {"client_id": 0, "category": "m", "tasks": 0}
    assert bare.folded(2).successes is None


def test_rare_categories_fold_into_one(summary):
    folded = summary.folded(2)
    assert folded.categories == ("m", "other")
    assert folded.tasks.tolist() == [[1, 2], [0, 1], [3, 1]]
    assert folded.successes.tolist() == [[1, 1], [0, 1], [1, 1]]
    assert summary.folded(3) is summary


def test_clients_are_ordered_by_largest_category(summary):
    assert category_order(summary).tolist() == [2, 0, 1]
    both_a = Summary(("a", "b"), np.array([[3, 2], [9, 1], [1, 2]]))
    assert category_order(both_a).tolist() == [1, 0, 2]


def panel(summary, **measures) -> Panel:
    return Panel("knob = 1", summary, {"delta2_pref": 0.25, "delta2_cov": 0.5, **measures})


def test_category_bars_are_the_shares(summary):
    figure = category_figure([panel(summary), panel(summary)])
    assert len(figure.axes) == 2
    axes = figure.axes[0]
    shares = (summary.tasks / summary.sizes[:, None])[[2, 0, 1]]
    bottom = np.zeros(3)
    for patch, column, name in zip(axes.patches, shares.T, summary.categories, strict=True):
        values, _, baseline = patch.get_data()
        assert patch.get_label() == name
        assert baseline == pytest.approx(bottom)
        assert values - baseline == pytest.approx(column)
        bottom = values
    assert bottom == pytest.approx([1, 1, 1])
    assert len({patch.get_facecolor() for patch in axes.patches}) == 3
    assert axes.get_title(loc="left").startswith("knob = 1")
    assert axes.get_title(loc="left").endswith("= 0.25")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["m", "n", "a"]


def test_at_most_eight_categories_are_told_apart():
    pool = TaskPool(tuple(Task(f"t{i}", f"c{i % 12:02d}") for i in range(120)))
    summary = Summary.of(Assignment.of(pool, [np.arange(60), np.arange(60, 120)]))
    figure = category_figure([panel(summary)])
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*(f"c{i:02d}" for i in range(7)), "other"]


def test_size_and_quota_bars_are_sorted(summary):
    figure = size_figure([panel(summary)])
    assert figure.axes[0].patches[0].get_data()[0].tolist() == [4, 3, 1]
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(8 / 3)
    figure = quota_figure([panel(summary), panel(summary, delta2_hard=0.125)])
    assert figure.axes[1].patches[0].get_data()[0].tolist() == [1.0, 2 / 3, 0.5]
    assert figure.axes[1].get_title(loc="left").endswith("= 0.125")
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim() == (0.0, 1.0)


@pytest.mark.parametrize("name", sorted(SWEEPS))
def test_sweeps_follow_the_closed_form(shop, labels, name):
    sweep = SWEEPS[name]
    assert len(sweep.values) >= 9
    assert sweep.ends == ((0.01, 0.99) if name == "preference" else (1, 256))
    knobs = {"bounds": [20, 100, 200]} if name == "coverage" else {"tasks_per_client": 50}
    partition = parse({"name": name, sweep.knob: 0.5, **knobs})
    calls = []
    curve = run_sweep(partition, shop, 30, 6, 42, labels, lambda *call: calls.append(call))
    assert calls == [(i + 1, 54) for i in range(54)]
    # Four deviations of the mean: a band of 95 % would fail now and then.
    assert np.all(np.abs(curve.measured - curve.expected) < 2 * curve.half_widths + 1e-9)
    assert np.all(curve.half_widths > 0)
    assert np.all(np.diff(curve.expected) > 0) == (name == "preference")
    content = curve.to_json()
    assert [point[sweep.knob] for point in content["points"]] == list(sweep.values)
    assert content["points"][3]["measured"] == curve.measured[3]
    figure = control_figure(curve)
    left, right = figure.axes
    values = np.array(sweep.values)
    assert left.collections[0].get_offsets().data == pytest.approx(
        np.stack([values, curve.measured], axis=1)
    )
    assert left.lines[0].get_xydata() == pytest.approx(np.stack([values, curve.expected], axis=1))
    points = next(c for c in right.collections if len(c.get_offsets()) == 9)
    off = 100 * (curve.measured / curve.expected - 1)
    assert points.get_offsets().data == pytest.approx(np.stack([values, off], axis=1))
    assert left.get_xscale() == ("linear" if name == "preference" else "log")


def test_a_sweep_is_of_the_partition_that_is_asked_for(shop):
    """The other knobs, the number of clients and the seeds are the caller's."""
    partition = parse({"name": "coverage", "xi": 3, "bounds": [20, 100, 200]})
    curve = run_sweep(partition, shop, 20, 2, seed=7)
    for place, xi, seeds in ((0, 1, (7, 8)), (3, 8, (13, 14))):
        made = [coverage(shop, 20, seed, xi=xi, bounds=(20, 100, 200)) for seed in seeds]
        runs = [measure(assignment).delta2_cov for assignment in made]
        assert curve.measured[place] == pytest.approx(np.mean(runs))
    band = theory.confidence_band(curve.expected[3], np.std(runs, ddof=1), runs=2)
    assert curve.half_widths[3] == pytest.approx(band.half_width)


def test_closed_forms(shop, labels):
    shares = np.array([900, 500, 300, 200, 100]) / 2000
    asked = parse({"name": "preference", "omega": 0.3, "tasks_per_client": 40})
    expected = theory.preference(0.3, 1 - (shares**2).sum(), np.full(10, 40))
    assert closed_form(asked, shop, 10, None) == pytest.approx(expected)
    asked = parse({"name": "coverage", "xi": 3, "bounds": [20, 100, 200]})
    assert closed_form(asked, shop, 10, None) == theory.coverage(3, (20, 100, 200), 10)
    asked = parse(
        {"name": "hardness", "xi": 3, "kappa": [10, 40], "tasks_per_client": 50, "eta": 0.75}
    )
    # Rates of 0.75 and 1: two of five tasks.
    assert closed_form(asked, shop, 10, labels) == pytest.approx(
        theory.hardness(3, 0.2, 0.4, 0.8, 0.02, 10)
    )


def test_files_and_missing_matplotlib(summary, tmp_path, monkeypatch):
    save_figure(size_figure([panel(summary)]), tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert "matplotlib.pyplot" not in sys.modules
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingPlotting, match=r"pip install 'fedenv\[plot\]'"):
        category_figure([panel(summary)])


def test_many_clients_are_few_shapes():
    tasks = np.arange(4_000).reshape(2_000, 2) % 7 + 1
    figure = category_figure([panel(Summary(("a", "b"), tasks))])
    assert len(figure.axes[0].patches) == 2
