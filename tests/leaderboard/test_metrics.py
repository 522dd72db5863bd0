"""The arithmetic of a table: known numbers, invariances, and coverage of the intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from fedenv.evaluation import wilson_interval
from leaderboard.bootstrap import Estimate, Interval, Resampler
from leaderboard.metrics import (
    client_spread_of,
    mean_of,
    measure,
    transfer_gap_of,
    worst_clients_of,
)
from leaderboard.ranking import compare, rank_ranges
from leaderboard.report import Outcomes
from leaderboard.track import open_track

SHOP, HOUSE = 0, 1


def draw(resampler, values, draw_tasks=True):
    (found,) = resampler.apply([Estimate(mean_of(0), values, draw_tasks)])
    return found


def outcomes(track, successes, scores=None, steps=None, invalid=None) -> list[Outcomes]:
    """Outcomes from arrays of shape (environments, seeds, clients, kernels, episodes)."""
    found = []
    for e, environment in enumerate(track.environments):
        for s, seed in enumerate(track.training_seeds):
            won = [bool(v) for v in np.asarray(successes)[e, s].ravel()]
            flat = [float(v) for v in won] if scores is None else np.asarray(scores)[e, s].ravel()
            taken = [3] * len(won) if steps is None else np.asarray(steps)[e, s].ravel()
            wrong = [0] * len(won) if invalid is None else np.asarray(invalid)[e, s].ravel()
            found.append(
                Outcomes(
                    environment.name,
                    seed,
                    tuple(map(float, flat)),
                    tuple(won),
                    tuple(map(int, taken)),
                    tuple(map(int, wrong)),
                    "",
                    (),
                )
            )
    return found


SHAPE = (2, 3, 2, 2, 2)


@pytest.fixture
def wins():
    found = np.zeros(SHAPE, dtype=bool)
    found[SHOP, :, 0, 0] = True  # client 0 always wins in its own shop
    found[SHOP, :, :, 1] = True  # everybody wins in the reference shop
    found[HOUSE, 0] = True  # the first seed always wins
    return found


def test_known_numbers(tiny, wins):
    found = measure(tiny, outcomes(tiny, wins))
    shop, house = found["environments"]["shop"], found["environments"]["house"]
    assert shop["success"]["value"] == 0.5
    assert shop["transfer_gap"]["value"] == 0.5
    assert shop["worst_clients"]["value"] == 0.0
    assert shop["client_spread"]["value"] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert (shop["steps"], shop["invalid_share"], shop["missing"]) == (3.0, 0.0, 0)
    assert house["success"]["value"] == pytest.approx(1 / 3, abs=1e-6)
    assert house["success"] == house["kernels"]["client"]["success"]
    assert house["transfer_gap"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert (house["success"]["low"], house["success"]["high"]) == (0.0, 1.0)  # seeds are drawn
    overall = found["overall"]
    assert overall["success"]["value"] == pytest.approx((0.5 + 1 / 3) / 2, abs=1e-6)
    assert overall["cells"] == 24
    (first, second) = shop["clients"]
    assert (first["successes"], second["successes"], first["cells"]) == (6, 0, 6)
    assert [first["low"], first["high"]] == pytest.approx(wilson_interval(6, 6), abs=1e-6)


def test_steps_and_invalid_actions_leave_missing_cells_out(tiny, wins):
    steps = np.full(SHAPE, 4)
    invalid = np.zeros(SHAPE, dtype=int)
    invalid[SHOP, 0, 0, 0, 0] = 3
    rows = outcomes(tiny, wins, steps=steps, invalid=invalid)
    holes = list(rows)
    none = (None,) * 8
    holes[1] = Outcomes("shop", 1, none, none, none, none, "", ())
    whole, left = (measure(tiny, r)["environments"]["shop"] for r in (rows, holes))
    assert (whole["steps"], left["steps"]) == (4.0, 4.0)
    assert whole["invalid_share"] == pytest.approx(3 / 48, abs=1e-6)
    assert left["invalid_share"] == pytest.approx(3 / 32, abs=1e-6)
    assert (left["missing"], left["cells"]) == (4, 12)
    assert left["success"]["value"] == pytest.approx(1 / 3, abs=1e-6)  # a missing cell counts 0


def test_equal_outcomes_give_equal_bytes(tiny, wins):
    rows = outcomes(tiny, wins)
    assert measure(tiny, rows) == measure(tiny, rows[::-1])


def test_published_tables_depend_on_these_draws():
    track, rng, rows = open_track("mini"), np.random.RandomState(11), []
    for environment, seed in track.runs:
        count = track.run_cells(environment)
        scores = rng.random_sample(count).round(3)
        won = tuple((scores > 0.6).tolist())
        steps, invalid = (3,) * count, (1,) * count
        rows.append(
            Outcomes(environment, seed, tuple(scores.tolist()), won, steps, invalid, "", ())
        )
    found = measure(track, rows)["overall"]
    assert {name: tuple(found[name].values()) for name in PINNED} == PINNED


PINNED = {
    "success": (0.396667, 0.286667, 0.51),
    "score": (0.501963, 0.440429, 0.564908),
    "worst_clients": (0.166667, 0.066667, 0.3),
    "client_spread": (0.070478, 0.0, 0.137964),
    "transfer_gap": (0.0, -0.146667, 0.143333),
}


def test_worst_clients_are_a_tenth():
    values = np.zeros((1, 2, 25, 1, 4))
    values[0, :, :, 0, :] = np.arange(25)[None, :, None] / 25
    assert worst_clients_of(0)(values)[0] == pytest.approx((0 + 1 + 2) / 3 / 25)
    assert mean_of(0)(values)[0] == pytest.approx(12 / 25)


def test_spread_is_what_tasks_do_not_explain():
    rng = np.random.RandomState(0)
    rates = np.array([0.2, 0.8] * 200)
    draws = rng.random_sample((1, 1, 400, 1, 5)) < rates[None, None, :, None, None]
    equal = rng.random_sample((1, 1, 400, 1, 5)) < 0.5
    assert client_spread_of(0)(draws.astype(float))[0] == pytest.approx(0.3, abs=0.03)
    assert client_spread_of(0)(equal.astype(float))[0] < 0.1
    assert draws.mean(axis=-1).std() > 0.33  # the plain deviation holds the tasks' noise


def test_transfer_gap_has_a_sign():
    values = np.zeros((1, 1, 2, 2, 1))
    values[..., 1, :] = 0.25
    assert transfer_gap_of(0, 1)(values)[0] == 0.25
    assert transfer_gap_of(1, 0)(values)[0] == -0.25


@settings(max_examples=30, deadline=None)
@given(shift=st.floats(-5, 5), seed=st.integers(0, 99))
def test_resampling_keeps_means_and_shifts(shift, seed):
    values = np.random.RandomState(seed).random_sample((3, 7, 2, 2))
    resampler = Resampler("lock", "env", replicates=150)
    drawn = draw(resampler, values)
    assert drawn.shape == (150,)
    assert drawn.min() >= values[:, :, 0].min()
    assert drawn.max() <= values[:, :, 0].max()
    assert draw(resampler, values + shift) == pytest.approx(drawn + shift)
    other = draw(Resampler("lock", "other", replicates=150), values)
    assert not np.array_equal(drawn, other)
    constant = np.broadcast_to(values[:1, :1, :, :1], values.shape)
    assert np.ptp(draw(resampler, constant)) == pytest.approx(0)


@pytest.mark.parametrize("axis", [0, 1, 3])
def test_every_level_is_drawn(axis):
    shape = [1, 1, 1, 1]
    shape[axis] = 6
    values = np.arange(6.0).reshape(shape) * np.ones((6, 6, 1, 6))
    resampler = Resampler("lock", "env", replicates=400)
    drawn = draw(resampler, values)
    # Six clients have six draws of tasks each; with seeds or clients alone there is one.
    expected = np.arange(6.0).std() / np.sqrt(6) / (np.sqrt(6) if axis == 3 else 1)
    assert drawn.std() == pytest.approx(expected, rel=0.15)
    if axis == 3:
        assert np.ptp(draw(resampler, values, draw_tasks=False)) == pytest.approx(0)


def test_intervals_cover():
    """Clients and tasks vary, seeds do not: the interval holds the mean about 95 % of the time."""
    rng = np.random.RandomState(7)
    hits = 0
    for trial in range(60):
        rates = rng.random_sample(40)
        draws = rng.random_sample((40, 1, 3)) < rates[:, None, None]
        values = np.broadcast_to(draws.astype(float), (3, 40, 1, 3))
        resampler = Resampler("lock", str(trial), replicates=300)
        interval = Interval.of(values.mean(), draw(resampler, values))
        hits += interval.low <= 0.5 <= interval.high
    assert 52 <= hits <= 60


def test_differences_are_paired(tiny, wins):
    rng = np.random.RandomState(3)
    base = rng.random_sample(SHAPE) < 0.5
    better = base.copy()
    better[SHOP, :, :, 0] = True
    base[SHOP, :, :, 0] = False
    rows = {"base": outcomes(tiny, base), "better": outcomes(tiny, better)}
    overall, shop, house = compare(tiny, rows["better"], rows["base"])
    assert (shop.better, shop.worse, shop.equal) == (12, 0, 0)
    assert shop.difference.value == 1.0
    assert (house.better, house.worse, house.sign) == (0, 0, 0)
    assert overall.difference.value == 0.5
    assert overall.sign == 1
    back = compare(tiny, rows["base"], rows["better"])[0]
    assert (back.sign, back.worse) == (-1, 12)
    assert back.difference.low == -overall.difference.high


def test_rank_ranges(tiny):
    none, every = np.zeros(SHAPE, dtype=bool), np.ones(SHAPE, dtype=bool)
    one = none.copy()
    one[SHOP, 0, 0, 0, 0] = True
    rows = {name: outcomes(tiny, w) for name, w in (("n", none), ("e", every), ("o", one))}
    assert rank_ranges(tiny, rows) == {"n": (2, 3), "e": (1, 1), "o": (2, 3)}
    assert rank_ranges(tiny, {"e": rows["e"]}) == {"e": (1, 1)}


def test_rank_ranges_are_those_of_paired_differences(tiny):
    rng = np.random.RandomState(5)
    shares = np.linspace(0.1, 0.9, 8)
    rows = {str(p): outcomes(tiny, rng.random_sample(SHAPE) < p) for p in shares}
    signs = {a: [compare(tiny, rows[a], rows[b])[0].sign for b in rows] for a in rows}
    assert {-1, 0, 1} == {sign for row in signs.values() for sign in row}
    wanted = {a: (1 + row.count(-1), 8 - row.count(1)) for a, row in signs.items()}
    assert rank_ranges(tiny, rows) == wanted


@settings(max_examples=100, deadline=None)
@given(trials=st.integers(1, 3000), share=st.floats(0, 1))
def test_wilson_is_scipys(trials, share):
    wins = round(share * trials)
    interval = binomtest(wins, trials).proportion_ci(method="wilson")
    assert wilson_interval(wins, trials) == pytest.approx([interval.low, interval.high], abs=1e-12)
