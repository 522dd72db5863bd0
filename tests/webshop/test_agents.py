"""Scripted agents: what they read, and where they end up between random and oracle."""

import gymnasium as gym
import numpy as np
import pytest

import fedenv
from fedenv.agents import agent_factory
from fedenv.errors import ConfigError
from fedenv.webshop.oracle import plan
from fedenv.webshop.reading import Request, read_request, shown_price
from fedenv.webshop.world import FAMILY
from tests.conftest import WEBSHOP_IDS, colors, product, write_folder


def run(env_id, name, clients, episodes, **kwargs):
    scores, successes = [], []
    for client in clients:
        env = gym.make(env_id, client_id=client, **kwargs)
        agent = agent_factory(name, FAMILY.agents)(env, np.random.default_rng(client))
        for episode in range(episodes):
            page, info = env.reset(seed=1000 * client + episode)
            agent.reset(page, info)
            ended = False
            while not ended:
                page, _, terminated, truncated, info = env.step(agent.act(page, info))
                ended = terminated or truncated
            scores.append(info["score"])
            successes.append(info["success"])
    return float(np.mean(scores)), float(np.mean(successes))


def test_the_oracle_solves_the_bundled_training_goals():
    """Every goal is planned and its plan judged; a sample is played for real."""
    env = gym.make("FedWebShop-v0").unwrapped
    shop, splits = env.federation.world.shop, env.federation.world.splits
    kernel = env.tasks.kernel
    train = splits.of("train")
    solved = 0
    for position in train[::10]:
        session = kernel.begin(position, 0)
        for action in plan(session, 15):
            assert session.act(action)
        solved += session.success
    assert solved / len(train[::10]) >= 0.99
    perfect = [shop.reward(g.product, g, dict(g.options)).score == 1.0 for g in shop.goals]
    assert np.mean(perfect) >= 0.99
    assert run("FedWebShop-v0", "oracle", range(0, 100, 20), 10)[1] >= 0.99


def test_goals_of_the_real_records_that_the_right_purchase_does_not_solve(real_folder):
    """WebShop's color rule leaves some; docs/webshop.md says how many."""
    shop = fedenv.Federation("FedWebShop-v0", data=real_folder).world.shop
    solved = [shop.reward(g.product, g, dict(g.options)).score == 1.0 for g in shop.goals]
    assert (len(solved), solved.count(False)) == (6678, 444)


def test_the_oracle_plans_for_the_draw_of_every_search():
    """Where half the searches are random and all 200 results are shuffled, plans still work."""
    federation = fedenv.Federation("FedWebShop-RankWrapper-v0", surface_k=200)
    planned = repeated = 0
    for client in range(40):
        kernel = federation.kernel(client)
        for position in federation.world.splits.of("val")[:8]:
            session = kernel.begin(position, client)
            actions = plan(session, 15)
            planned += bool(actions)
            repeated += len(actions) > 1 and actions[1].startswith("search")
            assert all(session.act(action) for action in actions)
            assert session.success == bool(actions)
    assert planned > 310
    assert repeated > 0


def test_keyword_looks_at_options_and_price(tmp_path):
    def colored(asin, name, price, *values):
        return product(asin, name=name, pricing=price, customization_options=colors(*values))

    wanted = {"instruction": "Find me oak desk", "instruction_attributes": ["oak"]}
    records = [
        colored("B0CHEAP", "oak desk oak desk", "$15", "Red"),
        colored("B0DEAR", "oak desk and a lamp", "$500", "Blue", "Red"),
        colored("B0RIGHT", "oak desk with a very long name indeed", "$15", "Blue"),
        *(product(f"B0{i}", name="chair") for i in range(9)),
    ]
    folder = write_folder(tmp_path, records, {"B0RIGHT": wanted | {"attributes": ["oak"]}})
    env = gym.make("FedWebShop-v0", data=folder, fields=["name"])
    bought = {}
    for name in ("first", "keyword"):
        agent = agent_factory(name, FAMILY.agents)(env, np.random.default_rng(0))
        page, info = env.reset(seed=0)
        agent.reset(page, info)
        ended = False
        while not ended:
            page, _, ended, _, info = env.step(agent.act(page, info))
        bought[name] = env.unwrapped.episode.product
    assert bought == {"first": 0, "keyword": 2}


