"""The small policy: acting, evaluating, its parameters, its memory, and that it learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from baselines.arena import Arena
from baselines.config import config_from
from baselines.learner import Learner
from baselines.policies.features import Candidates
from baselines.policies.protocol import CRITIC, Turn
from baselines.policies.scorer import Ragged
from baselines.policies.small import SmallPolicy, _log_softmax, _pick, make
from baselines.records import StepSample
from baselines.rollout import play, training_plans
from baselines.streams import training_stream
from fedenv.errors import ConfigError

SEED = 2**62


class Words:
    """Features of a made-up game: is the action's word in the text, and was it taken before?"""

    def __init__(self, step=0):
        self._taken = []
        self._step = step

    def look(self, observation, admissible):
        rows = [[a in observation, a in self._taken, len(a) / 4] for a in admissible]
        state = [self._step + len(self._taken), 1.0]
        return Candidates(
            admissible, np.array(rows, dtype=np.float32), np.array(state, dtype=np.float32)
        )

    def note(self, action):
        self._taken.append(action)


class WordFeatures:
    state_names = ("step", "one")
    action_names = ("in text", "taken", "length")

    def __call__(self, step=0):
        return Words(step)


WORDS = WordFeatures()
OPTIONS = {"features": "tests.baselines.test_small:WORDS", "hidden": 8}
GAMES = (("a red hat", ("red", "blue")), ("blue", ("red", "blue", "green")), ("?", ("hat",)))


def policy(critic=False, seed=3, **options) -> SmallPolicy:
    return make(seed=seed, critic=critic, options={**OPTIONS, **options})


