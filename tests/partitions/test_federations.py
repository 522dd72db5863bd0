"""Partitions by name in federations and environments."""

import gymnasium as gym
import pytest

from fedenv import Federation
from fedenv.errors import ConfigError, DataError
from fedenv.partitions import PARTITIONS
from fedenv.partitions.labels import Labels, Provenance
from fedenv.partitions.registry import parse
from fedenv.webshop.world import WebShopWorld

ENV_ID = "FedWebShop-v0"


@pytest.fixture(scope="module")
def labels():
    """Labels of the bundled tasks that depend on nothing but their order."""
    world = Federation(ENV_ID).world
    made = Provenance("made", ENV_ID, "e" * 16, world.data_digest, 4, 0)
    ids = world.splits.pool("train").ids
    return Labels({task_id: (i * 7 % 5) / 4 for i, task_id in enumerate(ids)}, made)


@pytest.fixture
def path(labels, tmp_path):
    labels.save(tmp_path / "labels.json")
    return str(tmp_path / "labels.json")


def test_environments_take_a_partition():
    partition = {"name": "preference", "omega": 0.99}
    env = gym.make(ENV_ID, client_id=7, partition=partition)
    _, info = env.reset(seed=0)
    federation = Federation(ENV_ID, partition=partition)
    assert info["task_id"] in federation.client(7).task_ids
    assert federation.manifest()["partition"] == {**partition, "tasks_per_client": 100}
    again = gym.make(gym.envs.registration.EnvSpec.from_json(env.spec.to_json()))
    assert again.reset(seed=0)[1]["task_id"] == info["task_id"]


def test_equal_knobs_give_equal_federations():
    one = Federation(ENV_ID, partition={"name": "coverage", "xi": 1})
    same = {"bounds": (100, 500, 1000), "xi": 1.0, "name": "coverage"}
    assert Federation(ENV_ID, partition=same) == one
    assert Federation(ENV_ID, partition={"name": "coverage", "xi": 2}) != one
    sizes = [client["num_tasks"] for client in one.manifest()["clients"]]
    assert sum(sizes) == 50_000
    assert one.manifest()["measures"]["union"] == 6410


def test_labels_are_part_of_the_federation_but_their_place_is_not(labels, path, tmp_path):
    partition = {"name": "hardness", "xi": 1, "labels": path}
    federation = Federation(ENV_ID, partition=partition)
    labels.save(tmp_path / "elsewhere" / "copy.json.gz")
    other = {**partition, "labels": str(tmp_path / "elsewhere" / "copy.json.gz")}
    assert Federation(ENV_ID, partition=other).digest == federation.digest
    assert federation.manifest()["partition"]["labels"] == labels.digest
    assert federation.manifest()["measures"]["delta2_hard"] > 0.05
    # Equal assignments of other labels are another federation.
    renamed = Labels(labels.rates, Provenance("other", ENV_ID, "", labels.digest, 4, 0))
    renamed.save(tmp_path / "renamed.json")
    another = {**partition, "labels": str(tmp_path / "renamed.json")}
    assert Federation(ENV_ID, partition=another).digest != federation.digest


def test_a_labels_file_that_changes_is_read_again(labels, path, tmp_path):
    partition = {"name": "hardness", "xi": 1, "labels": path}
    env = gym.make(ENV_ID, client_id=3, partition=partition)
    before = env.unwrapped.task_ids
    other = Labels({t: 1.0 - rate for t, rate in labels.rates.items()}, labels.provenance)
    other.save(tmp_path / "labels.json")
    assert gym.make(ENV_ID, client_id=3, partition=partition).unwrapped.task_ids != before


def test_the_labels_of_the_data_are_the_default(labels, monkeypatch):
    monkeypatch.setattr(WebShopWorld, "labels", lambda self: labels)
    federation = Federation(ENV_ID, partition={"name": "hardness", "xi": 1})
    assert federation.manifest()["partition"]["labels"] == labels.digest
    monkeypatch.setattr(WebShopWorld, "labels", lambda self: None)
    with pytest.raises(ConfigError, match="comes without; make them with `fedenv label`"):
        _ = Federation(ENV_ID, partition={"name": "hardness", "xi": 1}).assignment


