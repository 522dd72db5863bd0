"""Closed forms, inverses, floors, measures, and the checks D1 to D4."""

import json
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.partitions import Assignment, assign, theory
from fedenv.partitions.checks import CheckConfig, balanced_pool, check
from fedenv.partitions.draws import log_dirichlet
from fedenv.partitions.floors import sampling_floor
from fedenv.partitions.measures import independence, measure

from .pools import make_labels, make_pool, pools


def test_the_papers_numbers():
    shares = np.array([0.35, 0.25, 0.2, 0.12, 0.08])
    spread = theory.diversity(shares)
    assert theory.preference(0.9, spread, np.full(100, 100)) == pytest.approx(0.673, abs=5e-4)
    box = theory.reachable_box(shares, (100, 500, 1000), (0.0, 1.0), 0.5)
    assert box.delta2_cov == pytest.approx(0.8)
    assert box.delta2_hard == pytest.approx(0.25)
    assert str(box) == "(0, 0.7542) x (0, 0.8) x (0, 0.25)"
    assert theory.coverage(1.0, (100, 500, 1000), 100) == pytest.approx(0.398, abs=1e-4)
    assert theory.coverage(256.0, (100, 500, 1000), 100) == pytest.approx(0.0031, abs=5e-5)
    many = 10**9
    assert theory.coverage(1.0, (100, 500, 1000), many) == pytest.approx(0.4, abs=1e-6)
    assert theory.coverage(256.0, (100, 500, 1000), many) == pytest.approx(0.8 / 257, abs=1e-6)


@given(st.floats(0.01, 0.99), st.floats(0.01, 500))
@settings(max_examples=50, deadline=None)
def test_inverses(omega, xi):
    assert theory.omega_for(omega * 0.7, 0.7) == pytest.approx(omega)
    assert theory.xi_for(0.8 / (xi + 1), 0.8) == pytest.approx(xi)


def test_bands_widen_with_the_number_of_comparisons():
    one = theory.confidence_band(1.0, 2.0, 400)
    assert one.half_width == pytest.approx(1.966 * 0.1, abs=1e-4)
    assert (one.low, one.high) == (1.0 - one.half_width, 1.0 + one.half_width)
    assert one.holds(1.19)
    assert not one.holds(1.21)
    many = theory.confidence_band(1.0, 2.0, 400, comparisons=27)
    assert many.half_width == pytest.approx(3.13 * 0.1, abs=2e-3)
    assert theory.confidence_band(1.0, 2.0, 3).half_width == pytest.approx(4.303 * 2 / 3**0.5, 1e-3)
    assert theory.confidence_band(0.5, 0.0, 9).holds(0.5)


@given(pools(min_size=2, max_size=25), st.integers(1, 5), st.integers(0, 10**6))
@settings(max_examples=30, deadline=None)
def test_measures_are_their_definitions(case, num_clients, seed):
    pool, labels = case
    rng = np.random.RandomState(seed)
    members = [
        rng.permutation(len(pool))[: rng.randint(1, len(pool) + 1)] for _ in range(num_clients)
    ]
    assignment = Assignment.of(pool, members)
    success = labels.of(pool) >= 0.5
    names = sorted({task.category for task in pool.tasks})
    shares = np.array(
        [[sum(pool.tasks[i].category == c for i in m) / len(m) for c in names] for m in members]
    )
    sizes = np.array([len(m) for m in members])
    rates = np.array([success[m].mean() for m in members])
    found = measure(assignment, success)
    mean = shares.mean(axis=0)
    assert found.delta2_pref == pytest.approx(((shares - mean) ** 2).sum(axis=1).mean(), abs=1e-12)
    assert found.delta2_cov == pytest.approx(sizes.var() / sizes.mean() ** 2, abs=1e-12)
    assert found.delta2_hard == pytest.approx(rates.var(), abs=1e-12)
    assert found.mean_size == pytest.approx(sizes.mean())
    assert found.mean_success == pytest.approx(rates.mean())
    assert list(found.mean_shares) == names
    assert list(found.mean_shares.values()) == pytest.approx(list(mean))
    assert json.loads(json.dumps(found.to_json()))["overlap"] == found.overlap
    without = measure(assignment)
    assert without.delta2_hard is None
    assert "delta2_hard" not in without.to_json()


