"""FedALFWorld through Gymnasium: what it takes, what it tells, and how an episode ends."""

import gc
import json
import pickle
from dataclasses import replace
from importlib.util import find_spec

import gymnasium as gym
import pytest
from click.testing import CliRunner

import fedenv
from fedenv import cli, data
from fedenv.alfworld import world
from fedenv.alfworld.bundled import GAMES, bundled_games
from fedenv.alfworld.oracle import solve
from fedenv.alfworld.records import Record
from fedenv.alfworld.textworld_engine import PACKAGES
from fedenv.alfworld.variants import REFERENCE
from fedenv.alfworld.vocabulary import FOLDER
from fedenv.alfworld.world import FAMILY
from fedenv.errors import ConfigError, DataError
from fedenv.partitions.labels import Labels, Provenance
from tests.alfworld.trees import game_text, sample, trial_path, write_trial
from tests.conftest import ALFWORLD_IDS

INSTALLED = all(find_spec(package) for package in PACKAGES)
HEAT = "pick_heat_then_place_in_recep"


def solved(env, seed, stop=0):
    """Play the oracle's plan up to so many steps before its end; return the last step."""
    env.reset(seed=seed)
    plan = solve(env.unwrapped.episode.game)
    steps = [env.step(command) for command in plan[: len(plan) - stop]]
    return steps[-1]


def of_type(env, kind):
    tasks = env.unwrapped.tasks
    all_tasks = env.unwrapped.federation.world.splits.tasks
    return next(all_tasks[i].id for i in tasks.positions if all_tasks[i].category == kind)


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_an_episode_ends_at_the_goal(env_id):
    env = gym.make(env_id, client_id=3)
    observation, reward, terminated, truncated, info = solved(env, 1)
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert (info["success"], info["score"]) == (True, 1.0)
    assert info["reward_terms"] == {"goal_condition_success_rate": 1.0}
    again, reward, terminated, _, after = env.unwrapped.step("look")
    assert (again, reward, terminated, after["action_valid"]) == (observation, 0.0, True, False)
    _, reward, terminated, _, info = solved(env, 1, stop=1)
    assert (reward, terminated, info["reward_terms"]) == (0.0, False, {})


@pytest.mark.parametrize(("count", "expected"), [(0, 0.0), (1, 0.5)])
def test_the_goal_conditions_are_told_at_the_step_limit(count, expected):
    """The goal asks for two facts: the thing is hot, and it is in place."""
    env = gym.make("FedALFWorld-v0")
    env.reset(options={"task_id": of_type(env, HEAT)})
    plan = solve(env.unwrapped.episode.game)
    hot = next(i for i, command in enumerate(plan) if command.startswith("heat"))
    commands = plan[: (hot + 1) * count]
    for command in [*commands, *["look"] * (50 - len(commands))]:
        assert env.unwrapped.episode.reward_terms == {}
        *_, truncated, info = env.step(command)
    assert truncated
    assert info["reward_terms"] == {"goal_condition_success_rate": expected}
    assert (info["score"], info["success"]) == (0.0, False)


@pytest.mark.parametrize("action", ["", "dance", "take", None, 5, b"look", ["look"], "look\nlook"])
def test_what_is_no_command_changes_nothing(action):
    env = gym.make("FedALFWorld-v0", disable_env_checker=True).unwrapped
    _, before = env.reset(seed=0)
    observation, reward, terminated, truncated, info = env.step(action)
    assert observation == "Nothing happens."
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert info == {**before, "step": 1, "action_valid": False}


def test_the_splits_are_alfworlds():
    env = gym.make("FedALFWorld-v0", split="test").unwrapped
    splits = env.federation.world.splits
    sizes = {name: len(splits.of(name)) for name in ("train", "val", "test")}
    assert sizes == {"train": 3553, "val": 140, "test": 134}
    games = bundled_games().games
    scenes = {name: {games[i].scene for i in splits.of(name)} for name in ("train", "val", "test")}
    assert scenes["val"] <= scenes["train"]
    assert not scenes["test"] & scenes["train"]
    for i in splits.of("test"):
        assert games[i].split == "valid_unseen"
        assert games[i].id == splits.tasks[i].id


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_val_and_test_run_in_the_reference_house(env_id):
    reference = fedenv.Federation(env_id).kernel(5, "reference")
    for split in ("val", "test"):
        env = gym.make(env_id, client_id=5, split=split).unwrapped
        assert env.tasks.kernel.digest == reference.digest
    own = gym.make(env_id, client_id=5).unwrapped.tasks.kernel
    assert (own.digest == reference.digest) is (env_id == "FedALFWorld-v0")


