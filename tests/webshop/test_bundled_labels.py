"""Success labels of the bundled catalog: whose they are, and that they can be measured again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import fedenv
from fedenv.labelling import LabelConfig, count_successes
from fedenv.partitions.measures import independence
from fedenv.webshop.files import find_files

CONFIG = LabelConfig("FedWebShop-v0", "keyword", epsilon=0.1, episodes=20)
WORLD = fedenv.Federation("FedWebShop-v0").world


def test_they_are_of_the_bundled_catalog():
    labels = WORLD.labels()
    pool = WORLD.splits.pool("train")
    assert set(labels.rates) == set(pool.ids)
    assert len(pool) == 6410
    measured = replace(labels.provenance, fedenv_version=fedenv.__version__)
    assert measured == CONFIG.provenance()
    assert find_files(None).labels.stat().st_size < 100_000


def test_a_sample_is_measured_again():
    labels = WORLD.labels()
    ids = WORLD.splits.pool("train").ids
    for task_id, count in count_successes(CONFIG, range(0, 6410, 458)).items():
        assert count == round(labels.rates[task_id] * 20), task_id
    assert len(ids[::458]) == 14


def test_they_tell_tasks_apart():
    pool = WORLD.splits.pool("train")
    rates = WORLD.labels().of(pool)
    assert 0.4 < (rates >= 0.5).mean() < 0.6
    assert len(np.unique(rates)) == 21
    assert ((rates > 0) & (rates < 1)).mean() > 0.5
    assert independence(pool, rates >= 0.5).epsilon < 0.2


def test_they_hold_for_both_ways_to_split():
    pool = fedenv.Federation("FedWebShop-v0", split_by="product").world.splits.pool("train")
    assert len(WORLD.labels().of(pool)) == len(pool)


def test_hardness_works_out_of_the_box():
    federation = fedenv.Federation("FedWebShop-v0", partition={"name": "hardness", "xi": 1})
    assert federation.labels == WORLD.labels()
    assert 0.1 < federation.assignment.measures["delta2_hard"] < 0.15
