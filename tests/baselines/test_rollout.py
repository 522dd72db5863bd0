"""Episodes: what they are, what they pay, and what they do not depend on."""

from dataclasses import replace

import pytest

from baselines.arena import Arena
from baselines.config import config_from
from baselines.evaluation import evaluate_policy
from baselines.local_update import make_policy
from baselines.rollout import play, training_plans
from baselines.streams import (
    CENTRAL,
    action_seed,
    evaluation_stream,
    fresh_critic_seed,
    initial_seed,
    sample_cohort,
    training_stream,
)
from fedenv.errors import ConfigError
from tests.baselines import toy

GRPO = config_from(toy.config())
STREAM = training_stream(0, 2, 1, 0)


@pytest.fixture(scope="module")
def arena(_toy_family):
    return Arena(GRPO.environment)


def rollouts(arena, config=GRPO, client_id=2, stream=STREAM, **arguments):
    plans = training_plans(config, arena.federation, client_id, stream)
    arguments.setdefault("split", "train")
    return play(make_policy(config), arena, plans, config.rollout, **arguments)


def test_plans(arena):
    plans = training_plans(GRPO, arena.federation, 2, STREAM)
    assert [plan.group for plan in plans] == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    for group in range(4):
        members = [plan for plan in plans if plan.group == group]
        assert len({plan.task_index for plan in members}) == 1
    assert len({plan.episode_seed for plan in plans}) == len(plans)
    assert len({plan.action_key for plan in plans}) == len(plans)
    assert {plan.client_id for plan in plans} == {2}


def test_tasks_are_drawn_with_replacement_from_the_whole_pool(arena):
    config = config_from(toy.config(rollout={"tasks_per_epoch": 200}))
    plans = training_plans(config, arena.federation, 2, STREAM)
    drawn = [plan.task_index for plan in plans[:: config.group_size]]
    assert set(drawn) == set(range(len(arena.federation.client(2).task_ids)))


def test_the_central_learner_draws_from_everybody(arena):
    config = config_from(toy.config(rollout={"tasks_per_epoch": 60}))
    plans = training_plans(config, arena.federation, CENTRAL, training_stream(0, CENTRAL, 0, 0))
    owners = {plan.group: plan.client_id for plan in plans}
    assert set(owners.values()) == set(range(6))
    assert all(plan.client_id == owners[plan.group] for plan in plans)
    played = play(make_policy(config), arena, plans[:40], config.rollout, split="train")
    assert [episode.client_id for episode in played] == [plan.client_id for plan in plans[:40]]


def test_streams_share_no_draw():
    streams = [
        training_stream(seed, client, round_index, epoch)
        for seed in range(2)
        for client in range(3)
        for round_index in range(3)
        for epoch in range(2)
    ]
    streams += [evaluation_stream(0, "val"), evaluation_stream(1, "val")]
    for draw in (lambda s: s.episode_seed(0, 0), lambda s: s.action_key(0, 0)):
        assert len({draw(stream) for stream in streams}) == len(streams)
    orders = {tuple(stream.order(20, 0).tolist()) for stream in streams}
    assert len(orders) == len(streams)
    assert len({action_seed(1, step) for step in range(50)} | {action_seed(2, 0)}) == 51
    assert len({fresh_critic_seed(0, c, r) for c in range(3) for r in range(3)}) == 9
    assert initial_seed(0) != initial_seed(1)


def test_frozen_streams():
    # Golden: a change here changes every run.
    assert [sample_cohort(0, t, 100, 2) for t in range(3)] == COHORTS
    assert STREAM.episode_seed(0, 0) == EPISODE_SEED
    assert STREAM.order(5, 0).tolist() == ORDER


COHORTS = [(33, 52), (2, 39), (74, 76)]
EPISODE_SEED = 1081369585
ORDER = [1, 4, 2, 3, 0]