def test_admissible_decides_what_the_list_tells():
    lists = {}
    for mode in ("true", "rendered", "none"):
        env = gym.make("FedALFWorld-ShiftedContents-v0", client_id=0, admissible=mode)
        for index in range(20):
            env.reset(options={"task_index": index})
            places = env.unwrapped.episode.game.house.receptacle_names
            for place in places[:8]:
                observation, *_, info = env.step(f"go to {place}")
                lists.setdefault((index, place, observation), {})[mode] = info["admissible_actions"]
    assert all(len(found) == 3 for found in lists.values()), "observations are the same"
    differing = 0
    for (_, place, observation), found in lists.items():
        assert found["none"] == []
        others = set(found["true"]) ^ set(found["rendered"])
        assert all(command.startswith(("take ", "use ")) for command in others)
        offered = [c.split()[1:3] for c in found["rendered"] if c.endswith(f" from {place}")]
        if observation.startswith(f"You arrive at {place}."):
            assert all(f"a {kind} {number}" in observation for kind, number in offered)
        differing += bool(others)
    assert differing > 20


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"engine": "slow"}, "unknown engine 'slow'; legal: 'fast', 'textworld'"),
        ({"admissible": True}, "unknown admissible True; legal: 'true', 'rendered', 'none'"),
        ({"keep_ratio": 0.5}, "unknown argument 'keep_ratio'; legal here: client_id"),
        ({"k1": 1.0}, 'engine: "fast" or "textworld"'),
        ({"data": "no/such/folder"}, "no such folder"),
        ({"split": "val", "eval_tasks": 141}, r"1\.\.140"),
        ({"split_by": "goal"}, "unknown argument 'split_by'"),
    ],
)
def test_bad_arguments_are_refused_with_the_legal_ones(kwargs, message):
    with pytest.raises(ConfigError if "data" not in kwargs else DataError, match=message):
        gym.make("FedALFWorld-v0", **kwargs)


def test_the_original_plays_no_rules_of_ours():
    with pytest.raises(ConfigError, match="changes its matching; legal with it: none, inventory"):
        gym.make("FedALFWorld-DoorRule-v0", engine="textworld")


def test_houses_are_shared_by_clients_and_kernels():
    envs = [gym.make(env_id, client_id=k) for env_id in ALFWORLD_IDS[2:] for k in (0, 1)]
    houses = set()
    for env in envs:
        tasks = env.unwrapped.tasks
        houses.add(id(tasks.begin(7, 0).game.house))
        houses.add(id(env.unwrapped.federation.kernel(0, "reference").begin(7, 0).game.house))
    assert len(houses) == 1
    split = fedenv.Federation("FedALFWorld-InventorySplit-v0")
    assert split.kernel(0).begin(7, 0).game.house is not split.kernel(1).begin(7, 0).game.house
    assert split.kernel(0).begin(7, 0).game.house is split.kernel(0).begin(7, 0).game.house


