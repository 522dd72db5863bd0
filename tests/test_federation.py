"""Federations: golden assignments, manifests, digests."""

import hashlib
import itertools
import json
from collections import Counter

import numpy as np
import pytest

import fedenv
from fedenv import Federation, seeding
from fedenv.errors import ConfigError
from fedenv.partitions import Assignment, uniform
from fedenv.partitions.measures import measure
from fedenv.partitions.uniform import uniform_slice
from fedenv.tasks import Task, TaskPool, TaskSplits
from fedenv.webshop import catalog_split

IDS = list(fedenv.ENVIRONMENTS)
POOLED = {
    *("FedWebShop-FieldSubset-v0", "FedWebShop-BM25Reweight-v0", "FedWebShop-Lookalike-v0"),
    *("FedWebShop-RankWrapper-v0", "FedALFWorld-DoorRule-v0"),
}
MANIFEST_KEYS = {
    *("digest", "fedenv_version", "env_id", "num_clients", "federation_seed", "partition"),
    *("variant", "data_digest", "measures", "clients"),
}


def test_pool_assignment_is_the_papers():
    of_four = [seeding.pool_index(client, 4, 42) for client in range(100)]
    assert [of_four.count(i) for i in range(4)] == [21, 20, 32, 27]
    assert of_four[:20] == [0, 0, 3, 1, 3, 0, 2, 0, 2, 1, 1, 3, 1, 1, 3, 3, 1, 1, 3, 2]
    of_eight = Counter(seeding.pool_index(client, 8, 42) for client in range(100))
    assert [of_eight[i] for i in range(8)] == [11, 8, 15, 13, 10, 12, 17, 14]


@pytest.mark.parametrize("env_id", sorted(POOLED))
def test_manifests_hold_the_papers_pool_assignment(env_id):
    manifest = Federation(env_id).manifest()
    counts = Counter(client["pool_index"] for client in manifest["clients"])
    assert [counts[i] for i in range(4)] == [21, 20, 32, 27]


@pytest.mark.parametrize("suffix", ["FieldSubset", "BM25Reweight"])
def test_the_pool_of_eight(suffix):
    federation = Federation(f"FedWebShop-{suffix}-v0", pool_size=8)
    indices = [federation.kernel(client).pool_index for client in range(100)]
    assert [indices.count(i) for i in range(8)] == [11, 8, 15, 13, 10, 12, 17, 14]
    assert len({federation.kernel(client).digest for client in range(100)}) == 8


@pytest.mark.parametrize(
    ("num_tasks", "client_id", "expected"),
    [
        (6410, 0, (0, 100)),
        (6410, 1, (46, 146)),
        (6410, 2, (110, 210)),
        (6410, 50, (3182, 3282)),
        (6410, 98, (6254, 6354)),
        (6410, 99, (6310, 6410)),
        (3553, 0, (0, 100)),
        (3553, 1, (3, 103)),
        (3553, 2, (38, 138)),
        (3553, 99, (3433, 3533)),
    ],
)
def test_uniform_slices(num_tasks, client_id, expected):
    assert uniform_slice(num_tasks, 100, client_id, 100) == range(*expected)


def test_uniform_overlaps():
    slices = [set(uniform_slice(6410, 100, client, 100)) for client in range(100)]
    assert {len(positions) for positions in slices} == {100}
    shared = [len(a & b) for a, b in itertools.pairwise(slices)]
    assert (shared[0], shared[-1], Counter(shared)[36]) == (54, 44, 97)