def test_measures_of_many_categories_are_the_same():
    """A category per task takes the other way of counting."""
    pool = make_pool([f"c{i}" for i in range(400)])
    assignment = Assignment.of(pool, [np.arange(0, 3), np.arange(300, 310), np.arange(2, 4)])
    shares = np.zeros((3, 400))
    for client, (start, stop) in enumerate([(0, 3), (300, 310), (2, 4)]):
        shares[client, start:stop] = 1 / (stop - start)
    expected = ((shares - shares.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert measure(assignment).delta2_pref == pytest.approx(expected, abs=1e-12)


def test_independence():
    pool = make_pool("aabb" * 25)
    tied = independence(pool, np.array([True, True, False, False] * 25))
    assert (tied.epsilon, tied.chi2, tied.degrees) == (0.5, pytest.approx(100.0), 1)
    assert tied.p_value < 1e-20
    free = independence(pool, np.array([True, False] * 50))
    assert (free.epsilon, free.chi2, free.p_value) == (0.0, 0.0, 1.0)
    assert free.by_category == {"a": 0.5, "b": 0.5}
    assert independence(pool, np.ones(100, bool)).p_value == 1.0
    skewed = independence(make_pool("a" * 10 + "b" * 30), np.arange(40) < 12)
    # By hand: expected 3, 9, 7, 21; (10-3)^2/3 + (2-9)^2/9 + 49/7 + 49/21.
    assert skewed.chi2 == pytest.approx(49 / 3 + 49 / 9 + 7 + 49 / 21)
    assert skewed.epsilon == pytest.approx(0.7)


def test_floors_are_means_over_permutations():
    """By brute force: permute tasks inside strata, and measure."""
    rng = np.random.RandomState(0)
    pool = make_pool(["abc"[i % 3] for i in range(24)])
    strata = np.repeat([0, 1], [10, 14])
    codes = pool.codes
    success = rng.random_sample(24) < 0.4
    members = [np.array([0, 1, 2, 12]), np.arange(5, 14), np.arange(3, 24, 2), np.array([20, 21])]
    assignment = Assignment.of(pool, members)
    type_floor = sampling_floor(assignment, strata, codes)
    success_floor = sampling_floor(assignment, strata, success)
    shares = np.bincount(codes) / 24
    found = []
    for _ in range(3000):
        moved = np.arange(24)
        for stratum in (0, 1):
            inside = np.flatnonzero(strata == stratum)
            moved[inside] = rng.permutation(inside)
        profile = measure(Assignment.of(pool, [moved[m] for m in members]), success)
        mean = np.array(list(profile.mean_shares.values()))
        found.append(
            [
                profile.delta2_pref,
                profile.delta2_hard,
                ((mean - shares) ** 2).sum(),
                (profile.mean_success - success.mean()) ** 2,
            ]
        )
    expected = [type_floor.spread, success_floor.spread, type_floor.shift, success_floor.shift]
    error = np.std(found, axis=0) / len(found) ** 0.5
    assert (np.abs(np.mean(found, axis=0) - expected) < 4 * error).all()
    assert success_floor.leak > 0


def test_a_floor_without_dependence_is_the_familiar_one():
    """Clients of equal sizes that share nothing: (1 - |p0|^2) / n, with the finite pool."""
    pool = make_pool("ab" * 500)
    assignment = Assignment.of(pool, [np.arange(i * 10, i * 10 + 10) for i in range(50)])
    floor = sampling_floor(assignment, np.zeros(1000, int), pool.codes)
    assert floor.leak == 0.0
    assert floor.spread == pytest.approx(0.5 / 10, rel=0.03)


SMALL = CheckConfig(
    num_clients=20,
    runs=40,
    targets=3,
    target_runs=20,
    tasks_per_client=20,
    bounds=(10, 40, 100),
    grids={
        "preference": ("omega", (0.01, 0.99)),
        "coverage": ("xi", (1.0, 256.0)),
        "hardness": ("xi", (1.0, 256.0)),
    },
)


@pytest.fixture(scope="module")
def report():
    seen = []
    pool, labels = balanced_pool(2000)
    found = check(pool, labels, SMALL, progress=lambda *numbers: seen.append(numbers))
    assert seen[0] == (0, 300)
    assert seen[-1] == (300, 300)
    return found


def test_the_balanced_pool_shows_all_four_properties(report):
    assert report.balanced
    assert report.binding == ("D1", "D2", "D3", "D4")
    assert [len(report.of(name)) for name in report.binding] == [6, 6, 9, 9]
    failed = [cell for cell in report.cells if not cell.passed]
    assert not failed
    assert report.passed
    assert report.shortfall == 0.0
    # Bands of one property hold together with 95 %, so their widths go with its number of cells.
    for cell in report.cells:
        together = len(report.of(cell.requirement))
        band = theory.confidence_band(0.0, cell.deviation, cell.runs, comparisons=together)
        assert cell.band.half_width == pytest.approx(band.half_width)
    # The knobs really move their measures, and targets are met as closely as 20 clients allow.
    own = [cell.measured for cell in report.of("D1")]
    assert own[0] < 0.05 < 0.6 < own[1]
    assert own[2] > 0.2 > 0.01 > own[3]
    assert own[4] > 0.1 > 0.005 > own[5]
    for cell in report.of("D4"):
        assert cell.measured == pytest.approx(cell.target, rel=0.25)
    # What must be exact is.
    exact = [c for c in report.cells if c.quantity in ("mean_size",) and c.requirement == "D3"]
    assert [cell.measured for cell in exact] == [0.0, 0.0, 0.0]


def test_a_broken_knob_fails(monkeypatch):
    """Clients that are drawn with another omega than asked for are found out."""
    monkeypatch.setattr(
        sys.modules["fedenv.partitions.preference"],
        "log_dirichlet",
        lambda rng, mean, omega: log_dirichlet(rng, mean, omega / 2),
    )
    pool, labels = balanced_pool(2000)
    found = check(pool, labels, SMALL)
    failed = {(cell.requirement, cell.partition["name"]) for cell in found.cells if not cell.passed}
    assert ("D1", "preference") in failed
    assert ("D1", "coverage") not in failed
    assert not found.passed


def test_a_pool_with_dependence_is_reported():
    pool = make_pool(["ab"[i % 2] for i in range(400)])
    labels = make_labels(pool, [(i % 2 == 0) == (i % 10 < 8) for i in range(400)])
    config = CheckConfig(
        num_clients=10, runs=8, targets=2, target_runs=4, tasks_per_client=20, bounds=(10, 20, 60)
    )
    found = check(pool, labels, config)
    assert not found.balanced
    assert found.binding == ("D1", "D3")
    assert found.independence.epsilon > 0.2
    leaked = {
        (cell.partition["name"], cell.quantity): cell.leak for cell in found.of("D2") if cell.leak
    }
    assert set(leaked) == {("preference", "delta2_hard"), ("hardness", "delta2_pref")}
    assert found.passed, [cell for cell in found.cells if not cell.passed]


def test_checks_say_what_they_need():
    with pytest.raises(ConfigError, match="at least 2"):
        CheckConfig(runs=1)
    pool, labels = balanced_pool(400)
    with pytest.raises(ConfigError, match="Lmax <= 400"):
        check(pool, labels)


def test_assign_takes_what_the_checks_print(report):
    pool, labels = balanced_pool(2000)
    for cell in (*report.of("D1")[::2], report.of("D4")[0]):
        knobs = json.loads(json.dumps(dict(cell.partition)))
        assert assign(knobs, pool, 20, 0, labels).num_clients == 20
