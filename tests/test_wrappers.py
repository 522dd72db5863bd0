"""Wrappers: RecordTrajectory writes what replay accepts, DiscreteAction counts actions."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from fedenv.errors import ConfigError, DataError
from fedenv.recording import read_records
from fedenv.replay import replay_file
from fedenv.wrappers import DiscreteAction, RecordTrajectory

ENV_ID = "FedWebShop-CatalogSplit-v0"


def first_words(observation: str) -> str:
    return " ".join(observation.split("[SEP]")[2].split()[:6])


def test_every_episode_is_recorded_and_replays(tmp_path):
    path = tmp_path / "t.jsonl"
    env = RecordTrajectory(gymnasium.make(ENV_ID, client_id=5), path)
    assert path.read_bytes() == b""
    env.reset(seed=1)  # abandoned before its first step: nothing to keep
    env.reset(seed=2)
    env.step("search[shoes]")
    env.reset()  # abandons the one above
    for _ in range(15):
        _, _, _, truncated, _ = env.step("nothing")
    assert truncated
    env.step("search[after the end]")
    env.reset(seed=3)
    env.step("search[tea]")
    env.close()
    records = [record for _, record in read_records(path)]
    assert [len(record.steps) for record in records] == [1, 15, 1]
    assert [record.episode_seed for record in records[::2]] == [2, 3]
    assert all(result.ok for result in replay_file(path))


def test_records_are_appended_after_a_half_line(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b'{"format":"fede')
    env = RecordTrajectory(gymnasium.make(ENV_ID), path)
    env.reset(seed=2)
    env.step("search[shoes]")
    env.close()
    assert [result.ok for result in replay_file(path)] == [True]


def test_recording_refuses_what_it_cannot_keep(tmp_path):
    env = RecordTrajectory(gymnasium.make(ENV_ID), tmp_path / "t.jsonl")
    env.reset(seed=2)
    with pytest.raises(TypeError, match="must be a str"):
        env.step(3)
    with pytest.raises(ConfigError, match="below every other wrapper"):
        RecordTrajectory(
            DiscreteAction(gymnasium.make(ENV_ID), query=first_words), tmp_path / "t.jsonl"
        )
    with pytest.raises(DataError, match="cannot be written"):
        RecordTrajectory(gymnasium.make(ENV_ID), tmp_path / "missing" / "t.jsonl")


def test_wrapped_spec_round_trips(tmp_path):
    env = RecordTrajectory(gymnasium.make(ENV_ID, client_id=5), tmp_path / "t.jsonl")
    again = gymnasium.make(gymnasium.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert isinstance(again, RecordTrajectory)
    assert again.unwrapped.client_id == 5


def test_numbers_choose_actions(tmp_path):
    path = tmp_path / "t.jsonl"
    env = DiscreteAction(RecordTrajectory(gymnasium.make(ENV_ID), path), 12, query=first_words)
    assert env.action_space == gymnasium.spaces.Discrete(12)
    _, info = env.reset(seed=3)
    assert info["admissible_actions"] == ["search[<query>]"]
    assert info["action_mask"].tolist() == [1] + [0] * 11
    _, _, _, _, info = env.step(np.int64(0))
    assert info["action_valid"]
    assert info["action_mask"].dtype == np.int8
    assert info["action_mask"].sum() == min(12, len(info["admissible_actions"]))
    before = info["admissible_actions"]
    for wrong in (12, -1, 10**9):
        _, reward, _, _, info = env.step(wrong)
        assert not info["action_valid"]
        assert reward == 0.0
        assert info["admissible_actions"] == before
    rng = np.random.default_rng(0)
    ended = False
    while not ended:
        number = rng.choice(np.flatnonzero(info["action_mask"]))
        _, _, terminated, truncated, info = env.step(number)
        assert info["action_valid"]
        ended = terminated or truncated
    (record,) = (record for _, record in read_records(path))
    assert "<query>" not in record.steps[0].action
    assert all(result.ok for result in replay_file(path))


def test_discrete_action_needs_a_query():
    env = DiscreteAction(gymnasium.make(ENV_ID))
    with pytest.raises(ConfigError, match="query=f"):
        env.reset(seed=0)
    with pytest.raises(ConfigError, match="max_actions"):
        DiscreteAction(gymnasium.make(ENV_ID), 0)


@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
def test_discrete_action_passes_the_checker():
    check_env(DiscreteAction(gymnasium.make(ENV_ID), query=first_words), skip_render_check=True)
