"""Optimisation of one client, and what it takes along from round to round."""

import math
from dataclasses import replace

import pytest
import torch

from baselines.advantages import with_group_advantages
from baselines.arena import Arena
from baselines.config import config_from
from baselines.errors import ClientError, ClientTimeoutError
from baselines.learner import Learner
from baselines.local_update import (
    Order,
    averaged_part,
    deadline,
    local_update,
    make_policy,
)
from baselines.records import Episode, StepSample, step_samples
from baselines.rollout import play, training_plans
from baselines.samplelog import read_samples
from baselines.streams import training_stream
from fedenv.trajectory import text_hash
from tests.baselines import toy

STREAM = training_stream(0, 2, 1, 0)


def nothing():
    """Check nothing."""


def make(name="grpo", **tables):
    return config_from(toy.config(name, **tables))


@pytest.fixture(scope="module")
def arena(_toy_family):
    return Arena(make().environment)


def episodes_of(arena, config, policy):
    plans = training_plans(config, arena.federation, 2, STREAM)
    return play(policy, arena, plans, config.rollout, split="train")


def test_one_full_step_is_adamw_on_the_policy_gradient(arena):
    config = make(
        algorithm={"minibatch_size": 0, "entropy_coef": 0.0},
        optimizer={"max_grad_norm": 0.5, "eps": 1e-3},
    )
    policy, twin = make_policy(config), make_policy(config)
    episodes = episodes_of(arena, config, policy)
    _, measured = Learner(config, policy).update(episodes, STREAM, nothing)

    samples = step_samples(with_group_advantages(episodes, normalize=True))
    advantages = torch.tensor([sample.advantage for sample in samples])
    weight = twin.parameters["actor.weight"]
    optimizer = torch.optim.AdamW([weight], lr=0.05, eps=1e-3, weight_decay=0.0)
    (-(twin.evaluate(samples).log_probs * advantages).mean()).backward()
    norm = float(weight.grad.norm())
    assert measured["grad_norm"] == pytest.approx(norm, rel=1e-4)
    weight.grad *= min(1.0, 0.5 / norm)
    optimizer.step()
    torch.testing.assert_close(policy.parameters["actor.weight"], weight, rtol=1e-3, atol=1e-4)
    assert measured["clip_fraction"] == 0.0


def test_minibatches_cover_every_sample_once_per_pass(arena):
    config = make(algorithm={"minibatch_size": 7, "epochs": 2})
    policy = make_policy(config)
    episodes = episodes_of(arena, config, policy)
    seen = []

    class Watched:
        def __getattr__(self, name):
            return getattr(policy, name)

        def evaluate(self, samples):
            seen.append([id(sample.memo) for sample in samples])
            return policy.evaluate(samples)

    Learner(config, Watched()).update(episodes, STREAM, nothing)
    memos = [id(sample.memo) for sample in step_samples(episodes)]
    per_pass = math.ceil(len(memos) / 7)
    assert len(seen) == 2 * per_pass
    for batches in (seen[:per_pass], seen[per_pass:]):
        assert [len(batch) for batch in batches[:-1]] == [7] * (per_pass - 1)
        assert sorted(memo for batch in batches for memo in batch) == sorted(memos)
    assert seen[:per_pass] != seen[per_pass:], "another order in every pass"


def test_the_optimiser_goes_on_where_it_was(arena):
    config = make("ppo")
    straight, stopped = make_policy(config), make_policy(config)
    episodes = episodes_of(arena, config, straight)
    learner, first = Learner(config, straight), Learner(config, stopped)
    learner.update(episodes, STREAM, nothing)
    learner.update(episodes, STREAM, nothing)
    first.update(episodes, STREAM, nothing)
    second = Learner(config, stopped)
    second.load_optimizer_state({**first.optimizer_state(), "critic.weight": torch.ones(1)})
    second.update(episodes, STREAM, nothing)
    for name, value in straight.state().items():
        assert torch.equal(value, stopped.state()[name])
    fresh = make_policy(config)
    Learner(config, fresh).update(episodes, STREAM, nothing)
    Learner(config, fresh).update(episodes, STREAM, nothing)
    assert not torch.equal(fresh.state()["actor.weight"], straight.state()["actor.weight"])