@pytest.mark.parametrize("env_id", ALFWORLD_IDS)
def test_a_pickled_episode_goes_on(env_id):
    env = gym.make(env_id, client_id=2)
    env.reset(seed=4)
    plan = solve(env.unwrapped.episode.game)
    for command in plan[:2]:
        env.step(command)
    data = pickle.dumps(env)
    assert len(data) < 40_000
    twin = pickle.loads(data)
    assert [twin.step(c) for c in plan[2:]] == [env.step(c) for c in plan[2:]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A folder as ``alfworld-download`` makes it, of every 150th bundled game."""
    folder = tmp_path_factory.mktemp("data")
    rows = json.loads(data.read_bytes(FOLDER / GAMES))["games"]
    records = [Record.from_json(row[2:]) for row in rows]
    for number, (position, game, record) in enumerate(sample(records, 150)):
        text = game_text(bundled_games().problem(position))
        write_trial(folder / "json_2.1.1", trial_path(game, record, number), text)
    write_trial(folder / "json_2.1.1", f"train/{HEAT}-X-None-Y-1/trial_T2019_9", "{")
    return folder


def fed(*arguments, status=0):
    result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == status, result.output
    return result.output


def test_a_folder_of_games(tree):
    env_id = "FedALFWorld-VisibilityMask-v0"
    text = fed("data", "index", tree, "--env", env_id)
    assert (tree / "json_2.1.1" / "fedenv-index.json.gz").is_file()
    games = FAMILY.open("none", str(tree), {}).houses.games
    assert games.digest in text
    text = fed("data", "check", tree, "--env", env_id)
    assert f"gamesoftrain│{len(games.splits.of('train'))}" in text.replace(" ", "")
    assert "not used: broken JSON" in text
    text = fed("info", env_id, "--data", tree, "--client", 3, "--num-clients", 5)
    assert games.digest in text
    text = fed("rollout", env_id, "--data", tree, "--agent", "oracle", "--num-clients", 5)
    assert "Task solved" in text
    bundled = fedenv.Federation(env_id, num_clients=5)
    own = fedenv.Federation(env_id, num_clients=5, data=str(tree))
    assert own.digest != bundled.digest
    assert own.kernel(3).digest == bundled.kernel(3).digest, "rules do not depend on the games"
    assert set(own.client(0).task_ids) < {game.id for game in bundled_games().games}


def test_labels_of_a_folder(tree):
    opened = FAMILY.open("none", str(tree), {})
    assert opened.labels() is None
    before = FAMILY.stamp(str(tree))
    path = tree / "json_2.1.1" / "labels.json"
    rates = {task.id: 0.5 for task in opened.splits.pool("train").tasks}
    provenance = Provenance("keyword", "FedALFWorld-v0", "x", opened.data_digest, 2, 0)
    Labels(rates, provenance).save(path)
    try:
        assert FAMILY.stamp(str(tree)) != before
        assert opened.labels().rates == rates
        Labels(rates, replace(provenance, data_digest="other")).save(path)
        with pytest.raises(DataError, match="these labels were made for data"):
            opened.labels()
    finally:
        path.unlink()


def test_data_check_counts_the_bundled_games():
    text = fed("data", "check", "--env", "FedALFWorld-v0")
    assert "Pick 790, Look 308, Clean 650, Heat 459, Cool 533, Pick2 813" in text
    assert "Pick 24, Look 18, Clean 31, Heat 23, Cool 21, Pick2 17" in text
    assert (
        "no lookalikes"
        in CliRunner().invoke(cli.main, ["data", "lookalikes", "--env", "FedALFWorld-v0"]).stderr
    )


def test_rollout_and_replay(tmp_path):
    file = tmp_path / "t.jsonl"
    for env_id in ALFWORLD_IDS:
        fed("rollout", env_id, "--agent", "keyword", "--client", 3, "--record", file)
    assert "5 of 5 episodes" in fed("replay", file)
    text = fed("manifest", "FedALFWorld-DoorRule-v0", "--num-clients", 3)
    assert {row["pool_index"] for row in json.loads(text)["clients"]} == {0, 3}


class StandIn:
    """Says what a game in ALFWorld itself might say."""

    def __init__(self, problem_text, task_desc, wording, worker):
        self.worker = worker
        self.said = problem_text[:30]

    def reset(self):
        return self.said, ["look"]

    def step(self, command):
        return f"{command}!", ["help"], command == "win"


def test_the_original_speaks_in_processes_that_kernels_share(monkeypatch):
    monkeypatch.setattr(world, "TextWorldWorker", object)
    monkeypatch.setattr(world, "TextWorldGame", StandIn)
    # Houses of their own: the stand-in's processes must not stay for other tests.
    games, knobs = world.Houses(bundled_games()), world._Knobs("textworld", "true", {})
    kernels = [world.AlfredKernel(games, REFERENCE, "content", knobs) for _ in range(2)]
    one, other = (kernel.begin(5, 0) for kernel in kernels)
    assert one.original.worker is not other.original.worker
    used = one.original.worker
    assert (one.observation, one.admissible_actions) == (one.original.said, ["look"])
    assert one.act("inventory")
    assert (one.observation, one.admissible_actions, one.done) == ("inventory!", ["help"], False)
    one.act("win")
    assert (one.done, one.score, one.success) == (True, 1.0, True)
    del one
    gc.collect()
    assert kernels[1].begin(6, 0).original.worker is used


@pytest.mark.skipif(not INSTALLED, reason="needs the extra alfworld")
@pytest.mark.parametrize("env_id", ALFWORLD_IDS[:2])
def test_the_original_says_the_same(env_id):
    ours, theirs = (
        gym.make(env_id, client_id=3, engine=engine).unwrapped for engine in ("fast", "textworld")
    )
    for seed in (1, 2):
        assert ours.reset(seed=seed) == theirs.reset(seed=seed)
        plan = solve(ours.episode.game)
        for command in ["look", "nonsense", "", "\ud800", 7, " look ", *plan]:
            assert ours.step(command) == theirs.step(command), command
    gc.collect()
    assert len(theirs.federation.world.houses._idle) == 1, "its processes are used again"
