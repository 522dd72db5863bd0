"""Where the clients of a round run. All executors call ``local_update`` and give the same bits.

An executor is asked once per attempt with the orders of a round, and yields an answer per order, in
any order: an update, or a failure. It never raises for what a single client did.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from baselines.arena import Arena
from baselines.config import Config
from baselines.local_update import ClientUpdate, Order, State, deadline, local_update

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure:
    """A client that did not answer.

    Attributes:
        client_id: Who.
        error: Why, in one line.
    """

    client_id: int
    error: str


class Executor(Protocol):
    """Runs clients."""

    def run(
        self,
        config: Config,
        orders: Sequence[Order],
        theta: State,
        kept: Mapping[int, State],
    ) -> Iterator[ClientUpdate | Failure]:
        """Run some clients once.

        Args:
            config: The run.
            orders: Who does what.
            theta: The round's parameters.
            kept: Per client, what it wanted back.
        """


class InProcess:
    """Runs one client after the other in this process.

    Args:
        arena: The environments.
    """

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def run(
        self,
        config: Config,
        orders: Sequence[Order],
        theta: State,
        kept: Mapping[int, State],
    ) -> Iterator[ClientUpdate | Failure]:
        """Run some clients once; see :class:`Executor`."""
        for order in orders:
            check = deadline(config.federation.timeout_s)
            try:
                mine = kept.get(order.client_id, {})
                yield local_update(config, self._arena, order, theta, mine, check)
            except Exception as error:  # whatever happens at a client is that client's failure
                _log.warning("client %d failed", order.client_id, exc_info=True)
                yield Failure(order.client_id, describe(error))


def describe(error: BaseException) -> str:
    """Return an error in one line."""
    text = str(error).strip()
    return type(error).__name__ + (f": {text.splitlines()[0]}" if text else "")