def test_the_critic_has_its_own_learning_rate(arena):
    config = make("ppo", optimizer={"critic_lr": 1e-12, "eps": 1.0})
    policy = make_policy(config)
    before = policy.state()
    Learner(config, policy).update(episodes_of(arena, config, policy), STREAM, nothing)
    assert float((policy.state()["critic.weight"] - before["critic.weight"]).abs().max()) < 1e-9
    assert float((policy.state()["actor.weight"] - before["actor.weight"]).abs().max()) > 1e-5


def test_kl_pulls_towards_the_reference(arena):
    gaps = []
    for coefficient in (0.0, 50.0):
        config = make(
            algorithm={"kl_coef": coefficient, "epochs": 8}, optimizer={"max_grad_norm": 0.0}
        )
        policy, reference = make_policy(config), make_policy(config)
        learner = Learner(config, policy, reference)
        _, measured = learner.update(episodes_of(arena, config, policy), STREAM, nothing)
        gaps.append(measured["kl"])
    assert gaps[1] < gaps[0] / 2


def test_fedprox_pulls_towards_the_round(arena):
    config = make(federation={"prox_mu": 2.0}, algorithm={"minibatch_size": 0})
    policy = make_policy(config)
    anchors = {name: value + 1.0 for name, value in policy.state().items()}
    still = Episode(0, "t", 1, 0, (), 0.0, False, False)
    samples = step_samples(episodes_of(arena, config, policy))[:4]
    episode = replace(still, steps=tuple(replace(s, mask=0.0, reward=0.0) for s in samples))
    captured = {}

    class Watched(Learner):
        def _clip(self, parameters):
            captured.update({name: p.grad.clone() for name, p in parameters.items()})
            return super()._clip(parameters)

    Watched(config, policy, None, anchors).update([episode], STREAM, nothing)
    # Nothing else has a gradient: masked samples do not count. d/dw mu/2 |w - a|^2 = mu (w - a).
    torch.testing.assert_close(captured["actor.weight"], torch.full((toy.SIZE,), -2.0))


def test_divergence_is_an_error_of_the_client(arena):
    config = make()
    policy = make_policy(config)
    episodes = episodes_of(arena, config, policy)
    with torch.no_grad():
        policy.parameters["actor.weight"].fill_(math.nan)
    before = policy.state()
    with pytest.raises(ClientError, match=r"training diverged: .* lower optimizer\.actor_lr"):
        Learner(config, policy).update(episodes, STREAM, nothing)
    assert torch.equal(before["actor.weight"].isnan(), policy.state()["actor.weight"].isnan())


ORDER = Order(1, 2)


def update(config, arena, order=ORDER, state=None, kept=None, **arguments):
    start = averaged_part(config, make_policy(config).state()) if state is None else state
    return local_update(config, arena, order, start, kept or {}, **arguments)


@pytest.mark.parametrize("name", ["grpo", "ppo"])
def test_local_update_is_a_function(arena, name):
    config = make(name, algorithm={"kl_coef": 0.1})
    first, second = update(config, arena), update(config, Arena(config.environment))
    assert first.state.keys() == second.state.keys()
    assert all(torch.equal(first.state[key], second.state[key]) for key in first.state)
    assert (first.metrics, first.samples) == (second.metrics, second.samples)
    others = [Order(1, 3), Order(2, 2)]
    assert all(update(config, arena, o).samples != first.samples for o in others)
    assert update(make(name, run={"seed": 1}), arena).samples != first.samples


def test_evaluation_does_not_touch_training(arena):
    config = make("ppo")
    plain, measured = update(config, arena), update(config, arena, Order(1, 2, evaluate=True))
    assert torch.equal(plain.state["actor.weight"], measured.state["actor.weight"])
    assert plain.metrics["evaluation"] is None
    evaluation = measured.metrics["evaluation"]
    assert list(evaluation["before"]) == ["client"]
    assert list(evaluation["after"]) == ["client", "reference"]


def test_critic_switch(arena):
    average = update(make("ppo"), arena)
    assert "critic.weight" in average.state
    assert not average.kept

    own = make("ppo", federation={"critic": "client"})
    first = update(own, arena)
    assert list(first.state) == ["actor.weight"]
    assert list(first.kept) == ["critic.weight"]
    again = update(own, arena, Order(2, 2), kept=first.kept)
    from_scratch = update(own, arena, Order(2, 2))
    assert not torch.equal(again.kept["critic.weight"], from_scratch.kept["critic.weight"])

    fresh = make("ppo", federation={"critic": "fresh"})
    a, b = update(fresh, arena), update(fresh, arena, kept=first.kept)
    assert not a.kept
    assert list(a.state) == ["actor.weight"]
    assert torch.equal(a.state["actor.weight"], b.state["actor.weight"]), "nothing is kept"


