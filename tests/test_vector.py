"""The vector environment against Gymnasium's own and against single environments."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

import fedenv
from fedenv.errors import ConfigError
from fedenv.vector import FedVectorEnv

ENTRY = {"vectorization_mode": "vector_entry_point"}


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if isinstance(value, dict):
            assert_same(ours[key], value)
        else:
            assert ours[key].dtype == value.dtype, key
            assert ours[key].tolist() == value.tolist(), key


def choose(rng, infos):
    return tuple(
        str(rng.choice(actions)).replace("<query>", str(rng.choice(["wood", "women", "the"])))
        if actions
        else "anything"
        for actions in infos["admissible_actions"]
    )


@pytest.mark.parametrize("env_id", list(fedenv.ENVIRONMENTS))
def test_it_steps_as_gymnasiums_vector_does(env_id):
    clients = [0, 3, 7, 7]
    ours = gym.make_vec(env_id, num_envs=4, client_ids=clients, **ENTRY)
    theirs = SyncVectorEnv([lambda k=k: gym.make(env_id, client_id=k) for k in clients])
    assert ours.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observations, infos = ours.reset(seed=5)
    expected, expected_infos = theirs.reset(seed=5)
    assert observations == expected
    assert_same(infos, expected_infos)
    rng, ends = np.random.default_rng(1), 0
    for _ in range(4 * gym.spec(env_id).max_episode_steps):
        actions = choose(rng, infos)
        step, expected = ours.step(actions), theirs.step(actions)
        assert step[0] == expected[0]
        for mine, other in zip(step[1:4], expected[1:4], strict=True):
            assert mine.dtype == other.dtype
            assert mine.tolist() == other.tolist()
        assert_same(step[4], expected[4])
        ends += int(step[2].sum() + step[3].sum())
        infos = step[4]
    assert ends > 5


def test_slots_hold_the_clients_that_were_named():
    env = gym.make_vec("FedWebShop-RankWrapper-v0", client_ids=[4, 2], **ENTRY)
    _, infos = env.reset(seed=0)
    assert env.num_envs == 2
    assert infos["client_id"].tolist() == [4, 2]
    assert env.unwrapped.client_ids == (4, 2)
    same = gym.make_vec("FedWebShop-RankWrapper-v0", num_envs=3, client_id=6, **ENTRY)
    assert same.unwrapped.client_ids == (6, 6, 6)


def test_the_step_limit_can_be_set():
    env = FedVectorEnv("FedWebShop-v0", num_envs=2, max_episode_steps=3)
    env.reset(seed=0)
    flags = [env.step(["x", "y"])[3].tolist() for _ in range(4)]
    assert flags == [[False, False], [False, False], [True, True], [False, False]]


def test_reset_takes_a_mask_and_a_seed_per_slot():
    env = FedVectorEnv("FedWebShop-v0", num_envs=2)
    first, _ = env.reset(seed=[8, 9])
    env.step(["search[a]", "search[b]"])
    mask = np.array([True, False])
    pages, infos = env.reset(seed=[8, None], options={"reset_mask": mask})
    assert pages[0] == first[0]
    assert pages[1] != first[1]
    assert infos["_step"].tolist() == [True, False]


def test_other_slots_share_the_assets():
    env = FedVectorEnv("FedWebShop-CatalogSplit-v0", client_ids=list(range(8)))
    assert len({id(slot.federation.world.shop) for slot in env.envs}) == 1


@pytest.mark.parametrize("kwargs", [{"num_envs": 3}, {"client_ids": []}])
def test_slots_and_clients_must_agree(kwargs):
    with pytest.raises(ConfigError, match="client_ids"):
        FedVectorEnv("FedWebShop-v0", **{"client_ids": [1, 2], "num_envs": 2} | kwargs)


def test_clients_are_named_once():
    with pytest.raises(ConfigError, match="not both"):
        FedVectorEnv("FedWebShop-v0", client_ids=[0, 1], client_id=1)
    assert FedVectorEnv("FedWebShop-v0", client_ids=np.arange(3)).client_ids == (0, 1, 2)


def test_bad_batches_are_refused():
    env = FedVectorEnv("FedWebShop-v0", num_envs=2)
    env.reset(seed=0)
    for actions in (["a"], "ab", ["a", "b", "c"]):
        with pytest.raises(ConfigError, match="2 actions"):
            env.step(actions)
    with pytest.raises(ConfigError, match="2 seeds"):
        env.reset(seed=[1])
    with pytest.raises(ConfigError, match="reset_mask"):
        env.reset(options={"reset_mask": np.array([1, 0])})
