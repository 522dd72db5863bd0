"""Flower: the same bits as the loop in one process, from real processes; and what may go wrong."""

import math

import pytest
import torch

pytest.importorskip("flwr", reason="needs Flower (extra 'federation')")

from flwr.app import Context, Error, Message, MessageType, RecordDict
from flwr.supercore.task_identity import TaskIdentity

from baselines import client
from baselines.arena import Arena
from baselines.config import config_from, read_config
from baselines.errors import ClientError, RoundError
from baselines.executors import Failure
from baselines.local_update import ClientUpdate, Order, local_update, make_policy
from baselines.messages import (
    pack_answer,
    pack_order,
    pack_tensors,
    unpack_answer,
    unpack_order,
    unpack_tensors,
)
from baselines.rounds import train
from baselines.server import FlowerNodes, main
from fedenv.errors import ConfigError
from tests.baselines import toy
from tests.baselines.flower_processes import deploy, simulate
from tests.baselines.kill import contents

CONFIG = """
[environment]
id = "FedWebShop-RankWrapper-v0"
num_clients = 10
[policy]
name = "tests.baselines.toy:make"
[algorithm]
name = "ppo"
kl_coef = 0.01
[federation]
rounds = 2
clients_per_round = 3
local_epochs = 1
critic = "client"
optimizer_state = "keep"
[rollout]
tasks_per_epoch = 2
group_size = 2
[optimizer]
actor_lr = 0.01
critic_lr = 0.01
[evaluation]
tasks = 4
"""


def make(**tables):
    return config_from(toy.config("ppo", **tables))


@pytest.mark.parametrize("run", [simulate, deploy])
def test_real_processes_give_the_same_files(tmp_path, run):
    path = tmp_path / "run.toml"
    path.write_text(CONFIG)
    train(read_config(path), tmp_path / "here")
    run(path, tmp_path / "there")
    here, there = contents(tmp_path / "here"), contents(tmp_path / "there")
    assert here.keys() == there.keys()
    assert [name for name in here if here[name] != there[name]] == []


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64])
def test_tensors_arrive_as_they_were(dtype):
    tensors = {
        "matrix": torch.arange(6).reshape(2, 3).to(dtype),
        "scalar": torch.tensor(3).to(dtype),
        "empty": torch.empty(0, 4).to(dtype),
        "strided": torch.arange(6).reshape(2, 3).to(dtype).T,
    }
    found = unpack_tensors(pack_tensors(tensors))
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        assert (found[name].dtype, found[name].shape) == (dtype, tensor.shape)
        assert torch.equal(found[name], tensor)
    odd = {"w": torch.tensor([math.nan, -0.0, math.inf], dtype=torch.bfloat16)}
    assert torch.equal(
        unpack_tensors(pack_tensors(odd))["w"].view(torch.int16), odd["w"].view(torch.int16)
    )


def test_orders_and_answers_go_round():
    config, state = make(), {"actor.weight": torch.ones(2)}
    order, kept = Order(3, 1, True), {"optimizer.step.actor.weight": torch.tensor(4.0)}
    found = unpack_order(pack_order(config, order, state, kept))
    assert found[:2] == (config, order)
    assert torch.equal(found[2]["actor.weight"], state["actor.weight"])
    assert torch.equal(found[3]["optimizer.step.actor.weight"], torch.tensor(4.0))
    answer = ClientUpdate(3, 1, state, kept, 7, {"epochs": [{"loss": 0.1}]}, b"\x00\xff")
    back = unpack_answer(pack_answer(answer))
    assert (back.round_index, back.client_id, back.num_tasks) == (3, 1, 7)
    assert (back.metrics, back.samples) == (answer.metrics, answer.samples)
    assert unpack_answer(pack_answer(Failure(2, "why"))) == Failure(2, "why")
    with pytest.raises(ClientError, match="the answer cannot be read"):
        unpack_answer(RecordDict())
    broken = pack_answer(answer)
    broken.array_records["parameters"]["actor.weight"].data = b"123"
    with pytest.raises(ClientError, match=r"'actor.weight': its bytes do not fit"):
        unpack_answer(broken)


class Line:
    """A grid whose nodes are in this process; ``spoil(message)`` may return another reply."""

    def __init__(self, nodes, spoil=lambda message: None):
        self.nodes, self.spoil = nodes, spoil
        self.sent, self.replies = [], {}

    def get_node_ids(self):
        return list(self.nodes)

    def push_messages(self, messages):
        names = []
        for message in messages:
            name = f"m{len(self.sent)}"
            message.metadata.__dict__["_message_id"] = name
            self.sent.append(message)
            names.append(name)
            reply = self.spoil(message)
            if reply is None:
                context = Context(1, 1, self.nodes[message.metadata.dst_node_id], RecordDict(), {})
                handlers = {MessageType.QUERY: client.serves, MessageType.TRAIN: client.train}
                reply = handlers[message.metadata.message_type](message, context)
            if reply != "lost":
                self.replies[name] = reply
        return names

    def pull_messages(self, names):
        # One at a time, the last first: answers come in any order.
        there = [name for name in names if name in self.replies]
        return [self.replies.pop(name) for name in there[-1:]]