def test_optimizer_switch(arena):
    keep = make(federation={"optimizer_state": "keep"})
    first = update(keep, arena)
    assert sorted(first.kept) == [
        "optimizer.exp_avg.actor.weight",
        "optimizer.exp_avg_sq.actor.weight",
        "optimizer.step.actor.weight",
    ]
    state = first.state
    went_on = update(keep, arena, Order(2, 2), state, first.kept)
    fresh = update(keep, arena, Order(2, 2), state)
    assert not torch.equal(went_on.state["actor.weight"], fresh.state["actor.weight"])
    reset = make()
    assert not update(reset, arena).kept


def test_a_fresh_critic_has_a_fresh_optimiser(arena):
    config = make("ppo", federation={"critic": "fresh", "optimizer_state": "keep"})
    kept = update(config, arena).kept
    assert sorted(kept) == [
        "optimizer.exp_avg.actor.weight",
        "optimizer.exp_avg_sq.actor.weight",
        "optimizer.step.actor.weight",
    ]


def test_fedprox_leaves_a_clients_own_critic_alone(arena):
    ends = []
    for mu in (0.0, 5.0):
        config = make(
            "ppo",
            federation={"critic": "client", "prox_mu": mu, "local_epochs": 1},
            optimizer={"actor_lr": 1e-9, "max_grad_norm": 0.0},
        )
        ends.append(update(config, arena).kept["critic.weight"])
    torch.testing.assert_close(ends[0], ends[1])


def test_kl_reference_switch(arena):
    start = {"actor.weight": torch.linspace(-1, 1, toy.SIZE)}
    kl = {}
    for reference in ("pretrained", "round_start"):
        config = make(algorithm={"kl_coef": 0.1, "kl_reference": reference, "minibatch_size": 0})
        kl[reference] = update(config, arena, state=start).metrics["epochs"][0]["kl"]
    assert kl["round_start"] == pytest.approx(0.0, abs=1e-6)
    assert kl["pretrained"] > 0.01


def test_step_samples_are_written(arena, tmp_path):
    config = make()
    done = update(config, arena)
    path = tmp_path / "samples.gz"
    path.write_bytes(done.samples)
    rows = list(read_samples(path))
    assert len(rows) == sum(epoch["steps"] for epoch in done.metrics["epochs"])
    assert {row["epoch"] for row in rows} == {0, 1}
    assert rows[0]["observation"] in {text_hash(f"closed press {color}") for color in toy.COLORS}
    by_group: dict = {}
    for row in rows:
        if row["step"] == 0:
            by_group.setdefault((row["epoch"], row["group"]), []).append(row["advantage"])
    assert all(math.fsum(values) == pytest.approx(0, abs=1e-6) for values in by_group.values())
    assert any(any(values) for values in by_group.values())
    # Seed and actions replay the episode.
    first = next(row for row in rows if (row["epoch"], row["group"], row["step"]) == (0, 0, 0))
    env = arena.take(2, split="train")
    observation, _ = env.reset(seed=first["episode_seed"], options={"task_id": first["task_id"]})
    assert text_hash(observation) == first["observation"]
    silent = make(storage={"samples": False})
    assert update(silent, arena).samples == b""


def test_deadlines(arena):
    with pytest.raises(
        ClientTimeoutError, match=r"not done after 0\.0 s \(federation\.timeout_s\)"
    ):
        update(make(), arena, check=deadline(0.0))
    deadline(None)()
    deadline(60.0)()


def test_masked_samples_do_not_count(arena):
    config = make(algorithm={"minibatch_size": 0, "entropy_coef": 0.01})
    policy, twin = make_policy(config), make_policy(config)
    episodes = episodes_of(arena, config, policy)
    padded = [
        replace(e, steps=(*e.steps, replace(e.steps[0], mask=0.0, reward=0.0))) for e in episodes
    ]
    Learner(config, policy).update(episodes, STREAM, nothing)
    Learner(config, twin).update(padded, STREAM, nothing)
    torch.testing.assert_close(policy.state(), twin.state(), rtol=1e-3, atol=1e-5)
    assert isinstance(padded[0].steps[-1], StepSample)
