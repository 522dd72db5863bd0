"""The contract every registered id keeps."""

import json
import pickle
import random
import subprocess
import sys
import threading
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils.env_checker import check_env

import fedenv
from fedenv.errors import ConfigError
from fedenv.webshop.env import WebShopEnv

IDS = list(fedenv.ENVIRONMENTS)
INFO_TYPES = {
    "client_id": int,
    "task_id": str,
    "split": str,
    "episode_seed": int,
    "step": int,
    "action_valid": bool,
    "admissible_actions": list,
    "success": bool,
    "score": float,
    "reward_terms": dict,
}


def play(env, seed, steps=15):
    """Play a seeded random episode; return everything that was seen."""
    rng = np.random.default_rng(seed)
    page, info = env.reset(seed=seed)
    seen = [(page, info)]
    words = page.split()
    for _ in range(steps):
        if not info["admissible_actions"]:
            break
        action = info["admissible_actions"][rng.integers(len(info["admissible_actions"]))]
        action = action.replace("<query>", " ".join(rng.choice(words, 3)))
        page, reward, terminated, truncated, info = env.step(action)
        seen.append((page, reward, terminated, truncated, info))
        if terminated or truncated:
            break
    return seen


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_accepts_the_environment(env_id):
    env = gym.make(env_id, client_id=3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)


@pytest.mark.parametrize("env_id", IDS)
def test_info_has_the_same_keys_and_types_at_every_step(env_id):
    env = gym.make(env_id, client_id=3)
    seen = play(env, 5)
    assert len(seen) > 3
    for step, (*_, info) in enumerate(seen):
        assert {key: type(value) for key, value in info.items()} == INFO_TYPES
        assert (info["client_id"], info["split"], info["step"]) == (3, "train", step)


@pytest.mark.parametrize("env_id", IDS)
def test_a_spec_rebuilds_the_same_client(env_id):
    kwargs = {"client_id": 7, "federation_seed": 5, "split": "val", "kernel": "client"}
    env = gym.make(env_id, **kwargs)
    spec = EnvSpec.from_json(env.spec.to_json())
    for other in (gym.make(spec), pickle.loads(pickle.dumps(env))):
        assert other.unwrapped.fingerprint() == env.unwrapped.fingerprint()
        assert play(other, 11) == play(env, 11)


def test_a_pickled_episode_goes_on_without_its_shop_in_the_pickle():
    env = gym.make("FedWebShop-RankWrapper-v0", client_id=2)
    env.reset(seed=4)
    env.step("search[red shoes]")
    data = pickle.dumps(env)
    assert len(data) < 20_000
    assert pickle.loads(data).step("click[next >]") == env.step("click[next >]")


@pytest.mark.parametrize("env_id", IDS)
def test_threads_see_what_one_thread_sees(env_id):
    def run(k, out):
        env = gym.make(env_id, client_id=k)
        out[k] = [play(env, 100 * k + episode) for episode in range(3)]

    serial, threaded = {}, {}
    for k in range(32):
        run(k, serial)
    threads = [threading.Thread(target=run, args=(k, threaded)) for k in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert threaded == serial


_SCRIPT = """
import hashlib, sys, gymnasium as gym, fedenv
sys.path.insert(0, {tests!r})
from test_env import play
out = hashlib.sha256()
for env_id in fedenv.ENVIRONMENTS:
    for client_id in (0, 7):
        env = gym.make(env_id, client_id=client_id)
        out.update(repr(play(env, 3)).encode())
        out.update(repr(sorted(env.unwrapped.fingerprint().items())).encode())
    out.update(fedenv.Federation(env_id, num_clients=5).digest.encode())
sys.stdout.write(out.hexdigest())
"""


def test_text_does_not_depend_on_the_hash_seed():
    digests = set()
    for hash_seed in ("1", "2"):
        script = _SCRIPT.format(tests=str(__file__).rsplit("/", 1)[0])
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout)
    assert len(digests) == 1


@pytest.mark.parametrize("env_id", IDS)
def test_global_generators_are_untouched(env_id):
    random.seed(1)
    np.random.seed(1)
    before = random.getstate(), np.random.get_state()[1].tolist()
    for client_id in range(4):
        play(gym.make(env_id, client_id=client_id), 9)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before


