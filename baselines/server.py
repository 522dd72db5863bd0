"""Flower's ServerApp: Algorithm 1 whose clients are Flower nodes.

The loop is ``baselines.rounds.train`` itself; only the executor differs. So cohorts are sampled by
our seeded rule, averages are ours, and a run that was stopped goes on when the app is run again
with the same ``config`` and ``out``. ``docs/federation.md`` says how to start everything.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from flwr.app import ConfigRecord, Context, Message, MessageType, RecordDict
from flwr.serverapp import Grid, ServerApp

from baselines.config import Config, read_config
from baselines.errors import ClientError
from baselines.executors import Failure
from baselines.local_update import ClientUpdate, Order, State
from baselines.messages import ABOUT, pack_order, unpack_answer
from baselines.rounds import train
from fedenv.commands.common import parse_clients
from fedenv.errors import ConfigError

_log = logging.getLogger(__name__)
POLL_S = 0.1
NODE_TIMEOUT_S = 120.0
GRACE_S = 30.0
"""How much longer than a client's own deadline the server waits for its answer."""

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Run what the run configuration names: ``config`` (a TOML file) and ``out`` (a folder)."""
    places = {name: str(context.run_config.get(name) or "") for name in ("config", "out")}
    for name, place in places.items():
        if not Path(place).is_absolute():
            raise ConfigError(
                f"run configuration {name!r} must be an absolute path on the server's machine, got "
                f"{place!r}; pass --run-config '{name}=\"/path\"' to flwr run"
            )
    config = read_config(places["config"])
    nodes = int(str(context.run_config.get("min-nodes", 1)))
    executor = FlowerNodes(grid, config.environment.num_clients, nodes)
    last = train(config, places["out"], executor=executor)
    _log.info("parameters in %s", last)


class FlowerNodes:
    """An executor: clients run on Flower nodes.

    Args:
        grid: The connection to the nodes.
        num_clients: Number of clients N.
        min_nodes: Nodes to wait for before anything is sent.
        node_timeout_s: How long to wait for them, in seconds.
    """

    def __init__(
        self,
        grid: Grid,
        num_clients: int,
        min_nodes: int = 1,
        node_timeout_s: float = NODE_TIMEOUT_S,
    ) -> None:
        self._grid, self._num_clients = grid, num_clients
        self._min_nodes, self._node_timeout_s = min_nodes, node_timeout_s
        self._served: dict[int, frozenset[int]] = {}

    def run(
        self,
        config: Config,
        orders: Sequence[Order],
        theta: State,
        kept: Mapping[int, State],
    ) -> Iterator[ClientUpdate | Failure]:
        """Run some clients once; see ``baselines.executors.Executor``."""
        self._meet_nodes()
        messages, waiting = [], []
        load = dict.fromkeys(self._served, 0)
        for order in orders:
            able = [node for node, served in self._served.items() if _serves(served, order)]
            if not able:
                yield Failure(order.client_id, f"no node serves client {order.client_id}")
                continue
            # The least busy node; among equals the one that lists the fewest clients, then any.
            node = min(able, key=lambda n: (load[n], len(self._served[n]), n))
            load[node] += 1
            content = pack_order(config, order, theta, kept.get(order.client_id, {}))
            messages.append(
                Message(content, node, MessageType.TRAIN, group_id=str(order.round_index))
            )
            waiting.append(order.client_id)
        limit = config.federation.timeout_s
        yield from self._answers(messages, waiting, None if limit is None else limit + GRACE_S)

    def _answers(
        self, messages: Sequence[Message], clients: Sequence[int], limit: float | None
    ) -> Iterator[ClientUpdate | Failure]:
        """Send, and yield what comes back while it comes back."""
        asked = dict(zip(self._grid.push_messages(messages), clients, strict=True))
        end = None if limit is None else time.monotonic() + limit
        while asked and (end is None or time.monotonic() < end):
            for reply in self._grid.pull_messages(list(asked)):
                client_id = asked.pop(reply.metadata.reply_to_message_id)
                if reply.has_error():
                    reason = reply.error.reason or f"code {reply.error.code}"
                    yield Failure(client_id, f"Flower: {reason}")
                    continue
                try:
                    yield unpack_answer(reply.content)
                except ClientError as error:
                    yield Failure(client_id, str(error))
            if asked:
                time.sleep(POLL_S)
        for client_id in asked.values():
            yield Failure(client_id, f"no answer within {limit} s")

    def _meet_nodes(self) -> None:
        """Find out which nodes are there and whom they serve.

        Raises:
            ConfigError: There are too few, or one names clients that do not exist.
        """
        end = time.monotonic() + self._node_timeout_s
        while len(present := set(self._grid.get_node_ids())) < self._min_nodes:
            if time.monotonic() > end:
                raise ConfigError(
                    f"{len(present)} Flower nodes are connected after {self._node_timeout_s} s, "
                    f"{self._min_nodes} are needed; start more (flower-supernode) or set min-nodes"
                )
            time.sleep(POLL_S)
        self._served = {node: served for node, served in self._served.items() if node in present}
        new = sorted(present - self._served.keys())
        question = RecordDict({ABOUT: ConfigRecord()})
        asked = dict(
            zip(
                self._grid.push_messages([Message(question, n, MessageType.QUERY) for n in new]),
                new,
                strict=True,
            )
        )
        while asked and time.monotonic() < end:
            for reply in self._grid.pull_messages(list(asked)):
                node = asked.pop(reply.metadata.reply_to_message_id)
                if reply.has_error():
                    _log.warning("node %d is left out: %s", node, reply.error.reason)
                    continue
                text = str(reply.content.config_records[ABOUT]["clients"])
                self._served[node] = frozenset(parse_clients(text or None, self._num_clients))
            if asked:
                time.sleep(POLL_S)
        for node in asked.values():
            _log.warning("node %d is left out: it does not answer", node)


def _serves(served: frozenset[int], order: Order) -> bool:
    # One learner of everybody's tasks needs a node that serves everybody.
    return order.client_id in served or (order.client_id < 0 and bool(served))