@pytest.mark.parametrize("num_tasks", [1, 5, 99, 100, 101, 250, 999, 10_000])
@pytest.mark.parametrize("num_clients", [1, 3, 7, 100])
@pytest.mark.parametrize("min_tasks", [1, 10, 100])
def test_uniform_slices_hold_enough_tasks_and_stay_inside(num_tasks, num_clients, min_tasks):
    for client in range(num_clients):
        positions = uniform_slice(num_tasks, num_clients, client, min_tasks)
        assert len(positions) == max(num_tasks // num_clients, min(min_tasks, num_tasks))
        assert 0 <= positions.start <= positions.stop <= num_tasks


def test_the_uniform_partition_of_the_bundled_tasks():
    federation = Federation("FedWebShop-v0")
    train = federation.world.splits.pool("train").ids
    assert len(train) == 6410
    assert federation.client(1).task_ids == train[46:146]
    assert federation.assignment.measures["delta2_cov"] == 0.0
    assert 0.0 < federation.assignment.measures["delta2_pref"] < 0.02


def test_measures_of_a_hand_made_assignment():
    pool = TaskPool(tuple(Task(f"t{i}", "ab"[i % 2]) for i in range(4)))
    measured = uniform(pool, 2, min_tasks=1).measures
    assert (measured["delta2_pref"], measured["delta2_cov"]) == (0.0, 0.0)
    sorted_pool = TaskPool(tuple(Task(f"t{i}", "aabb"[i]) for i in range(4)))
    assert uniform(sorted_pool, 2, min_tasks=1).measures["delta2_pref"] == 0.5
    uneven = Assignment.of(pool, [np.array([0]), np.array([1, 2, 3])])
    assert measure(uneven).delta2_cov == 0.25


def test_catalog_split_is_the_papers(real_ids):
    instructions, holdout = real_ids
    targets = [asin for asin, entry in instructions.items() if entry.get("instruction")]
    golden = {0: (1, 1), 0.3: (0.811, 0.904), 0.7: (0.566, 0.764), 1: (0.538, 0.746)}
    for env_div, expected in golden.items():
        kept = [
            set(catalog_split(list(instructions), targets, holdout, client, env_div, 0.7))
            for client in range(100)
        ]
        assert {len(asins) for asins in kept} == {803}
        assert all(asins >= set(targets) and not asins & set(holdout) for asins in kept)
        others = [asins - set(targets) for asins in kept]
        jaccards = [
            np.mean([len(a & b) / len(a | b) for a, b in itertools.combinations(group, 2)])
            for group in (others, kept)
        ]
        assert tuple(np.round(jaccards, 3)) == expected
    distractors = [",".join(sorted(others[client])) for client in (0, 7)]
    digests = [hashlib.sha256(text.encode()).hexdigest()[:12] for text in distractors]
    assert digests == ["ce6a886ff002", "0c79dbbc468c"]


def test_catalog_split_keeps_the_order_and_rounds_half_to_even():
    asins = ["d", "b", "a", "c", "t", "h"]
    kept = catalog_split(asins, ["t"], ["h"], 0, 1.0, 1.0)
    assert kept == ["d", "b", "a", "c", "t"]
    sizes = [len(catalog_split(asins, ["t"], ["h"], 0, 1.0, r)) for r in (0.0, 0.125, 0.375, 0.7)]
    assert sizes == [1, 1, 3, 4]
    with pytest.raises(ConfigError, match="env_div"):
        catalog_split(asins, ["t"], ["h"], 0, 2.0, 0.7)


def test_a_catalog_split_client_sees_only_what_it_keeps():
    federation = Federation("FedWebShop-CatalogSplit-v0")
    kernel = federation.kernel(3)
    kept = set(kernel.config.kept)
    assert len(kept) == 415 + round(0.7 * 555)
    shown = {kernel.products[i].asin for q in ("women", "set", "wood") for i in kernel.search(q)}
    assert shown
    assert shown <= kept
    everywhere = federation.kernel(3, "reference")
    assert {everywhere.products[i].asin for i in everywhere.search("women")} - kept


@pytest.mark.parametrize(("env_id", "pooled"), [(env_id, env_id in POOLED) for env_id in IDS])
def test_manifest(env_id, pooled):
    federation = Federation(env_id, num_clients=7)
    manifest = federation.manifest()
    assert set(manifest) == MANIFEST_KEYS
    assert json.loads(json.dumps(manifest)) == manifest
    assert [client["client_id"] for client in manifest["clients"]] == list(range(7))
    for client in manifest["clients"]:
        keys = {"client_id", "num_tasks", "tasks_digest", "pool_index", "pipeline_digest"}
        assert set(client) == keys
    assert all((client["pool_index"] is not None) == pooled for client in manifest["clients"])


def test_equal_arguments_give_equal_digests_and_others_do_not():
    def make(**kwargs):
        return Federation("FedWebShop-RankWrapper-v0", **{"num_clients": 9} | kwargs)

    base = make()
    assert make() == base
    assert make(partition={"name": "uniform"}, pool_size=4).digest == base.digest
    assert make(k1=None, surface_k=None).digest == base.digest
    assert make(random_prob=1).digest == make(random_prob=1.0).digest
    assert make(b=0).digest == make(b=0.0).digest != base.digest
    changes = [{"num_clients": 8}, {"federation_seed": 1}, {"pool_size": 3}, {"surface_k": 200}]
    changes += [{"partition": {"name": "uniform", "min_tasks": 50}}, {"k1": 1.0}]
    changes += [{"split_by": "product"}]
    digests = {make(**change).digest for change in changes} | {base.digest}
    assert len(digests) == len(changes) + 1


def test_the_digests_of_the_default_federations_are_frozen():
    """A change here changes results: bump the ids and say so in the changelog."""
    assert {env_id: Federation(env_id).digest for env_id in IDS} == GOLDEN_DIGESTS


def test_a_client_makes_its_environment():
    federation = Federation("FedWebShop-RankWrapper-v0", num_clients=9, surface_k=200)
    env = federation.make_env(4, split="val")
    assert env.unwrapped.federation == federation
    assert env.unwrapped.client_id == 4
    with pytest.raises(ConfigError, match=r"0\.\.8"):
        federation.client(9)


def test_splits_must_not_share_tasks():
    tasks = (Task("a", "x"), Task("b", "x"))
    with pytest.raises(ConfigError, match="share"):
        TaskSplits(tasks, {"train": (0, 1), "val": (1,)})
    with pytest.raises(ConfigError, match="different ids"):
        TaskSplits((Task("a", "x"), Task("a", "x")), {"train": (0,)})
    with pytest.raises(ConfigError, match="different ids"):
        TaskPool((Task("a", "x"), Task("a", "y")))


@pytest.mark.parametrize("split_by", ["goal", "product"])
def test_the_splits_of_the_bundled_goals(split_by):
    splits = Federation("FedWebShop-v0", split_by=split_by).world.splits
    pools = {name: set(splits.pool(name).ids) for name in splits.positions}
    assert not any(a & b for a, b in itertools.combinations(pools.values(), 2))
    assert sum(map(len, pools.values())) == 6910
    assert len(pools["val"]) == 500
    assert len(pools["train"]) == 6410 if split_by == "goal" else len(pools["test"]) > 0


def test_task_ids_name_no_product():
    world = Federation("FedWebShop-v0").world
    asins = {asin.lower() for asin in world.shop.catalog.asins}
    assert all(task.id.split("-")[1] not in asins for task in world.splits.tasks)
    assert len({task.id for task in world.splits.tasks}) == 6910


GOLDEN_DIGESTS = {
    "FedWebShop-v0": "3011f66798d3e703",
    "FedWebShop-CatalogSplit-v0": "952acb7221c56027",
    "FedWebShop-FieldSubset-v0": "1658406cf508189b",
    "FedWebShop-BM25Reweight-v0": "fd95bc44c90c7bf4",
    "FedWebShop-Lookalike-v0": "0215dc9bff3a0e1e",
    "FedWebShop-RankWrapper-v0": "1b765553e0abb8f4",
    "FedALFWorld-v0": "0ae72b59651d1b96",
    "FedALFWorld-InventorySplit-v0": "b2fe7fc84fb9badc",
    "FedALFWorld-VisibilityMask-v0": "1a524199b16317c1",
    "FedALFWorld-DoorRule-v0": "04f0fc8806947814",
    "FedALFWorld-ShiftedContents-v0": "dd4548c24a49b8df",
}
