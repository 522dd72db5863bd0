"""Success labels: the same for any number of processes, after a kill, and on every machine."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from click.testing import CliRunner

import fedenv
from fedenv import cli
from fedenv.agents import EpsilonAgent, RandomAgent
from fedenv.errors import ConfigError, DataError
from fedenv.labelling import TASKS_PER_JOB, LabelConfig, count_successes, measure_labels
from fedenv.partitions.labels import Labels
from fedenv.seeding import frozen_rng

PLAIN = "FedWebShop-v0"
ROOT = Path(fedenv.__file__).parents[1]


def config(shelf: str, **changes) -> LabelConfig:
    return LabelConfig(
        **{"env_id": PLAIN, "agent": "keyword", "epsilon": 0.3, "data": shelf, "episodes": 4}
        | changes
    )


@pytest.fixture(scope="module")
def whole(shelf, tmp_path_factory) -> tuple[bytes, Labels]:
    """An uninterrupted measurement: the file's bytes, and the labels."""
    path = tmp_path_factory.mktemp("whole") / "labels.json"
    labels = measure_labels(config(shelf), path)
    assert [entry.name for entry in path.parent.iterdir()] == ["labels.json"]
    return path.read_bytes(), labels


def test_every_training_task_has_a_rate_and_the_file_says_whose(shelf, whole):
    content, labels = whole
    world = fedenv.Federation(PLAIN, data=shelf).world
    pool = world.splits.pool("train")
    assert set(labels.rates) == set(pool.ids)
    assert len(pool) == 40
    assert all(float(4 * rate).is_integer() for rate in labels.rates.values())
    assert 0 < np.mean(labels.of(pool)) < 1
    assert len(set(labels.rates.values())) > 2
    written = json.loads(content)["provenance"]
    assert written == {
        "policy": "keyword, epsilon 0.3",
        "env_id": PLAIN,
        "env_digest": config(shelf).make_env().unwrapped.fingerprint()["fingerprint"],
        "data_digest": world.data_digest,
        "episodes": 4,
        "seed": 0,
        "fedenv_version": fedenv.__version__,
    }


def test_workers_change_nothing(shelf, whole, tmp_path):
    measure_labels(config(shelf), tmp_path / "l.json", workers=2)
    assert (tmp_path / "l.json").read_bytes() == whole[0]


def test_a_task_is_measured_alone(shelf, whole):
    """The draws of a task depend on no other task."""
    ids = config(shelf).make_env().unwrapped.task_ids
    for index in (7, 30):
        counts = count_successes(config(shelf), [index])
        assert counts == {ids[index]: 4 * whole[1].rates[ids[index]]}


def test_seed_epsilon_and_kernel_matter(shelf, whole, tmp_path):
    one = measure_labels(config(shelf, seed=1), tmp_path / "1.json")
    calm = measure_labels(config(shelf, epsilon=0.01), tmp_path / "2.json")
    assert one.rates != whole[1].rates
    assert np.mean(list(calm.rates.values())) > np.mean(list(whole[1].rates.values()))
    rank = config(shelf, env_id="FedWebShop-RankWrapper-v0")
    assert rank.make_env().unwrapped.tasks.kernel_kind == "reference"
    assert len({labels.digest for labels in (one, calm, whole[1])}) == 3


@pytest.mark.parametrize("seed", range(4))
def test_a_resumed_measurement_equals_the_whole_one(shelf, whole, tmp_path, seed):
    path, folder = tmp_path / "l.json", tmp_path / "l.json.run"
    rng = random.Random(seed)

    def stop(done: int, total: int) -> None:
        assert total == 40
        if done >= rng.randrange(1, 40):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_labels(config(shelf), path, progress=stop)
    assert not path.exists()
    lines = (folder / "episodes.jsonl").read_bytes()
    kept = lines[: rng.randrange(len(lines))]
    (folder / "episodes.jsonl").write_bytes(kept)
    calls = []
    measure_labels(config(shelf), path, progress=lambda *call: calls.append(call))
    assert calls[0] == (kept.count(b"\n"), 40)
    assert calls[-1] == (40, 40)
    assert len(calls) == 1 + math.ceil((40 - calls[0][0]) / TASKS_PER_JOB)
    assert path.read_bytes() == whole[0]
    assert not folder.exists()


def test_what_is_there_is_kept_or_refused(shelf, whole, tmp_path):
    path = tmp_path / "l.json"
    path.write_bytes(whole[0])
    calls = []
    again = measure_labels(config(shelf), path, progress=lambda *call: calls.append(call))
    assert (again, calls) == (whole[1], [])
    with pytest.raises(ConfigError, match=r"(?s)other labels.*episodes: there 4, here 3") as caught:
        measure_labels(config(shelf, episodes=3), path)
    assert "seed" not in str(caught.value)
    Labels(dict(list(whole[1].rates.items())[:30]), whole[1].provenance).save(path)
    with pytest.raises(ConfigError, match="tasks: there 30, here 40"):
        measure_labels(config(shelf), path)
    measure_labels(config(shelf), path, overwrite=True)
    assert path.read_bytes() == whole[0]


