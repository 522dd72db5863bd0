"""Success labels of the bundled games: whose they are, and that they can be measured again."""

from dataclasses import replace

import fedenv
from fedenv.alfworld.vocabulary import FOLDER
from fedenv.alfworld.world import BUNDLED_LABELS
from fedenv.labelling import LabelConfig, count_successes
from fedenv.partitions.measures import independence

CONFIG = LabelConfig("FedALFWorld-v0", "keyword", epsilon=0.3, episodes=20)
WORLD = fedenv.Federation("FedALFWorld-v0").world
POOL = WORLD.splits.pool("train")


def test_they_are_of_the_bundled_games():
    labels = WORLD.labels()
    assert set(labels.rates) == set(POOL.ids)
    measured = replace(labels.provenance, fedenv_version=fedenv.__version__)
    assert measured == CONFIG.provenance()
    assert (FOLDER / BUNDLED_LABELS).stat().st_size < 60_000


def test_a_sample_is_measured_again():
    labels = WORLD.labels()
    for task_id, count in count_successes(CONFIG, range(0, 3553, 300)).items():
        assert count == round(labels.rates[task_id] * 20), task_id


def test_they_tell_tasks_apart():
    rates = WORLD.labels().of(POOL)
    assert 0.4 < (rates >= 0.5).mean() < 0.6
    assert ((rates > 0) & (rates < 1)).mean() > 0.8
    assert independence(POOL, rates >= 0.5).epsilon < 0.5


def test_hardness_works_out_of_the_box():
    for env_id in ("FedALFWorld-v0", "FedALFWorld-ShiftedContents-v0"):
        federation = fedenv.Federation(env_id, partition={"name": "hardness", "xi": 1})
        assert federation.labels == WORLD.labels()
        assert federation.assignment.measures["delta2_hard"] > 0.1