def turns(step=0, games=GAMES):
    return [
        Turn(i, text, actions, (SEED // 5 * (i + 1) * (step + 1)) % (2 * SEED))
        for i, (text, actions) in enumerate(games)
    ]


def run(policy, steps=3, games=GAMES, temperature=1.0):
    policy.begin(range(len(games)))
    found = [policy.act(turns(step, games), temperature) for step in range(steps)]
    policy.end(range(len(games)))
    return found


def samples(policy):
    return [
        StepSample("", (), c.action, c.log_prob, 0.0, value=c.value, memo=c.memo)
        for choices in run(policy)
        for c in choices
    ]


def test_equal_seeds_give_equal_choices():
    first, second = run(policy()), run(policy())
    assert [[(c.action, c.log_prob) for c in step] for step in first] == [
        [(c.action, c.log_prob) for c in step] for step in second
    ]
    assert run(policy(seed=4))[0][1].log_prob != first[0][1].log_prob


def test_a_choice_does_not_depend_on_the_order_of_turns():
    forward, backward = policy(), policy()
    forward.begin(range(3))
    backward.begin(range(3))
    expected = {t.slot: c for t, c in zip(turns(), forward.act(turns()), strict=True)}
    for turn, choice in zip(turns()[::-1], backward.act(turns()[::-1]), strict=True):
        assert choice.action == expected[turn.slot].action
        assert choice.log_prob == pytest.approx(expected[turn.slot].log_prob, abs=1e-6)


@pytest.mark.parametrize("critic", [False, True])
def test_evaluation_agrees_with_what_was_said_when_acting(critic):
    chosen = samples(policy(critic))
    found = policy(critic).evaluate(chosen)
    assert found.log_probs.tolist() == pytest.approx([s.log_prob for s in chosen], abs=1e-6)
    assert (found.values is not None) == critic
    if critic:
        assert found.values.tolist() == pytest.approx([s.value for s in chosen], abs=1e-6)
        assert len({s.value for s in chosen}) > 1


def test_entropy_and_probabilities_of_a_hand_made_decision():
    one = policy()
    with torch.no_grad():
        for name, tensor in one.trainable().items():
            tensor.zero_()
            if name in ("actor.hidden", "actor.score"):
                tensor[0, 0] = 1.0
        one.trainable()["actor.action"][0, 0] = float(np.log(3.0))
    sample = next(s for s in samples(one) if s.action == "red" and len(s.memo.candidates.rows) == 2)
    # "red" is in "a red hat" and "blue" is not: probabilities 3/4 and 1/4.
    found = one.evaluate([sample])
    assert found.log_probs.item() == pytest.approx(np.log(0.75), abs=1e-6)
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert found.entropies.item() == pytest.approx(entropy, abs=1e-6)


def test_large_scores_do_not_overflow():
    one = policy()
    chosen = samples(one)
    with torch.no_grad():
        one.trainable()["actor.score"].mul_(1e6)
    found = one.evaluate(chosen)
    assert torch.isfinite(found.log_probs).all()
    assert torch.isfinite(found.entropies).all()


def test_the_critic_sees_the_largest_feature_of_any_candidate():
    one = policy(critic=True)
    sample = next(s for s in samples(one) if len(s.memo.candidates.rows) == 3)

    def value(change):
        candidates = replace(sample.memo.candidates, rows=sample.memo.candidates.rows.copy())
        change(candidates.rows)
        memo = replace(sample.memo, candidates=candidates)
        return one.evaluate([replace(sample, memo=memo)]).values.item()

    def lower_the_least(rows):
        rows[rows[:, 2].argmin(), 2] -= 5

    def raise_the_largest(rows):
        rows[rows[:, 2].argmax(), 2] += 5

    assert value(lower_the_least) == value(lambda rows: None) != value(raise_the_largest)


def ragged(sizes):
    starts = np.cumsum(sizes) - sizes
    owner = np.repeat(np.arange(len(sizes)), sizes)
    zeros = np.zeros((sum(sizes), 1), dtype=np.float32)
    return Ragged(zeros, np.zeros((len(sizes), 1), dtype=np.float32), starts, owner)


def test_draws_follow_the_probabilities():
    scores = np.log(np.array([0.2, 0.5, 0.3, 1.0, 0.9, 0.1], dtype=np.float32))
    batch = ragged(np.array([3, 1, 2]))
    log_probs = _log_softmax(scores, batch, 1.0)
    assert np.exp(log_probs) == pytest.approx([0.2, 0.5, 0.3, 1.0, 0.9, 0.1], abs=1e-6)
    counts = np.zeros(6)
    for k in range(1000):
        counts[_pick(log_probs, batch, np.full(3, (k + 0.5) / 1000))] += 1
    assert counts == pytest.approx([200, 500, 300, 1000, 900, 100], abs=1)
    assert _pick(log_probs, batch, np.zeros(3)).tolist() == [0, 3, 4]
    assert _pick(log_probs, batch, np.full(3, 1 - 2**-53)).tolist() == [2, 3, 5]


def test_temperature():
    scores = np.array([1.0, 3.0, 3.0, 0.0], dtype=np.float32)
    batch = ragged(np.array([3, 1]))
    cold = _log_softmax(scores, batch, 0.0)
    assert cold.tolist() == [-np.inf, 0.0, -np.inf, 0.0]
    assert [_pick(cold, batch, np.full(2, u)).tolist() for u in (0.0, 0.999)] == [[1, 3]] * 2
    warm = np.exp(_log_softmax(scores, batch, 2.0))
    assert warm == pytest.approx([*(np.exp([0.5, 1.5, 1.5]) / np.exp([0.5, 1.5, 1.5]).sum()), 1.0])


def test_gradients():
    chosen = samples(policy(critic=True))
    one = policy(critic=True)

    def loss():
        found = one.evaluate(chosen)
        return (found.log_probs + 0.5 * found.entropies + found.values).sum()

    loss().backward()
    for name, tensor in one.trainable().items():
        # The same number added to all scores changes no probability.
        assert tensor.grad.abs().sum() > 0 or name == "actor.score.bias", name
        place = np.unravel_index(int(tensor.grad.abs().argmax()), tensor.shape)
        slope = tensor.grad[place].item()
        with torch.no_grad():
            tensor[place] += 1e-2
            above = loss().item()
            tensor[place] -= 2e-2
            below = loss().item()
            tensor[place] += 1e-2
        assert (above - below) / 2e-2 == pytest.approx(slope, rel=0.05, abs=2e-2), name


def test_state_is_a_copy_and_goes_back():
    one, other = policy(True), policy(True, seed=9)
    state = one.state()
    with torch.no_grad():
        one.trainable()["actor.score"].add_(1.0)
    assert not torch.equal(state["actor.score"], one.state()["actor.score"])
    other.load_state(state)
    assert list(state) == list(other.state()) == list(other.trainable())
    assert all(torch.equal(state[name], tensor) for name, tensor in other.state().items())
    state["actor.score"].zero_()
    assert other.state()["actor.score"].abs().sum() > 0
    assert any(name.startswith(CRITIC) for name in state)
    assert not any(name.startswith(CRITIC) for name in policy().state())


def test_other_parameters_are_refused():
    one = policy()
    state = one.state()
    with pytest.raises(ConfigError, match=r"actor.score"):
        one.load_state({name: t for name, t in state.items() if name != "actor.score"})
    with pytest.raises(ConfigError, match=r"\(8, 8\).*\(4, 8\)"):
        one.load_state({**state, "actor.hidden": torch.zeros(4, 8)})
    assert all(torch.equal(state[name], tensor) for name, tensor in one.state().items())


@pytest.mark.parametrize("wrong", [{"hidden": 0}, {"hidden": 8.0}, {"history": -1}, {"depth": 3}])
def test_illegal_options(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        policy(**wrong)


@pytest.mark.parametrize("features", ["webshop", "alfworld"])
def test_size(features):
    one = make(seed=0, critic=True, options={"features": features})
    assert sum(tensor.numel() for tensor in one.trainable().values()) < 50_000


def test_history_is_cut():
    def seen(history, steps):
        one = policy(history=history)
        one.begin([0])
        memos = [one.act(turns(step)[:1])[0].memo for step in range(steps)]
        return memos[-1].candidates, [memo.candidates.actions[memo.chosen] for memo in memos[:-1]]

    whole, past = seen(None, 5)
    assert set(whole.rows[:, 1].nonzero()[0]) == {("red", "blue").index(a) for a in past}
    none, _ = seen(0, 5)
    assert not none.rows[:, 1].any()
    last, past = seen(1, 5)
    assert last.rows[:, 1].nonzero()[0].tolist() == [("red", "blue").index(past[-1])]
    assert [c.state[0] for c in (whole, none, last)] == [4.0, 4.0, 4.0]
    long, _ = seen(100, 5)
    assert np.array_equal(long.rows, whole.rows)


def test_nothing_to_do():
    assert policy().act([]) == []


def test_it_learns_to_shop():
    """Forty local epochs of centralised GRPO take the score from .1 to well above that."""
    config = config_from(
        {
            "environment": {"id": "FedWebShop-v0", "knobs": {"engine": "lucene"}},
            "algorithm": {
                "name": "grpo",
                "epochs": 2,
                "minibatch_size": 256,
                "kl_coef": 0.0,
                "entropy_coef": 0.003,
            },
            "policy": {"name": "small"},
            "rollout": {"reward": "score", "invalid_action_penalty": 0.0},
            "optimizer": {"actor_lr": 3e-3},
        }
    )
    arena = Arena(config.environment)
    learner = make(seed=0, critic=False, options={})
    update = Learner(config, learner)
    scores = []
    for epoch in range(40):
        stream = training_stream(0, 5, 0, epoch)
        plans = training_plans(config, arena.federation, 5, stream)
        episodes = play(learner, arena, plans, config.rollout, split="train")
        scores.append(sum(episode.score for episode in episodes) / len(episodes))
        update.update(episodes, stream, lambda: None)
    assert sum(scores[:3]) / 3 < 0.25
    assert sum(scores[-5:]) / 5 > 0.5


def test_samples_can_be_made_again_without_a_policy_of_the_same_parameters():
    chosen = [replace(s, advantage=1.0) for s in samples(policy())]
    assert policy(seed=11).evaluate(chosen).log_probs.shape == (len(chosen),)