@pytest.mark.parametrize("env_id", WEBSHOP_IDS)
def test_agents_rank_as_they_should(env_id):
    scores = {
        name: run(env_id, name, range(0, 100, 10), 5, split="val", kernel="client")[0]
        for name in ("random", "first", "keyword", "oracle")
    }
    assert scores["random"] < scores["first"] < scores["keyword"] < scores["oracle"]
    assert scores["oracle"] > 0.99


def test_variants_make_a_difference():
    def score(env_id):
        shops = {"split": "val", "kernel": "client", "engine": "okapi"}
        return run(env_id, "first", range(40), 2, **shops)[0]

    assert score("FedWebShop-v0") - score("FedWebShop-RankWrapper-v0") > 0.1
    assert score("FedWebShop-v0") - score("FedWebShop-FieldSubset-v0") > 0.05


def test_lookalikes_catch_who_does_not_look():
    """``first`` loses score to lookalikes, and ``keyword`` loses less than it does."""

    def loss(agent):
        clients = {"clients": range(100), "episodes": 2, "split": "val", "engine": "okapi"}
        own = run("FedWebShop-Lookalike-v0", agent, **clients, kernel="client")
        reference = run("FedWebShop-Lookalike-v0", agent, **clients, kernel="reference")
        return np.subtract(reference, own)

    first, keyword = loss("first"), loss("keyword")
    assert first[0] > 0.02
    assert first[1] > 0.08
    assert (keyword < first).all()


PAGE = "WebShop [SEP] Instruction: [SEP] {} [SEP] Search"


@pytest.mark.parametrize(
    ("instruction", "request_"),
    [
        ("Find me a hat", Request("Find me a hat", (), None)),
        (
            "Find me slim fit shirts with long sleeve with color: red, and fit type: men, and size:"
            " big, and price lower than 40.00 dollars",
            Request("Find me slim fit shirts with long sleeve", ("red", "men", "big"), 40.0),
        ),
        (
            "Find me a set with style: salt, and pepper, and price lower than 9.00 dollars",
            Request("Find me a set", ("salt, and pepper",), 9.0),
        ),
        ("Find me a [SEP] b with size: 1: 2", Request("Find me a [SEP] b", ("1: 2",), None)),
    ],
)
def test_instructions_are_read(instruction, request_):
    assert read_request(PAGE.format(instruction)) == request_
    rich = f"WebShop\nInstruction: \n{instruction}\n[button] Search [button_]\n"
    assert read_request(rich) == request_


def test_queries_hold_the_content_words():
    request = Request("Find me easy clean, women's dresses for the beach with pockets", (), None)
    assert request.query == "easy clean women's dresses beach pockets"


def test_prices_are_read():
    assert shown_price("x [SEP] Price: $12.5 to $8.0 [SEP] Rating: N.A.") == 8.0
    assert shown_price("Price: $9.99\nRating: N.A.\n") == 9.99
    assert shown_price("no price") is None


@pytest.mark.parametrize("name", ["first", "keyword", "oracle"])
def test_agents_read_rich_pages_too(name):
    env_id = "FedWebShop-v0"
    plain = run(env_id, name, range(3), 4)
    assert run(env_id, name, range(3), 4, observation_mode="text_rich") == plain


@pytest.mark.parametrize("elsewhere", ["back to search", "description"])
def test_keyword_finds_back_from_where_it_did_not_go(elsewhere):
    env = gym.make("FedWebShop-v0")
    agent = agent_factory("keyword", FAMILY.agents)(env, np.random.default_rng(0))
    solved = 0
    for seed in range(10):
        page, info = env.reset(seed=seed)
        agent.reset(page, info)
        for _ in range(2):  # a search, and the first result
            page, _, _, _, info = env.step(agent.act(page, info))
        page, _, _, _, info = env.step(f"click[{elsewhere}]")
        assert info["action_valid"]
        ended = False
        while not ended:
            page, _, terminated, truncated, info = env.step(agent.act(page, info))
            ended = terminated or truncated
        solved += info["success"]
    assert solved >= 4


def test_an_unknown_agent_is_refused():
    with pytest.raises(ConfigError, match="'random', 'first', 'keyword', 'oracle'"):
        agent_factory("gpt", FAMILY.agents)