def test_the_loop_over_flower_is_the_loop(tmp_path):
    config = make(federation={"rounds": 3, "optimizer_state": "keep", "critic": "client"})
    nodes = FlowerNodes(Line({5: {}, 9: {}}), 6, min_nodes=2)
    train(config, tmp_path / "there", executor=nodes)
    train(config, tmp_path / "here")
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_clients_go_to_nodes_that_serve_them():
    config = make()
    line = Line({1: {"clients": "0-2"}, 2: {"clients": "3"}, 3: {}})
    nodes = FlowerNodes(line, 6)
    theta = make_policy(config).state()
    answers = list(nodes.run(config, [Order(0, k) for k in (0, 1, 3, 5)], theta, {}))
    assert {answer.client_id for answer in answers} == {0, 1, 3, 5}
    asked = [m for m in line.sent if m.metadata.message_type == MessageType.TRAIN]
    found = {m.content.config_records["about"]["client_id"]: m.metadata.dst_node_id for m in asked}
    assert found[0] == 1
    assert found[3] == 2
    assert found[5] == 3
    some = FlowerNodes(Line({1: {"clients": "0-2"}}), 6)
    (failure,) = some.run(config, [Order(0, 4)], theta, {})
    assert failure == Failure(4, "no node serves client 4")


def test_what_goes_wrong_on_the_line_is_a_failure(tmp_path):
    config = make(federation={"rounds": 1, "retries": 0, "timeout_s": 60.0})

    def error(message):
        if message.metadata.message_type == MessageType.TRAIN:
            return Message(Error(8, "crashed"), reply_to=message)
        return None

    def garbage(message):
        if message.metadata.message_type == MessageType.TRAIN:
            return Message(RecordDict(), reply_to=message)
        return None

    for spoil, text in ((error, "Flower: crashed"), (garbage, "the answer cannot be read")):
        with pytest.raises(RoundError, match=text):
            train(config, tmp_path, executor=FlowerNodes(Line({1: {}}, spoil), 6))
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1


def test_a_lost_message_is_a_failure_after_the_deadline(monkeypatch):
    monkeypatch.setattr("baselines.server.GRACE_S", 0.0)
    config = make(federation={"timeout_s": 0.2})
    lost = Line({1: {}}, lambda m: "lost" if m.metadata.message_type == MessageType.TRAIN else None)
    (failure,) = FlowerNodes(lost, 6).run(config, [Order(0, 1)], make_policy(config).state(), {})
    assert failure == Failure(1, "no answer within 0.2 s")


def test_a_client_that_fails_says_why():
    theta = {"other.weight": torch.ones(3)}
    (failure,) = FlowerNodes(Line({1: {}}), 6).run(make(), [Order(0, 1)], theta, {})
    assert failure.error.startswith("ConfigError: expected ['actor.weight', 'critic.weight'], got")


def test_the_data_of_a_node_are_its_own():
    config = make()
    line = Line({1: {"data": "/nowhere"}})
    # The toy ignores its data; that the client asked for other data shows in its environment.
    (answer,) = FlowerNodes(line, 6).run(config, [Order(0, 1)], make_policy(config).state(), {})
    here = local_update(
        config, Arena(config.environment), Order(0, 1), make_policy(config).state(), {}
    )
    assert torch.equal(answer.state["actor.weight"], here.state["actor.weight"])
    assert any(key.environment.data == "/nowhere" for key in SEEN)


SEEN: list = []


@pytest.fixture(autouse=True)
def _a_task_of_flower(monkeypatch):
    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)


@pytest.fixture(autouse=True)
def _arenas_that_were_opened(monkeypatch):
    SEEN.clear()
    made = client._arena

    def watched(key):
        SEEN.append(key)
        return made(key)

    monkeypatch.setattr(client, "_arena", watched)


def test_too_few_nodes():
    nodes = FlowerNodes(Line({1: {}}), 6, min_nodes=2, node_timeout_s=0.1)
    with pytest.raises(
        ConfigError, match=r"1 Flower nodes are connected after 0\.1 s, 2 are needed"
    ):
        list(nodes.run(make(), [Order(0, 1)], {}, {}))


def test_the_app_wants_absolute_paths(tmp_path):
    context = Context(1, 1, {}, RecordDict(), {"config": "run.toml", "out": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"'config' must be an absolute path .* got 'run.toml'"):
        main(Line({1: {}}), context)


def test_the_app_is_the_loop(tmp_path):
    settings = {"config": str(tmp_path / "run.toml"), "out": str(tmp_path / "out")}
    (tmp_path / "run.toml").write_text(
        CONFIG.replace("FedWebShop-RankWrapper-v0", toy.ENV_ID).replace("rounds = 2", "rounds = 1")
    )
    main(Line({1: {}}), Context(1, 1, {}, RecordDict(), settings))
    assert (tmp_path / "out/theta/0001.safetensors").exists()
