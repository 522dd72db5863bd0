"""A configuration: every key is checked, read by someone, and explained."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from baselines.config import SECTIONS, Config, config_from, config_from_json, read_config
from baselines.keys import info_of, rows_of
from fedenv.errors import ConfigError, DataError

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = {"environment": {"id": "FedWebShop-v0"}, "algorithm": {"name": "grpo"}}


def changed(table, **values):
    return {**MINIMAL, table: {**MINIMAL.get(table, {}), **values}}


def test_defaults_are_the_papers():
    config = config_from(MINIMAL)
    assert (config.environment.num_clients, config.environment.federation_seed) == (100, 42)
    federation = config.federation
    assert (federation.rounds, federation.clients_per_round, federation.local_epochs) == (70, 2, 3)
    assert (config.tasks_per_epoch, config.group_size) == (8, 8)
    ppo = config_from(changed("algorithm", name="ppo"))
    assert (ppo.tasks_per_epoch, ppo.group_size, ppo.uses_critic) == (64, 1, True)
    assert (config.algorithm.clip, config.algorithm.dual_clip) == (0.2, 3.0)
    assert (config.rollout.reward_scale, config.rollout.invalid_action_penalty) == (10.0, 0.1)
    assert (config.optimizer.actor_lr, config.optimizer.critic_lr) == (1e-6, 1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"algorithm": {"name": "grpo"}}, r"\[environment\] needs the key 'id'"),
        ({**MINIMAL, "federated": {}}, "unknown table 'federated'; legal: 'environment'"),
        (changed("federation", round=3), r"unknown key in \[federation\] 'round'; legal: 'mode'"),
        (changed("federation", rounds="many"), "federation.rounds must be an integer, got 'many'"),
        (changed("federation", rounds=True), "federation.rounds must be an integer, got True"),
        (changed("federation", rounds=0), "federation.rounds must be at least 1, got 0"),
        (changed("federation", mode="solo"), "unknown federation.mode 'solo'; legal: 'federated'"),
        (changed("optimizer", actor_lr=0), "optimizer.actor_lr must be above 0, got 0"),
        (changed("optimizer", actor_lr=float("nan")), "must be above 0, got nan"),
        (changed("optimizer", betas=[0.9]), "optimizer.betas must be two numbers"),
        (changed("optimizer", betas=[0.9, 1.0]), "optimizer.betas must be"),
        (changed("algorithm", clip=1.5), "algorithm.clip must be above 0 and at most 1, got 1.5"),
        (changed("algorithm", dual_clip=0.5), "algorithm.dual_clip must be 0"),
        (changed("federation", clients_per_round=101), "at most environment.num_clients=100"),
        (changed("federation", min_clients=3), "min_clients must be at most 2"),
        (changed("federation", mode="local"), "local_client goes with mode = 'local'"),
        (changed("federation", local_client=3), "local_client goes with mode = 'local'"),
        (changed("federation", mode="local", local_client=100), r"must be in 0\.\.99, got 100"),
        (changed("rollout", group_size=1), "group_size must be at least 2 for grpo"),
        ({**MINIMAL, "run": 3}, r"\[run\] must be a table"),
    ],
)
def test_illegal_values_are_named(content, message):
    with pytest.raises(ConfigError, match=message):
        config_from(content)


def test_a_whole_number_is_a_number():
    assert config_from(changed("rollout", reward_scale=5)).rollout.reward_scale == 5.0
    timeout = config_from(changed("federation", timeout_s=5)).federation.timeout_s
    assert isinstance(timeout, float)


def test_files_and_changes(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(
        '[environment]\nid = "FedWebShop-RankWrapper-v0"\n[environment.knobs]\nsurface_k = 200\n'
        '[algorithm]\nname = "ppo"\n[optimizer]\nbetas = [0.8, 0.9]\n'
    )
    config = read_config(path, {"run.seed": 3, "environment.knobs.shuffle_k": 20})
    assert config.run.seed == 3
    assert config.environment.knobs == {"surface_k": 200, "shuffle_k": 20}
    assert config.optimizer.betas == (0.8, 0.9)
    with pytest.raises(ConfigError, match=r"expected TABLE\.KEY"):
        read_config(path, {"seed": 3})
    with pytest.raises(DataError, match="cannot be read"):
        read_config(tmp_path / "none.toml")
    path.write_text("id = ")
    with pytest.raises(DataError, match=r"run\.toml: no TOML"):
        read_config(path)


def test_json_goes_round():
    config = config_from(changed("federation", mode="local", local_client=3))
    assert config_from_json(config.to_json()) == config


def test_identity_leaves_out_what_changes_no_result():
    config = config_from(MINIMAL)
    same = [
        changed("federation", rounds=9, retries=0, timeout_s=2.0, min_clients=1),
        changed("storage", keep_rounds=0, samples=False),
    ]
    assert {config_from(content).digest for content in same} == {config.digest}
    assert config_from(changed("run", seed=1)).digest != config.digest
    assert config_from(changed("federation", local_epochs=2)).digest != config.digest


def test_every_key_is_explained_and_read_by_someone():
    read = set()
    for path in (ROOT / "baselines").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                read.add(node.attr)
    assert [item.name for item in fields(Config)] == list(SECTIONS)
    for kind in SECTIONS.values():
        for item in fields(kind):
            assert len(info_of(item).help) > 10
            assert item.name in read, f"nobody reads {item.name}"
        assert len(list(rows_of(kind))) == len(fields(kind))