def test_the_episode_seed_starts_the_same_episode_again():
    env = gym.make("FedWebShop-RankWrapper-v0", client_id=0)
    env.reset(seed=1)
    first, info = env.reset()
    actions = ["search[women dress]", "click[next >]", "search[women dress]"]
    pages = [env.step(action)[0] for action in actions]
    again, info_again = env.reset(seed=info["episode_seed"])
    assert (again, info_again) == (first, info)
    assert [env.step(action)[0] for action in actions] == pages


def test_resets_without_a_seed_continue_the_stream():
    env = gym.make("FedWebShop-v0")
    env.reset(seed=1)
    seeds = [env.reset()[1]["episode_seed"] for _ in range(3)]
    env.reset(seed=1)
    assert [env.reset()[1]["episode_seed"] for _ in range(3)] == seeds
    assert len(set(seeds)) == 3


def test_a_task_can_be_chosen_by_id_and_by_index():
    env = gym.make("FedWebShop-v0", client_id=5)
    ids = env.unwrapped.task_ids
    _, by_index = env.reset(options={"task_index": 17})
    _, by_id = env.reset(options={"task_id": ids[17]})
    assert by_index["task_id"] == by_id["task_id"] == ids[17]
    assert len(ids) == len(set(ids)) == 100


@pytest.mark.parametrize(
    "options",
    [{"task": 1}, {"task_index": 100}, {"task_index": -1}, {"task_index": "0"}]
    + [{"task_id": "webshop-none"}, {"task_id": ["x"]}, {"task_id": "a", "task_index": 1}],
)
def test_bad_reset_options_are_refused_and_lose_nothing(options):
    env, twin = (gym.make("FedWebShop-v0") for _ in range(2))
    for each in (env, twin):
        each.reset(seed=2)
    with pytest.raises(ConfigError, match="task"):
        env.reset(seed=9, options=options)
    assert env.step("search[wood]") == twin.step("search[wood]")
    assert env.reset() == twin.reset()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"client_id": 100}, r"client_id must be an int in 0\.\.99, got 100"),
        ({"client_id": -1}, "client_id"),
        ({"client_id": 1.0}, "client_id"),
        ({"client_id": np.int64(1)}, "client_id"),
        ({"num_clients": 0}, "num_clients"),
        ({"federation_seed": "x"}, "federation_seed"),
        ({"split": "valid"}, "'train', 'val', 'test'"),
        ({"split": "test"}, "split_by='product'"),
        ({"kernel": "own"}, "'client', 'reference'"),
        ({"reward": "dense"}, "'score', 'success'"),
        ({"partition": "dirichlet"}, "'uniform'"),
        ({"partition": {"name": "uniform", "omega": 1}}, "min_tasks"),
        ({"partition": {"name": "uniform", "min_tasks": 0}}, "min_tasks"),
        ({"eval_tasks": 5}, "eval_tasks"),
        ({"split": "val", "eval_tasks": 501}, r"1\.\.500"),
        ({"surface_k": 10}, "unknown argument 'surface_k'; legal here: client_id"),
        ({"k1": -1.0}, "k1"),
        ({"k1": "1"}, "k1"),
        ({"b": 1.5}, "b must"),
        ({"fields": ["title"]}, "'BulletPoints'"),
        ({"fields": []}, "fields"),
        ({"fields": "name"}, "fields"),
        ({"engine": "bm25"}, "okapi"),
        ({"tokenizer": "char"}, "whitespace"),
        ({"search_return_n": 0}, "search_return_n"),
        ({"observation_mode": "html"}, "text_rich"),
        ({"split_by": "asin"}, "'goal', 'product'"),
        ({"goals": "human"}, "items_human_ins"),
        ({"noun_tagger": "nltk"}, "spacy"),
        ({"data": "no/such/folder"}, "no such folder"),
        ({"data": 5}, "data"),
    ],
)
def test_bad_arguments_are_refused_with_the_legal_ones(kwargs, message):
    with pytest.raises(fedenv.FedEnvError, match=message):
        gym.make("FedWebShop-v0", **kwargs)


