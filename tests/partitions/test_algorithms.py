"""Preference, coverage, hardness, composite: exact on any pool, refused where impossible."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedenv.errors import ConfigError
from fedenv.partitions import assign, composite, coverage, hardness, preference
from fedenv.partitions.composite import _fill
from fedenv.partitions.measures import success_counts
from fedenv.tasks import Task, TaskPool

from .pools import SHAPES, make_pool, pools, small

CLIENTS, SEEDS = st.integers(1, 8), st.integers(0, 2**31 - 1)
OMEGAS = st.one_of(
    st.floats(0, 1, exclude_min=True, exclude_max=True), st.sampled_from([0.99, 0.999, 0.9999])
)
XIS = st.sampled_from([1e-6, 0.01, 1.0, 16.0, 256.0, 1e8])
# Cites the frozen streams: a change here changes every published federation.
DIGESTS = {
    "uniform": "0571cc399f651293",
    "preference": "fc33b86a266fa0fd",
    "coverage": "e9908b4a5296bd50",
    "hardness": "4535daba5f74a1fb",
    "composite": "0e74f7a0a851d71a",
}


def check_different_tasks(assignment):
    for tasks in assignment.clients:
        assert len(set(tasks)) == len(tasks)
        assert list(tasks) == sorted(tasks)  # the ids of these pools are in pool order
    assert assignment.measures["union"] == len(set().union(*assignment.clients))
    sets = [set(tasks) for tasks in assignment.clients]
    pairs = [len(a & b) for i, a in enumerate(sets) for b in sets[:i]]
    assert assignment.measures["overlap"] == pytest.approx(np.mean(pairs) if pairs else 0.0)


@given(pools(), CLIENTS, SEEDS, OMEGAS, st.data())
@settings(max_examples=60, deadline=None)
def test_preference_is_exact(case, num_clients, seed, omega, data):
    pool, _ = case
    size = data.draw(st.integers(1, len(pool)))
    found = preference(pool, num_clients, seed, omega=omega, tasks_per_client=size)
    assert set(found.sizes) == {size}
    check_different_tasks(found)
    # A client does not depend on how many others there are.
    alone = preference(pool, 1, seed, omega=omega, tasks_per_client=size)
    assert alone.clients[0] == found.clients[0]


@given(pools(min_size=3), CLIENTS, SEEDS, XIS, st.data())
@settings(max_examples=60, deadline=None)
def test_coverage_is_exact(case, num_clients, seed, xi, data):
    pool, _ = case
    n = len(pool)
    low, mean, high = sorted(data.draw(st.lists(st.integers(1, n), min_size=3, max_size=3)))
    assume(low < mean < high or low == mean == high)
    found = coverage(pool, num_clients, seed, xi=xi, bounds=[low, mean, high])
    assert found.sizes.sum() == num_clients * mean
    assert found.sizes.min() >= low
    assert found.sizes.max() <= high
    check_different_tasks(found)
    holders = Counter(task for tasks in found.clients for task in tasks)
    base, extra = divmod(num_clients * mean, n)
    counts = Counter(holders[task_id] for task_id in pool.ids)
    assert counts == +Counter({base: n - extra, base + 1: extra})
    assert found.measures["union"] == min(n, num_clients * mean)
    pairs = extra * (base + 1) * base / 2 + (n - extra) * base * (base - 1) / 2
    if num_clients > 1:
        overlap = pairs / (num_clients * (num_clients - 1) / 2)
        assert found.measures["overlap"] == pytest.approx(overlap)


@given(pools(min_size=2), CLIENTS, SEEDS, XIS, st.sampled_from([0.2, 0.5, 1.0]), st.data())
@settings(max_examples=60, deadline=None)
def test_hardness_is_exact(case, num_clients, seed, xi, eta, data):
    pool, labels = case
    success = labels.of(pool) >= eta
    solved, failed = int(success.sum()), int((~success).sum())
    assume(solved and failed)
    size = data.draw(st.integers(1, len(pool)))
    kappa = [max(0, size - failed), min(size, solved)]
    total = round(num_clients * size * solved / len(pool))
    assume(num_clients * kappa[0] < total < num_clients * kappa[1])
    found = hardness(
        pool, num_clients, seed, labels=labels, xi=xi, kappa=kappa, tasks_per_client=size, eta=eta
    )
    assert set(found.sizes) == {size}
    check_different_tasks(found)
    held = success_counts(found, success)
    assert held.sum() == total
    assert held.min() >= kappa[0]
    assert held.max() <= kappa[1]
    holders = Counter(task for tasks in found.clients for task in tasks)
    often = [holders[t.id] for t, yes in zip(pool.tasks, success, strict=True) if yes]
    assert max(often) - min(often) <= 1
    rates = held / size
    assert found.measures["delta2_hard"] == pytest.approx(rates.var())
    assert found.measures["mean_success"] == pytest.approx(rates.mean())


@given(pools(min_size=3), CLIENTS, SEEDS, OMEGAS, XIS, XIS, st.data())
@settings(max_examples=60, deadline=None)
def test_composite_sizes_are_exact_even_where_the_pool_falls_short(
    case, num_clients, seed, omega, xi, xi_hard, data
):
    pool, labels = case
    success = labels.of(pool) >= 0.5
    assume(success.any() and not success.all())
    low, mean, high = sorted(data.draw(st.lists(st.integers(1, len(pool)), min_size=3, max_size=3)))
    assume(low < mean < high or low == mean == high)
    knobs = {"omega": omega, "xi": xi, "xi_hard": xi_hard, "bounds": [low, mean, high]}
    found = composite(pool, num_clients, seed, labels=labels, **knobs)
    same_sizes = coverage(pool, num_clients, seed, xi=xi, bounds=[low, mean, high])
    assert found.sizes.tolist() == same_sizes.sizes.tolist()
    check_different_tasks(found)
    assert found.shortfall.shape == (num_clients,)
    assert (found.shortfall >= 0).all()
    assert found.measures["shortfall"] == found.shortfall.sum()
    if found.shortfall.any():
        with pytest.raises(ConfigError, match=r"fall\s+short"):
            composite(pool, num_clients, seed, labels=labels, strict=True, **knobs)
    else:
        strict = composite(pool, num_clients, seed, labels=labels, strict=True, **knobs)
        assert strict.digest == found.digest


def test_a_shortfall_is_what_had_to_come_from_elsewhere():
    rng, only_a = np.random.RandomState(0), np.array([0.0, -1e9])
    room = np.array([1, 9, 1, 1])  # failures of a and b, successes of a and b
    counts, shortfall = _fill(rng, only_a, room, failures=3, successes=4)
    # 2 failures and 1 success come from b, and 2 successes are failures.
    assert counts.tolist() == [1, 4, 1, 1]
    assert shortfall == 2 + 1 + 2
    assert _fill(rng, only_a, room, failures=1, successes=1) == (pytest.approx([1, 0, 1, 0]), 0)


def test_composite_success_rates_are_inside_their_bounds():
    pool, labels = small()
    knobs = {"omega": 0.01, "xi": 4.0, "xi_hard": 0.5, "bounds": [5, 10, 20], "rho": [0.25, 0.75]}
    found = composite(pool, 50, 0, labels=labels, **knobs)
    rates = success_counts(found, labels.of(pool) >= 0.5) / found.sizes
    assert rates.min() >= 0.25
    assert rates.max() <= 0.75
    assert rates.max() - rates.min() > 0.4
    assert not found.shortfall.any()


def test_omega_moves_from_the_pools_mix_to_one_category():
    pool, _ = small()
    flat = preference(pool, 40, 3, omega=1e-12, tasks_per_client=30)
    hot = preference(pool, 40, 3, omega=0.9999, tasks_per_client=30)
    category = {task.id: task.category for task in pool.tasks}
    assert flat.measures["delta2_pref"] < 0.03
    assert all(len({category[t] for t in tasks}) == 1 for tasks in hot.clients)


@pytest.mark.parametrize("name", SHAPES)
def test_digests_are_frozen(name):
    pool, labels = small()
    found = assign({"name": name, **SHAPES[name]}, pool, 10, 42, labels)
    assert found.digest == DIGESTS[name]


@pytest.mark.parametrize("name", [name for name in SHAPES if name != "uniform"])
def test_seeds_differ_and_repeat(name):
    pool, labels = small()
    digests = [
        assign({"name": name, **SHAPES[name]}, pool, 10, seed, labels).digest for seed in (1, 2, 1)
    ]
    assert digests[0] == digests[2] != digests[1]


def test_assignments_are_the_same_in_another_process():
    script = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from tests.partitions.pools import SHAPES, small\n"
        "from fedenv.partitions import assign\n"
        "pool, labels = small()\n"
        "for name in SHAPES:\n"
        "    a = assign({'name': name, **SHAPES[name]}, pool, 10, 42, labels)\n"
        "    print(a.digest, sorted(a.measures.items()))\n"
    )
    root = str(Path(__file__).resolve().parents[2])
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script, root],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": root},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert [line.split()[0] for line in outputs.pop().splitlines()] == list(DIGESTS.values())


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (
            {"name": "preference", "omega": 0.5, "tasks_per_client": 121},
            r"pass a number in 1\.\.120",
        ),
        ({"name": "coverage", "xi": 1, "bounds": [10, 50, 121]}, r"pass Lmax <= 120"),
        ({"name": "coverage", "xi": 1, "bounds": [10, 10, 20]}, r"Lmin < Lavg < Lmax, or three"),
        ({"name": "coverage", "xi": 1, "bounds": [10, 20, 20]}, r"not 20"),
        ({"name": "coverage", "xi": 1, "bounds": [10, 5, 20]}, r"Lmin <= Lavg <= Lmax, got"),
        ({"name": "coverage", "xi": 1, "bounds": [0, 5, 20]}, r"with 1 <= Lmin"),
        ({"name": "hardness", "xi": 1, "tasks_per_client": 121}, r"pass a number in 1\.\.120"),
        ({"name": "hardness", "xi": 1, "tasks_per_client": 110}, r"pass kappa=\[50, 60\] or less"),
        ({"name": "hardness", "xi": 1, "tasks_per_client": 9, "kappa": [0, 10]}, r"in 0\.\.9"),
        ({"name": "hardness", "xi": 1, "tasks_per_client": 10, "kappa": [6, 9]}, r"must lie betw"),
        ({"name": "hardness", "xi": 1, "tasks_per_client": 10, "kappa": [4, 4]}, r"the mean must"),
        ({"name": "hardness", "xi": 1, "eta": 0.95}, r"it needs both: choose another eta"),
        ({"name": "hardness", "xi": 1, "eta": 0.0}, r"a number in \(0, 1\]"),
        ({"name": "composite", "omega": 0.5}, r"either the three targets .* got omega$"),
        ({"name": "composite"}, r"got none of them"),
        (
            {"name": "composite", "omega": 0.5, "xi": 1, "xi_hard": 1, "delta2_cov": 0.1},
            r"got delta2_cov, omega, xi, xi_hard",
        ),
        (
            {
                "name": "composite",
                "delta2_pref": 0.9,
                "delta2_cov": 0.1,
                "delta2_hard": 0.1,
                "bounds": [3, 9, 30],
            },
            r"delta2_pref=0.9 is out of reach; .* must lie in \(0, 0.6\d+\) x \(0, 1.55556\) x",
        ),
        (
            {
                "name": "composite",
                "omega": 0.5,
                "xi": 1,
                "xi_hard": 1,
                "bounds": [3, 9, 30],
                "rho": [0.6, 1.0],
            },
            r"hold the pool's share of successes, 0.5",
        ),
        ({"name": "uniform", "min_tasks": 0}, r"min_tasks .* an int of at least 1, got 0"),
    ],
)
def test_what_is_not_possible_is_refused(knobs, message):
    pool, labels = small()
    with pytest.raises(ConfigError, match=message):
        assign(knobs, pool, 10, 42, labels)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("num_clients", [0, -1, 2.0, True])
def test_no_clients_are_refused(name, num_clients):
    pool, labels = small()
    with pytest.raises(ConfigError, match="num_clients must be an int of at least 1"):
        assign({"name": name, **SHAPES[name]}, pool, num_clients, 42, labels)


@pytest.mark.parametrize("name", SHAPES)
def test_an_empty_pool_is_refused(name):
    _, labels = small()
    with pytest.raises(ConfigError, match="pool is empty"):
        assign({"name": name, **SHAPES[name]}, TaskPool(()), 2, 42, labels)


def test_equal_ids_are_refused():
    with pytest.raises(ConfigError, match="'x' is there 2 times"):
        TaskPool((Task("x", "a"), Task("y", "a"), Task("x", "b")))


@pytest.mark.parametrize("name", ["hardness", "composite"])
def test_labels_must_fit_the_pool(name):
    pool, _ = small()
    _, others = small()
    few = type(others)({t: others.rates[t] for t in list(others.rates)[:118]}, others.provenance)
    with pytest.raises(
        ConfigError, match="2 of the pool's 120 are not among them: t00118, t00119;"
    ):
        assign({"name": name, **SHAPES[name]}, pool, 5, 42, few)


def test_one_client_and_one_task():
    pool = make_pool("a")
    found = preference(pool, 3, omega=0.9999, tasks_per_client=1)
    assert list(found.clients) == [("t00000",)] * 3
    assert found.measures["delta2_pref"] == 0.0
    whole = coverage(pool, 2, xi=1.0, bounds=[1, 1, 1])
    assert list(whole.clients) == [("t00000",)] * 2
