"""Advantages against values worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.advantages import (
    generalized_advantages,
    group_relative,
    standardize,
    with_gae,
    with_group_advantages,
)
from baselines.records import Episode, StepSample

REWARDS = st.lists(st.floats(-10, 10), min_size=2, max_size=8)


def episode(rewards, group=0, values=None):
    values = values or [0.0] * len(rewards)
    steps = tuple(
        StepSample("o", ("a",), "a", -1.0, reward, value=value)
        for reward, value in zip(rewards, values, strict=True)
    )
    return Episode(0, "t", 1, group, steps, 0.0, False, False)


def test_group_relative_by_hand():
    # Mean 2.5, squared deviations 56.25 + 3 * 6.25 = 75, sample variance 25.
    assert group_relative([10, 0, 0, 0]) == pytest.approx([1.5, -0.5, -0.5, -0.5], rel=1e-6)
    assert group_relative([10, 0, 0, 0], normalize=False) == [7.5, -2.5, -2.5, -2.5]
    assert group_relative([3, 3, 3]) == [0, 0, 0]
    assert group_relative([4.0]) == [0.0]


def test_the_group_is_scaled_by_its_deviation_plus_epsilon():
    assert group_relative([1e-6, -1e-6])[0] == pytest.approx(1e-6 / (math.sqrt(2) * 1e-6 + 1e-6))


@given(REWARDS, st.floats(0.5, 4), st.floats(-5, 5))
def test_group_relative_ignores_shift_and_scale(rewards, scale, shift):
    spread = max(rewards) - min(rewards)
    if spread < 0.1:
        return
    moved = group_relative([scale * reward + shift for reward in rewards])
    assert moved == pytest.approx(group_relative(rewards), rel=1e-3, abs=1e-4)
    assert math.fsum(moved) == pytest.approx(0, abs=1e-6)


def test_gae_by_hand():
    # gamma .5, lambda .5; deltas from the end: 8 - 4 = 4, 2 + 2 - 2 = 2, 0 + 1 - 1 = 0.
    assert generalized_advantages([0, 2, 8], [1, 2, 4], 0.5, 0.5) == [0.75, 3.0, 4.0]


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=1, max_size=9))
def test_gae_limits(steps):
    rewards, values = zip(*steps, strict=True)
    advantages = generalized_advantages(rewards, values, 1.0, 1.0)
    for place, value in enumerate(values):  # lambda 1: return less value
        assert advantages[place] == pytest.approx(math.fsum(rewards[place:]) - value, abs=1e-9)
    following = (*values[1:], 0.0)
    for place, advantage in enumerate(generalized_advantages(rewards, values, 0.9, 0.0)):
        delta = rewards[place] + 0.9 * following[place] - values[place]
        assert advantage == pytest.approx(delta, abs=1e-9)


def test_every_step_has_the_advantage_of_its_episode_within_its_group():
    episodes = [episode([0, 10], 0), episode([-1], 1), episode([0], 0), episode([1, 0, 2], 1)]
    done = with_group_advantages(episodes, normalize=False)
    assert [[s.advantage for s in e.steps] for e in done] == [[5, 5], [-2], [-5], [2, 2, 2]]
    assert [[s.reward for s in e.steps] for e in done] == [[0, 10], [-1], [0], [1, 0, 2]]


def test_ppo_standardises_advantages_over_the_epoch_and_keeps_targets():
    episodes = [episode([0, 4], values=[1, 2]), episode([6], values=[3])]
    done = with_gae(episodes, 1.0, 1.0, normalize=True)
    assert [s.target for e in done for s in e.steps] == [4, 4, 6]
    raw = [3.0, 2.0, 3.0]
    assert [s.advantage for e in done for s in e.steps] == standardize(raw)
    plain = with_gae(episodes, 1.0, 1.0, normalize=False)
    assert [s.advantage for e in plain for s in e.steps] == raw