@pytest.mark.parametrize(
    ("env_id", "kwargs"),
    [
        ("FedWebShop-CatalogSplit-v0", {"env_div": 1.1}),
        ("FedWebShop-CatalogSplit-v0", {"keep_ratio": -0.1}),
        ("FedWebShop-CatalogSplit-v0", {"pool_size": 4}),
        ("FedWebShop-FieldSubset-v0", {"pool_size": 9}),
        ("FedWebShop-BM25Reweight-v0", {"pool_size": 0}),
        ("FedWebShop-RankWrapper-v0", {"pool_size": 5}),
        ("FedWebShop-RankWrapper-v0", {"surface_k": 0}),
        ("FedWebShop-RankWrapper-v0", {"random_prob": 2}),
    ],
)
def test_bad_knobs_of_a_variant_are_refused(env_id, kwargs):
    with pytest.raises(ConfigError, match=next(iter(kwargs))):
        gym.make(env_id, **kwargs)


def test_the_reward_can_be_the_success():
    def buy(reward, seed):
        env = gym.make("FedWebShop-v0", reward=reward)
        page, info = env.reset(seed=seed)
        request = page.split(" [SEP] ")[2].split(" with ")[0]
        _, _, _, _, info = env.step(f"search[{request}]")
        env.step(info["admissible_actions"][2])
        _, value, terminated, _, info = env.step("click[buy now]")
        assert terminated
        assert type(value) is float
        return value, info

    partly = next(seed for seed in range(50) if 0.0 < buy("score", seed)[0] < 1.0)
    score, info = buy("score", partly)
    assert score == info["score"] == pytest.approx(sum(info["reward_terms"].values()))
    assert not info["success"]
    assert buy("success", partly)[0] == 0.0


def test_an_unknown_render_mode_is_refused():
    with pytest.raises(ConfigError, match="ansi"):
        WebShopEnv("FedWebShop-v0", render_mode="human")


def test_the_step_limit_truncates():
    env = gym.make("FedWebShop-v0")
    env.reset(seed=0)
    flags = [env.step("search[a]")[2:4] for _ in range(15)]
    assert flags == [(False, False)] * 14 + [(False, True)]


def test_steps_before_a_reset_are_an_error_and_after_the_end_change_nothing():
    env = gym.make("FedWebShop-v0").unwrapped
    with pytest.raises(gym.error.ResetNeeded):
        env.step("search[a]")
    _, info = env.reset(seed=0)
    _, info = env.step("search[women]")[::4]
    env.step(info["admissible_actions"][2])
    page, _, terminated, _, info = env.step("click[buy now]")
    assert terminated
    again, reward, terminated, _, info_again = env.step("click[back to search]")
    assert (again, reward, terminated, info_again["action_valid"]) == (page, 0.0, True, False)
    assert info_again["score"] == info["score"]


def test_render_returns_the_page():
    env = gym.make("FedWebShop-v0", render_mode="ansi")
    page, _ = env.reset(seed=0)
    assert env.render() == page


def test_val_is_the_same_for_all_clients_and_the_kernel_follows_the_split():
    envs = [gym.make(IDS[-1], client_id=k, split="val", eval_tasks=64).unwrapped for k in (1, 2)]
    assert envs[0].task_ids == envs[1].task_ids
    assert len(envs[0].task_ids) == 64
    assert [env.tasks.kernel_kind for env in envs] == ["reference", "reference"]
    train = gym.make(IDS[-1], client_id=1).unwrapped
    assert train.tasks.kernel_kind == "client"
    assert not set(train.task_ids) & set(envs[0].task_ids)


def test_the_product_split_separates_products():
    def products(split):
        env = gym.make("FedWebShop-v0", split=split, split_by="product").unwrapped
        world = env.federation.world
        return {world.shop.goals[i].product for i in world.splits.of(split)}

    test = products("test")
    assert len(test) == round(0.2 * 415)
    assert not test & (products("train") | products("val"))


def test_fingerprints_differ_where_results_may_differ():
    base = {"client_id": 1}
    changes = [{}, {"client_id": 2}, {"split": "val"}, {"kernel": "reference"}, {"k1": 1.3}]
    changes += [{"search_return_n": 50}, {"observation_mode": "text_rich"}, {"split_by": "product"}]
    prints = [
        gym.make("FedWebShop-CatalogSplit-v0", **base | change).unwrapped.fingerprint()
        for change in changes
    ]
    assert len({p["fingerprint"] for p in prints}) == len(changes)
    json.dumps(prints)