def test_a_shortfall_is_in_the_manifest(path):
    knobs = {"omega": 0.99, "xi": 1, "xi_hard": 1, "labels": path}
    federation = Federation(ENV_ID, partition={"name": "composite", **knobs})
    rows = federation.manifest()["clients"]
    short = sum(row["shortfall"] for row in rows)
    assert short == federation.manifest()["measures"]["shortfall"] > 0
    assert "shortfall" not in Federation(ENV_ID).manifest()["clients"][0]
    strict = {"name": "composite", "strict": True, **knobs}
    with pytest.raises(ConfigError, match="fall short"):
        _ = Federation(ENV_ID, partition=strict).assignment


@pytest.mark.parametrize(
    ("partition", "message"),
    [
        ("nosuch", "unknown partition 'nosuch'; legal: 'uniform', 'preference', 'coverage'"),
        ({"omega": 0.5}, "unknown partition None"),
        (7, "must be a name or"),
        ("preference", r'needs omega .* a number in \(0, 1\); e.g. {"name": "preference", "omega"'),
        ({"name": "preference", "xi": 1}, "unknown argument .* 'xi'; legal: 'omega', 'tasks_per"),
        ({"name": "preference", "omega": 1}, r"must be a number in \(0, 1\), got 1$"),
        ({"name": "preference", "omega": "0.5"}, r"must be a number in \(0, 1\), got '0.5'"),
        ({"name": "preference", "omega": True}, "got True"),
        ({"name": "preference", "omega": float("nan")}, "got nan|JSON values"),
        ({"name": "coverage", "xi": 0}, r"must be a number in \(0, 1e\+09\), got 0"),
        ({"name": "coverage", "xi": 1, "bounds": [1, 2]}, "ints .Lmin, Lavg, Lmax. with 1 <= Lmin"),
        ({"name": "coverage", "xi": 1, "bounds": [1, 2.0, 3]}, r"got \[1, 2.0, 3\]"),
        ({"name": "hardness", "xi": 1, "kappa": 3}, "or null, got 3"),
        ({"name": "hardness", "xi": 1, "labels": 3}, "a text, or null, got 3"),
        ({"name": "composite", "strict": 1}, "true or false, got 1"),
        ({"name": "uniform", "min_tasks": 1.5}, "an int of at least 1, got 1.5"),
    ],
)
def test_illegal_partitions_say_what_is_legal(partition, message):
    for make in (parse, lambda p: gym.make(ENV_ID, partition=p)):
        with pytest.raises(ConfigError, match=message):
            make(partition)


def test_labels_that_are_not_there(tmp_path):
    partition = {"name": "hardness", "xi": 1, "labels": str(tmp_path / "none.json")}
    with pytest.raises(DataError, match=r"none\.json"):
        gym.make(ENV_ID, partition=partition)
    with pytest.raises(DataError, match=r"none\.json"):
        _ = Federation(ENV_ID, partition=partition).assignment


def test_labels_beside_the_data_must_be_of_that_data(labels, monkeypatch, tmp_path):
    world = Federation(ENV_ID).world
    files = world.shop.files.__class__(
        **{**vars(world.shop.files), "labels": tmp_path / "labels.json"}
    )
    monkeypatch.setattr(world.shop, "files", files)
    labels.save(tmp_path / "labels.json")
    assert world.labels() == labels
    made = Provenance("made", ENV_ID, "e" * 16, "other", 4, 0)
    Labels(labels.rates, made).save(tmp_path / "labels.json")
    with pytest.raises(DataError, match="were made for data other"):
        world.labels()


def test_every_partition_says_what_its_knobs_are():
    for name, partition in PARTITIONS.items():
        assert partition.summary
        assert set(partition.defaults) <= set(partition.knobs)
        given = {knob: 0.5 for knob in partition.knobs if knob not in partition.defaults}
        assert parse({"name": name, **given}) == {"name": name, **partition.defaults, **given}
