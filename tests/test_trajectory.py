"""Episode records and their replay: what is written comes out again, what was changed does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fedenv  # noqa: F401 (registers the environments)
from fedenv.agents import RandomAgent
from fedenv.errors import ConfigError, DataError, ReplayError
from fedenv.recording import Recorder, append, drop_partial_line, read_records
from fedenv.replay import Replayer, replay, replay_file
from fedenv.trajectory import EpisodeRecord, Step, chain_link, text_hash
from tests.chains import forge, forge_step

ENV_ID = "FedWebShop-RankWrapper-v0"
KWARGS = {"client_id": 3, "split": "val", "kernel": "client"}


def record_episode(actions=None, seed=5, **kwargs) -> EpisodeRecord:
    env = gymnasium.make(ENV_ID, **{**KWARGS, **kwargs})
    recorder = Recorder(env)
    agent = RandomAgent(env, np.random.default_rng(seed))
    observation, info = env.reset(seed=seed)
    recorder.reset(observation, info)
    agent.reset(observation, info)
    for number in range(30):
        if actions is not None and number >= len(actions):
            break
        action = agent.act(observation, info) if actions is None else actions[number]
        observation, reward, terminated, truncated, info = env.step(action)
        recorder.step(action, observation, reward, terminated, truncated, info)
        if terminated or truncated:
            break
    return recorder.finish()


@pytest.fixture(scope="module")
def bought() -> EpisodeRecord:
    env = gymnasium.make(ENV_ID, **KWARGS)
    env.reset(seed=5)
    _, _, _, _, info = env.step("search[shirt]")
    product = next(a for a in info["admissible_actions"] if a.startswith("click[b0"))
    return record_episode(["search[shirt]", product, "nonsense", "click[buy now]"])


@pytest.fixture(scope="module")
def line(bought) -> bytes:
    return f"{bought.to_json_line()}\n".encode("ascii")


def test_record_describes_the_episode(bought):
    assert [step.terminated for step in bought.steps] == [False, False, False, True]
    assert [step.action_valid for step in bought.steps] == [True, True, False, True]
    assert bought.steps[-1].reward == bought.score
    assert bought.client_id == 3
    assert bought.env_kwargs["client_id"] == 3
    assert bought.intact
    assert bought.steps[1].observation == bought.steps[2].observation


def test_line_round_trip(bought):
    text = bought.to_json_line()
    assert text.isascii()
    assert "\n" not in text
    assert EpisodeRecord.from_json_line(text, "x") == bought
    value = json.loads(text)
    assert value["format"] == "fedenv-trajectory/1"
    assert value["env"]["id"] == ENV_ID


def test_replay_accepts_what_was_recorded(bought, tmp_path):
    path = tmp_path / "t.jsonl"
    records = [bought, record_episode(seed=1), record_episode(seed=2, kernel="reference")]
    records += [record_episode([], seed=9), record_episode(["search[\ud800 x]", ""], seed=8)]
    records.append(record_episode(seed=3, max_episode_steps=2, surface_k=200, reward="success"))
    for record in records:
        append(path, record)
    assert [record for _, record in read_records(path)] == records
    assert records[-1].steps[-1].truncated
    results = list(replay_file(path))
    assert [result.line for result in results] == [1, 2, 3, 4, 5, 6]
    assert all(result.ok for result in results), [str(r) for r in results if not r.ok]


@settings(deadline=None, max_examples=200)
@given(position=st.integers(0, 10**6), change=st.integers(1, 255))
def test_every_changed_byte_is_noticed(line, position, change, tmp_path_factory):
    position %= len(line)
    changed = bytearray(line)
    changed[position] ^= change
    path = tmp_path_factory.getbasetemp() / "changed.jsonl"
    path.write_bytes(line + bytes(changed))
    first, *others = replay_file(path)
    assert first.ok
    assert others
    assert not any(result.ok for result in others)
    for result in others:
        if result.error is not None:
            assert f"{path}, line {result.line}" in str(result.error)
        else:
            assert 0 <= result.result.divergence.step <= 5


@pytest.mark.parametrize(
    ("old", "new", "step"),
    [
        ('"task_id":"webshop-', '"task_id":"webshop+', 0),
        ('"client_id":3,"split"', '"client_id":4,"split"', 0),
        ('"split":"val"', '"split":"vat"', 0),
        ("click[buy now]", "click[buy nox]", 4),
        ("nonsense", "nonsensf", 3),
        ("search[shirt]", "search[skirt]", 1),
    ],
)
def test_changes_are_located(bought, old, new, step):
    text = bought.to_json_line().replace(old, new)
    result = replay(EpisodeRecord.from_json_line(text, "x"))
    assert result.divergence is not None
    assert result.divergence.step == step


def test_unknown_task_is_a_divergence_with_a_reason(bought):
    result = replay(forge(bought, task_id="webshop-none"))
    assert (result.divergence.step, result.divergence.what) == (0, "reset")
    assert "has no task 'webshop-none'" in result.divergence.got


@pytest.mark.parametrize(
    ("index", "changes", "what"),
    [
        (0, {"observation": "0" * 32}, "observation"),
        (3, {"reward": 1.0}, "reward"),
        (1, {"truncated": True}, "truncated"),
        (3, {"terminated": False}, "terminated"),
        (2, {"action_valid": True}, "action_valid"),
        (2, {"action": "click[buy now]"}, "observation"),
    ],
)
def test_forged_steps_diverge(bought, index, changes, what):
    forged = forge_step(bought, index, **changes)
    assert forged.intact
    divergence = replay(forged).divergence
    assert (divergence.step, divergence.what) == (index + 1, what)


def test_forged_ends_and_headers_diverge(bought):
    last = len(bought.steps) + 1
    divergence = replay(forge(bought, score=1.0, success=True)).divergence
    assert (divergence.step, divergence.what) == (last, "end")
    extra = replace(bought.steps[-1], action="search[a]", reward=0.0, action_valid=False)
    divergence = replay(forge(bought, steps=(*bought.steps, extra))).divergence
    assert (divergence.step, divergence.what) == (last, "end")
    assert replay(forge(bought, client_id=4)).divergence.what == "client_id"
    assert replay(forge(bought, observation="0" * 32)).divergence.what == "observation"
    assert replay(forge(bought, episode_seed=-1)).divergence.what == "reset"


def test_what_cannot_be_replayed_here_is_an_error(bought, tmp_path):
    with pytest.raises(ReplayError, match=r"data_digest: recorded 'other', here"):
        replay(forge(bought, fingerprint="0" * 16, parts={**bought.parts, "data_digest": "other"}))
    with pytest.raises(ReplayError, match="unknown environment id"):
        replay(forge(bought, env_id="os:environ"))
    with pytest.raises(ReplayError, match="no such folder"):
        replay(bought, data=str(tmp_path / "missing"))
    with pytest.raises(ReplayError, match="cannot be built"):
        replay(forge(bought, env_kwargs={"id": "x"}))
    assert replay(replace(bought, env_id="os:environ")).divergence.step == 0


def test_replayer_reuses_environments(bought):
    replayer = Replayer()
    assert replayer.replay(bought).ok
    assert replayer.replay(bought).ok
    assert len(replayer._envs) == 1
    replayer.close()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"score":', '"scope":', "score: the field is missing"),
        ('"reward":0.0', '"reward":"0"', r"steps\[0\].reward: expected a number"),
        ('"client_id":3,"split"', '"client_id":true,"split"', "client_id: expected an integer"),
        ("fedenv-trajectory/1", "fedenv-trajectory/9", "format: expected 'fedenv-trajectory/1'"),
        ('"split":"val","task_id"', '"split":"val","x":1,"task_id"', "byte .*expected"),
        ('"reward":0.0', '"reward":0e0', "byte .*one spelling"),
        ('"reward":0.0', '"reward":NaN', "not valid JSON"),
        ('"reward":0.0', '"reward":1e999', "not valid JSON"),
        ('"steps":[', '"steps":[7,', r"steps\[0\]: expected an object"),
        ('{"format"', '["format"', "not valid JSON"),
    ],
)
def test_broken_lines_name_place_and_field(bought, old, new, message):
    text = bought.to_json_line()
    assert old in text
    with pytest.raises(DataError, match=f"^f.jsonl, line 7.*{message}"):
        EpisodeRecord.from_json_line(text.replace(old, new), "f.jsonl, line 7")


def test_broken_lines_do_not_stop_the_others(line, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"\xff\n" + line + b"[" * 100_000 + b"\n" + line + line[:-1])
    results = list(replay_file(path))
    assert [result.ok for result in results] == [False, True, False, True, False]
    assert "stopped in the middle" in str(results[-1].error)
    with pytest.raises(DataError, match="line 1: byte 0: expected ASCII"):
        list(read_records(path))
    with pytest.raises(DataError, match="cannot be read"):
        list(replay_file(tmp_path / "missing.jsonl"))


def test_half_lines_are_dropped(line, tmp_path, caplog):
    path = tmp_path / "t.jsonl"
    assert drop_partial_line(path) == 0
    path.write_bytes(line + line[:100])
    assert drop_partial_line(path) == 100
    assert path.read_bytes() == line
    assert "dropped 100 bytes" in caplog.text
    assert drop_partial_line(path) == 0


def test_recorder_refuses_what_it_cannot_rebuild():
    wrapped = gymnasium.wrappers.TransformReward(gymnasium.make(ENV_ID), lambda reward: reward)
    with pytest.raises(ConfigError, match="below every other wrapper"):
        Recorder(wrapped)
    with pytest.raises(ConfigError, match=r"not made by gymnasium.make"):
        Recorder(gymnasium.Env())
    with pytest.raises(ConfigError, match="fingerprint"):
        Recorder(gymnasium.make("CartPole-v1"))
    recorder = Recorder(gymnasium.make(ENV_ID))
    with pytest.raises(gymnasium.error.ResetNeeded):
        recorder.finish()


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=20))
def test_any_action_survives(action):
    record = forge(_record_of(action))
    again = EpisodeRecord.from_json_line(record.to_json_line(), "x")
    assert again.intact
    if not any("\ud800" <= c <= "\udfff" for c in action):
        assert again == record


def _record_of(action: str) -> EpisodeRecord:
    step = Step(action, text_hash(action), 0.5, False, True, True)
    return EpisodeRecord(
        "e", {"k": [1, None]}, "f", {"a": "b"}, 0, "val", "t", 1, "o", "", (step,), 0.0, False, ""
    )


def test_hashes_are_pinned():
    assert text_hash("a\ud800") == text_hash("a\ud800")
    assert text_hash("") == "e3b0c44298fc1c149afbf4c8996fb924"
    assert chain_link("", {"b": 1, "a": 2}) == chain_link("", {"a": 2, "b": 1})
    assert chain_link("x", 1) != chain_link("", 1)


def test_files_are_relocatable(tmp_path):
    real = Path(__file__).parents[1].parent / "shared" / "data" / "webshop_real"
    if not real.is_dir():
        pytest.skip("the folder of real products is not here")
    moved = tmp_path / "moved"
    moved.mkdir()
    for file in real.glob("items_*.json"):
        (moved / file.name).write_bytes(file.read_bytes())
    record = record_episode(seed=4, data=str(real))
    assert replay(record, data=str(moved)).ok
