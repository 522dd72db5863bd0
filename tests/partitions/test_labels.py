"""Success labels: files, digests, and what happens when they do not fit."""

import json
import pickle

import pytest

from fedenv.errors import ConfigError, DataError
from fedenv.partitions.labels import Labels, Provenance
from fedenv.tasks import Task, TaskPool

MADE = Provenance("keyword", "FedWebShop-v0", "e" * 16, "d" * 16, 8, 42)


def pool_of(ids):
    return TaskPool(tuple(Task(task_id, "a") for task_id in ids))


@pytest.mark.parametrize("name", ["labels.json", "deep/labels.json.gz"])
def test_a_file_comes_back_equal(tmp_path, name):
    labels = Labels({"b": 0.1, "a": 1, "c": 2 / 3}, MADE)
    labels.save(tmp_path / name)
    back = Labels.load(tmp_path / name)
    assert back == labels
    assert back.digest == labels.digest == pickle.loads(pickle.dumps(labels)).digest
    assert back.of(pool_of("cab")).tolist() == [2 / 3, 1.0, 0.1]


def test_the_digest_is_about_content_not_order():
    assert Labels({"a": 0.5, "b": 0.0}, MADE).digest == Labels({"b": 0, "a": 0.5}, MADE).digest
    other = Provenance("random", "FedWebShop-v0", "e" * 16, "d" * 16, 8, 42)
    digests = {
        Labels({"a": 0.5}, MADE).digest,
        Labels({"a": 0.25}, MADE).digest,
        Labels({"a": 0.5}, other).digest,
    }
    assert len(digests) == 3


def test_missing_tasks_are_named_and_counted():
    labels = Labels({"t0": 0.5}, MADE)
    with pytest.raises(ConfigError, match=r"8 of the pool's 9 .*: t1, t2, t3, t4, t5, …;"):
        labels.of(pool_of([f"t{i}" for i in range(9)]))
    with pytest.raises(ConfigError, match=r"1 of the pool's 2 are not among them: x;"):
        labels.of(pool_of(["t0", "x"]))


@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan"), "1", None, True])
def test_rates_are_checked(rate):
    with pytest.raises(ConfigError, match=r"'t' must have a success rate in \[0, 1\]"):
        Labels({"t": rate}, MADE)


def test_empty_labels_are_refused():
    with pytest.raises(ConfigError, match="at least one task"):
        Labels({}, MADE)


@pytest.mark.parametrize(
    ("field", "value"),
    [("policy", 3), ("episodes", 0), ("episodes", 2.0), ("seed", "1"), ("data_digest", None)],
)
def test_provenance_is_checked(field, value):
    given = {**Labels({"a": 1}, MADE).to_json()["provenance"], field: value}
    with pytest.raises(ConfigError, match=f"provenance: {field} must be"):
        Provenance(**given)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "fedenv-labels/0"}, "expected a labels file with format"),
        ({"rates": []}, "rates must map task ids"),
        ({"rates": {"a": 2}}, "'a' must have a success rate"),
        ({"provenance": {"policy": "x"}}, "exactly the fields"),
    ],
)
def test_broken_files_are_named(tmp_path, change, message):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps({**Labels({"a": 1}, MADE).to_json(), **change}))
    with pytest.raises(DataError, match=message) as caught:
        Labels.load(path)
    assert str(path) in str(caught.value)


def test_something_else_is_not_a_labels_file(tmp_path):
    (tmp_path / "x.json").write_text("[]")
    with pytest.raises(DataError, match="got 'list'"):
        Labels.load(tmp_path / "x.json")
    with pytest.raises(DataError, match="cannot be read"):
        Labels.load(tmp_path / "none.json")
