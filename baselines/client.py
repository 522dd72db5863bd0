"""Flower's ClientApp: ``local_update`` behind messages.

A node without settings serves every client. A node of a real federation says whom it serves, and
where the data lie on its machine::

    flower-supernode … --node-config 'clients="7" data="/path/on/this/machine"'
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import lru_cache
from typing import Any

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from baselines.arena import Arena
from baselines.config import EnvironmentConfig
from baselines.executors import Failure, describe
from baselines.local_update import deadline, local_update
from baselines.messages import ABOUT, pack_answer, unpack_order

_log = logging.getLogger(__name__)
app = ClientApp()


@app.query()
def serves(message: Message, context: Context) -> Message:
    """Say which clients this node serves, as ``"0-9,15"``; all of them for an empty text."""
    about: dict[str, Any] = {"clients": str(context.node_config.get("clients", ""))}
    return Message(RecordDict({ABOUT: ConfigRecord(about)}), reply_to=message)


@app.train()
def train(message: Message, context: Context) -> Message:
    """Train one client for one round; what goes wrong is an answer, too."""
    client_id = int(str(message.content.config_records[ABOUT]["client_id"]))
    try:
        config, order, theta, kept = unpack_order(message.content)
        environment = config.environment
        if "data" in context.node_config:
            environment = replace(environment, data=str(context.node_config["data"]))
        check = deadline(config.federation.timeout_s)
        update = local_update(config, _arena(_Key(environment)), order, theta, kept, check)
        return Message(pack_answer(update), reply_to=message)
    except Exception as error:  # the server decides what a failed client means
        _log.warning("client %d failed", client_id, exc_info=True)
        return Message(pack_answer(Failure(client_id, describe(error))), reply_to=message)


class _Key:
    """An environment as a key: equal content, equal key."""

    def __init__(self, environment: EnvironmentConfig) -> None:
        self.environment = environment
        self._text = repr(environment)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


@lru_cache(maxsize=2)
def _arena(key: _Key) -> Arena:
    return Arena(key.environment)
