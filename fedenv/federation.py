"""A federation: N clients, each with its own tasks and its own transition kernel, as a value."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import gymnasium

from fedenv.errors import ConfigError, unknown_name
from fedenv.family import Kernel, World
from fedenv.fingerprint import canonical_json, digest, digest_lines
from fedenv.partitions import Assignment, Labels, assign
from fedenv.partitions.registry import labels_of, labels_stamp, parse
from fedenv.registration import find_environment
from fedenv.tasks import SPLITS
from fedenv.version import __version__

KERNELS = ("client", "reference")
MAX_SEED = 2**31 - 1
MAX_CLIENTS = 1_000_000


@dataclass(frozen=True)
class Client:
    """One client of a federation.

    Attributes:
        client_id: 0-based index (the paper's i is ``client_id + 1``).
        task_ids: Its training tasks.
        kernel: Its transition kernel.
        shortfall: How many of its tasks the pool could not give as drawn; None where the partition
            always can.
    """

    client_id: int
    task_ids: tuple[str, ...]
    kernel: Kernel
    shortfall: int | None = None

    def manifest(self) -> dict[str, Any]:
        """Return the client's row of the federation's manifest."""
        row = {
            "client_id": self.client_id,
            "num_tasks": len(self.task_ids),
            "tasks_digest": digest_lines(self.task_ids),
            "pool_index": self.kernel.pool_index,
            "pipeline_digest": self.kernel.digest,
        }
        return row if self.shortfall is None else {**row, "shortfall": self.shortfall}


class Federation:
    """Who does what where: equal arguments give an equal federation on every machine.

    Args:
        env_id: A registered environment id.
        num_clients: Number of clients N.
        partition: Name of a partition, or a mapping with ``"name"`` and its knobs.
        federation_seed: The paper's seed sigma_0: who gets what.
        data: None for the bundled data, or a folder.
        **knobs: Knobs of the environment family (see ``fedenv info ENV_ID``).

    Raises:
        ConfigError: An argument is unknown or out of range.
        DataError: The data cannot be read.
    """

    def __init__(
        self,
        env_id: str,
        num_clients: int = 100,
        partition: str | Mapping[str, Any] = "uniform",
        federation_seed: int = 42,
        data: str | None = None,
        **knobs: Any,
    ) -> None:
        row = find_environment(env_id)
        self.env_id = env_id
        self.variant = row.variant
        self.num_clients = _integer("num_clients", num_clients, 1, MAX_CLIENTS)
        self.federation_seed = _integer("federation_seed", federation_seed, 0, MAX_SEED)
        self.partition = parse(partition)
        self.data = _path("data", data)
        self._given = dict(knobs)
        self._kernels: dict[int | None, Kernel] = {}
        self.world: World = row.load_family().open(row.variant, data, knobs)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return shared_federation, (self.env_id, self.arguments)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Federation) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Federation({self.env_id!r}, digest={self.digest!r})"

    @cached_property
    def labels(self) -> Labels | None:
        """Success labels that the partition uses: a file's, or the data's; None if it uses none.

        Raises:
            ConfigError: The partition needs labels and there are none.
            DataError: They cannot be read, or were made for other data.
        """
        return labels_of(self.partition, self.world.labels)

    @cached_property
    def assignment(self) -> Assignment:
        """Training tasks of every client."""
        pool = self.world.splits.pool("train")
        return assign(self.partition, pool, self.num_clients, self.federation_seed, self.labels)

    def client(self, client_id: int) -> Client:
        """Return one client.

        Raises:
            ConfigError: There is no such client.
        """
        client_id = _integer("client_id", client_id, 0, self.num_clients - 1)
        assignment = self.assignment
        short = None if assignment.shortfall is None else int(assignment.shortfall[client_id])
        return Client(client_id, assignment.clients[client_id], self.kernel(client_id), short)

    def kernel(self, client_id: int, kind: str = "client") -> Kernel:
        """Return the kernel that a client's episodes run in.

        Args:
            client_id: 0-based client index.
            kind: ``"client"`` or ``"reference"``.

        Raises:
            ConfigError: Unknown kind.
        """
        if kind not in KERNELS:
            raise unknown_name("kernel", kind, KERNELS)
        owner = None if kind == "reference" else client_id
        kernel = self._kernels.get(owner)
        if kernel is None:
            kernel = self.world.kernel(owner, self.federation_seed)
            self._kernels[owner] = kernel
        return kernel

    def task_positions(
        self, split: str, client_id: int, eval_tasks: int | None = None
    ) -> tuple[int, ...]:
        """Return the tasks that a client is asked in a split, as positions of the world's tasks.

        Args:
            split: ``"train"`` (the client's own), ``"val"`` or ``"test"`` (the same for all).
            client_id: 0-based client index.
            eval_tasks: Take the first so many tasks of val or test; None takes all.

        Raises:
            ConfigError: Unknown split, a split without tasks, or a number out of range.
        """
        splits = self.world.splits
        if split == "train":
            if eval_tasks is not None:
                raise ConfigError("eval_tasks is for the splits val and test, not for train")
            client_id = _integer("client_id", client_id, 0, self.num_clients - 1)
            return splits.select(self.assignment.clients[client_id])
        positions = splits.of(split)
        if not positions:
            found = ", ".join(repr(name) for name in SPLITS if splits.of(name))
            raise ConfigError(
                f"the split {split!r} has no tasks here; legal: {found} (FedWebShop has tasks for "
                "'test' with split_by='product', and for 'val' from two tasks on)"
            )
        if eval_tasks is not None:
            positions = positions[: _integer("eval_tasks", eval_tasks, 1, len(positions))]
        return positions

    def make_env(self, client_id: int = 0, **kwargs: Any) -> gymnasium.Env[str, str]:
        """Return the Gymnasium environment of one client.

        Args:
            client_id: 0-based client index.
            **kwargs: Arguments of the environment that are not the federation's, such as
                ``split``, ``kernel`` or ``render_mode``.
        """
        return gymnasium.make(self.env_id, client_id=client_id, **self.arguments, **kwargs)

    @property
    def arguments(self) -> dict[str, Any]:
        """The federation's own arguments, JSON only, as the environments take them."""
        return {
            "num_clients": self.num_clients,
            "partition": self.partition,
            "federation_seed": self.federation_seed,
            "data": self.data,
            **self._given,
        }

    @cached_property
    def _content(self) -> dict[str, Any]:
        # Labels are named by what they hold, not by where the file is.
        used = {} if self.labels is None else {"labels": self.labels.digest}
        return {
            "env_id": self.env_id,
            "num_clients": self.num_clients,
            "federation_seed": self.federation_seed,
            "partition": {**self.partition, **used},
            "variant": {"name": self.variant, **self.world.knobs},
            "data_digest": self.world.data_digest,
            "clients": [self.client(k).manifest() for k in range(self.num_clients)],
        }

    @cached_property
    def digest(self) -> str:
        """Name of this federation: what it is made of, not which version of fedenv made it.

        The measures are left out: they follow from the assignment, and the last bits of a mean may
        differ between machines.
        """
        return digest(self._content)

    def manifest(self) -> dict[str, Any]:
        """Return the federation as JSON: arguments, measures, and a row per client."""
        return {
            "digest": self.digest,
            "fedenv_version": __version__,
            "measures": dict(self.assignment.measures),
            **self._content,
        }


def shared_federation(env_id: str, arguments: Mapping[str, Any]) -> Federation:
    """Return the process's federation for some arguments; equal ones share it.

    Raises:
        ConfigError: As :class:`Federation`; also an argument that is not JSON.
    """
    try:
        key = canonical_json(dict(arguments))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"arguments of {env_id} must be JSON values: {error}") from error
    data = _path("data", arguments.get("data"))
    stamp = find_environment(env_id).load_family().stamp(data)
    return _open(env_id, key, (stamp, labels_stamp(arguments.get("partition", "uniform"))))


@lru_cache(maxsize=32)
def _open(env_id: str, arguments: str, stamp: Hashable) -> Federation:
    return Federation(env_id, **json.loads(arguments))


def _integer(name: str, value: Any, low: int, high: int) -> int:
    # A NumPy integer would run here and fail later, where the arguments are written as JSON.
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} must be an int in {low}..{high}, got {value!r}")
    return value


def _path(name: str, value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ConfigError(f"{name} must be null or a path as text, got {value!r}")
    return value