def test_another_run_is_refused(shelf, tmp_path):
    path = tmp_path / "l.json"

    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_labels(config(shelf), path, progress=stop)
    with pytest.raises(ConfigError, match=r"provenance.seed: there 0, here 5"):
        measure_labels(config(shelf, seed=5), path)
    journal = tmp_path / "l.json.run" / "episodes.jsonl"
    line, other = journal.read_text().splitlines()[:2]
    many = json.dumps([json.loads(other)[0], 5])
    for bad in (line, '["nobody", 1]', many, "3", "{", "[[], 1]"):
        journal.write_text(f"{line}\n{bad}\n")
        with pytest.raises(DataError, match=r"episodes.jsonl, line 2: expected a task"):
            measure_labels(config(shelf), path)
    measure_labels(config(shelf, seed=5), path, overwrite=True)
    assert Labels.load(path).provenance.seed == 5


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_measurement_resumes(shelf, tmp_path, workers):
    path = tmp_path / "l.json"
    command = [sys.executable, "-W", "error", "-m", "fedenv", "label", "--env", PLAIN]
    command += ["--agent", "keyword", "--epsilon", "0.3", "--episodes", "60", "--data", shelf]
    command += ["--workers", str(workers), "--out", str(path)]
    quiet = {"cwd": ROOT, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, **quiet)
    journal = tmp_path / "l.json.run" / "episodes.jsonl"
    deadline = time.monotonic() + 60
    while not journal.exists() or not journal.stat().st_size:
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    assert process.wait() != 0
    assert not path.exists()
    assert 0 < journal.read_bytes().count(b"\n") < 40
    with journal.open("ab") as stream:
        stream.write(b'["webshop-')
    subprocess.run(command, check=True, **quiet)
    measure_labels(config(shelf, episodes=60), tmp_path / "whole.json")
    assert path.read_bytes() == (tmp_path / "whole.json").read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epsilon": 0}, r"always does the same.*expected epsilon in \(0, 1\]"),
        ({"epsilon": 1.5}, r"epsilon must be in \(0, 1\], got 1.5"),
        ({"epsilon": float("nan")}, "epsilon must be"),
        ({"episodes": 1}, "episodes must be at least 2"),
        ({"seed": -1}, "seed must be"),
        ({"agent": "nobody"}, "unknown agent 'nobody'; legal: 'random'"),
        ({"env_id": "FedNope-v0"}, "unknown environment id"),
        ({"settings": {"num_clients": 3}}, f"unknown setting for {PLAIN} 'num_clients'"),
    ],
)
def test_bad_configurations(shelf, changes, message):
    with pytest.raises(ConfigError, match=message):
        config(shelf, **changes)
    with pytest.raises(ConfigError, match="workers"):
        measure_labels(config(shelf), "unused", workers=0)


def test_settings_reach_the_environment(shelf):
    env = config(shelf, settings={"observation_mode": "text_rich"}).make_env()
    assert env.reset(seed=0)[0].startswith("WebShop\n")


def test_the_random_agent_is_epsilon_one():
    config = LabelConfig(PLAIN, "random")
    assert (config.epsilon, config.policy) == (1.0, "random")
    assert replace(config, agent="first", epsilon=1).policy == "first, epsilon 1.0"


class Stubborn:
    """Says one word."""

    def reset(self, observation, info):
        pass

    def act(self, observation, info):
        return "stubborn"


@pytest.mark.parametrize("epsilon", [0.0, 0.2, 1.0])
def test_an_epsilon_agent_is_random_so_often(epsilon):
    agent = EpsilonAgent(Stubborn(), epsilon, frozen_rng("test", epsilon))
    info = {"admissible_actions": ["search[<query>]", "click[a]"]}
    agent.reset("one two 3", info)
    acts = [agent.act("", info) for _ in range(4000)]
    share = sum(act != "stubborn" for act in acts) / len(acts)
    assert abs(share - epsilon) < 0.03
    searches = [act[len("search[") : -1].split() for act in acts if act.startswith("search[")]
    assert {word for words in searches for word in words} <= {"one", "two"}
    if epsilon:
        assert {len(words) for words in searches} == {1, 2, 3, 4, 5}
        assert 0.4 < len(searches) / (share * len(acts)) < 0.6


def test_the_draws_are_pinned():
    """Published labels depend on these draws, and on those of the random agent."""
    env = gymnasium.make(PLAIN, disable_env_checker=True)
    agent = EpsilonAgent(RandomAgent(env, np.random.default_rng(0)), 1.0, frozen_rng("pinned"))
    observation, info = env.reset(seed=3)
    agent.reset(observation, info)
    first = agent.act(observation, info)
    assert first == PINNED


PINNED = "search[Search dress me]"


def test_label_command(shelf, tmp_path):
    path = tmp_path / "new" / "labels.json.gz"
    arguments = ["label", "--env", PLAIN, "--agent", "keyword", "--data", shelf, "--out", str(path)]
    result = CliRunner().invoke(cli.main, arguments)
    assert result.exit_code == 2
    assert "--epsilon 0.2" in result.stderr
    arguments += ["--epsilon", "0.3", "--episodes", "4"]
    text = CliRunner().invoke(cli.main, arguments, catch_exceptions=False).output
    labels = Labels.load(path)
    assert f"labels {labels.digest} of 40 tasks" in text
    assert "keyword, epsilon 0.3" in text
    for word in ("beauty", "garden", "[0.9, 1.0]"):
        assert word in text
