"""Behaviour cloning: the prompts of rollouts, the replies of an agent."""

import torch

from baselines.arena import Arena
from baselines.config import EnvironmentConfig
from baselines.policies.causal_lm import Tokens
from baselines.policies.generation import Written
from baselines.policies.protocol import Turn
from baselines.streams import Stream
from baselines.warm_start import clone, demonstrations
from fedenv.prompts import parse_reply


def toy_arena():
    return Arena(EnvironmentConfig(id="FedToy-v0", num_clients=4))


def test_demonstrations_are_what_a_rollout_sees(make_policy):
    policy, arena = make_policy(max_prompt=320), toy_arena()
    rows = demonstrations(policy, arena, "random", [(0, 0), (1, 3)])
    env = arena.take(0, split="train")
    observation, info = env.reset(seed=0, options={"task_index": 0})
    policy.begin([0])
    for row in rows:
        meant = parse_reply(policy.text_of(Written(row.reply, ())))
        assert meant.valid
        assert row.reply[-1] in policy.lm.end_ids
        assert len(row.prompt) <= 320
        turn = Turn(0, observation, tuple(info["admissible_actions"]), 1)
        assert policy._prompt(turn) == row.prompt
        policy._talks[0].note(observation, meant.action)
        observation, _, terminated, truncated, info = env.step(meant.action)
        if terminated or truncated:
            break
    assert terminated or truncated


def test_cloning_raises_the_likelihood_of_replies_alone(make_policy):
    policy = make_policy(critic=True)
    prompts = [policy.tokens_of([{"role": "user", "content": text}]) for text in ("red", "blue")]
    rows = [Tokens(prompts[0], (300, 5, 2)), Tokens(prompts[1], (301, 2))]
    before = [float(policy.lm.scores([row], False).log_probs.sum()) for row in rows]
    losses = clone(policy, rows, steps=40, learning_rate=1e-2, batch=2, stream=Stream(("x",)))
    after = [float(policy.lm.scores([row], False).log_probs.sum()) for row in rows]
    assert losses[-1] < 0.2 * losses[0]
    assert all(now > then for now, then in zip(after, before, strict=True))
    assert not policy.lm.head["critic.weight"].any()
    assert all(tensor.grad is None for tensor in policy.trainable().values())
    other = make_policy(critic=True)
    clone(other, rows, steps=40, learning_rate=1e-2, batch=2, stream=Stream(("x",)))
    assert all(torch.equal(t, other.state()[n]) for n, t in policy.state().items())


def test_the_loss_is_the_mean_over_tokens(make_policy):
    policy = make_policy()
    rows = [Tokens((3, 4), (5, 6, 7)), Tokens((8,), (9,))]
    total = sum(float(policy.lm.scores([row], False).log_probs.sum()) for row in rows)
    (loss,) = clone(policy, rows, steps=1, learning_rate=1e-3, batch=2)
    assert abs(loss + total / 4) < 1e-4


class Waiter:
    """An agent that waits, whatever it sees."""

    def __init__(self, env, rng):
        pass

    def reset(self, observation, info):
        pass

    def act(self, observation, info):
        return "wait"


def test_a_noisy_agent_takes_random_actions_of_its_own_in_every_episode(make_policy):
    policy, arena, agent = make_policy(max_prompt=320), toy_arena(), f"{__name__}:Waiter"

    def actions(tasks, epsilon):
        rows = demonstrations(policy, arena, agent, tasks, epsilon)
        return [parse_reply(policy.text_of(Written(row.reply, ()))).action for row in rows]

    assert set(actions([(0, 0)], 0.0)) == {"wait"}
    twice = actions([(0, 0), (0, 0)], 0.5)
    assert {"wait", "open"} <= set(twice)
    once = actions([(0, 0)], 0.5)
    assert twice[: len(once)] == once
    assert twice[len(once) :] != once