def test_cohorts_are_uniform_without_replacement():
    counts = [0] * 10
    for t in range(1000):
        cohort = sample_cohort(3, t, 10, 3)
        assert len(set(cohort)) == 3
        assert list(cohort) == sorted(cohort)
        for client in cohort:
            counts[client] += 1
    assert min(counts) > 250
    assert max(counts) < 350
    assert sample_cohort(0, 0, 4, 4) == (0, 1, 2, 3)


def test_an_episode_depends_on_its_plan_alone(arena):
    together = rollouts(arena)
    for slots in (1, 3, 64):
        config = replace(GRPO, rollout=replace(GRPO.rollout, parallel_episodes=slots))
        other = rollouts(arena, config)
        assert [[s.action for s in e.steps] for e in other] == [
            [s.action for s in e.steps] for e in together
        ]
        assert [e.episode_seed for e in other] == [e.episode_seed for e in together]


def test_rewards(arena):
    content = toy.config(
        rollout={
            "reward": "score",
            "reward_scale": 8.0,
            "step_cost": 0.5,
            "invalid_action_penalty": 0.25,
        }
    )
    for episode in rollouts(arena, config_from(content)):
        *before, last = episode.steps
        assert [step.reward for step in before] == [-0.5] * len(before)
        assert last.reward == 8.0 * episode.score - 0.5
        assert episode.truncated == (last.observation.startswith("closed") or episode.score == 0)
    successes = [episode for episode in rollouts(arena) if episode.success]
    assert successes
    assert {episode.total_reward for episode in successes} == {10.0}


class Stubborn(toy.HashedPolicy):
    """Says what was never offered."""

    def act(self, turns, temperature=1.0):
        chosen = super().act(turns, temperature)
        for choice in chosen:
            choice.action = "dance"
        return chosen


def test_invalid_actions_cost_and_are_noted(arena):
    plans = training_plans(GRPO, arena.federation, 2, STREAM)
    episodes = play(Stubborn(0, False), arena, plans, GRPO.rollout, split="train")
    for episode in episodes:
        assert [step.reward for step in episode.steps] == [-0.1] * 4
        assert not any(step.valid for step in episode.steps)
        assert episode.truncated
        assert not episode.success


def test_what_check_raises_ends_the_rollout(arena):
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 3:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        rollouts(arena, check=check)


def test_evaluation_is_the_same_every_time_and_counts_categories(arena):
    policy = make_policy(GRPO)
    first = evaluate_policy(GRPO, arena, policy, 3, "client")
    assert evaluate_policy(GRPO, arena, policy, 3, "client") == first
    assert first["episodes"] == 12
    assert sum(cell[1] for cell in first["categories"].values()) == 12
    wins = sum(cell[0] for cell in first["categories"].values())
    assert first["success"] == wins / 12
    assert list(first["categories"]) == sorted(toy.COLORS)
    twice = config_from(toy.config(evaluation={"tasks": 5, "episodes_per_task": 2}))
    assert evaluate_policy(twice, arena, policy, 3, "client")["episodes"] == 10
    everything = config_from(toy.config(evaluation={"tasks": 0}))
    assert evaluate_policy(everything, arena, policy, 0, "reference")["episodes"] == 12


def test_temperature_is_the_policys(arena):
    cold = config_from(toy.config(evaluation={"temperature": 0.0, "episodes_per_task": 3}))
    measured = evaluate_policy(cold, arena, make_policy(cold), 0, "reference")
    for wins, count in measured["categories"].values():
        assert wins in (0, count), "the likeliest action is always the same"


def test_unknown_places_are_refused():
    with pytest.raises(ConfigError, match="unknown environment id"):
        Arena(replace(GRPO.environment, id="FedNowhere-v0"))
    with pytest.raises(ConfigError, match="legal: 'tasks'"):
        Arena(replace(GRPO.environment, knobs={"size": 3}))
    with pytest.raises(ConfigError, match="no policy 'large'"):
        make_policy(replace(GRPO, policy=replace(GRPO.policy, name="large")))
    with pytest.raises(ConfigError, match="no policy 'json:nothing'"):
        make_policy(replace(GRPO, policy=replace(GRPO.policy, name="json:nothing")))
