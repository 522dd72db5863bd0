"""How different are the clients' environments? The same probes, put to several kernels.

A *probe* is what a family can ask any kernel (WebShop: a search), an *answer* what the kernel makes
of it (the ranked products), a *measure* a number in [0, 1] for two kernels' answers to one probe.
The family says what these are (:class:`Definition`, named by ``Family.disagreement``); which
kernels are asked, the sampling, the pairwise table and the report are the same for every family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, TypeVar

from fedenv import seeding
from fedenv.comparison import Comparison, Measure, rounded, spread
from fedenv.errors import ConfigError
from fedenv.family import Kernel, World
from fedenv.federation import Federation
from fedenv.fingerprint import digest
from fedenv.registration import find_environment
from fedenv.trajectory import EpisodeRecord
from fedenv.version import __version__

FORMAT = "fedenv-disagreement/1"
DEFAULT_CLIENTS = 8
_T = TypeVar("_T")


@dataclass(frozen=True)
class ProbeSource:
    """Where probes come from; without lines and records the family makes its default ones.

    Attributes:
        count: Take so many, drawn without replacement; None takes all.
        lines: Probes that a user wrote, one a line.
        records: Episodes whose actions are replayed.
    """

    count: int | None = None
    lines: tuple[str, ...] | None = None
    records: tuple[EpisodeRecord, ...] | None = None


class Definition(Protocol):
    """What disagreement is in one family."""

    @property
    def probe_noun(self) -> tuple[str, str]:
        """What a probe is called: singular, plural."""

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures, the one to look at first first."""

    def probes(self, world: World, source: ProbeSource) -> list[Any]:
        """Return all probes of a source, unsampled, in an order that depends on it alone.

        Raises:
            ConfigError: The source holds none, or is none this family can read.
        """

    def describe(self, probe: Any) -> dict[str, Any]:
        """Return a probe as JSON, with every number it needs to be asked again."""

    def answers(self, kernel: Kernel, probes: Sequence[Any]) -> list[Any]:
        """Return a kernel's answer to each probe."""

    def reported(self, variant: str, knobs: Mapping[str, Any]) -> Mapping[str, float]:
        """Return means that the paper reports for a variant, by measure; empty where it has none.

        Args:
            variant: Name of the family's variant.
            knobs: Every knob of the world with its value.
        """


@dataclass(frozen=True)
class Member:
    """One kernel of a comparison, under the client that holds it."""

    label: str
    client_id: int
    kernel: Kernel


def choose_members(
    federation: Federation, clients: Sequence[int] | None = None
) -> tuple[Member, ...]:
    """Return the kernels to compare.

    Args:
        federation: The federation.
        clients: Clients to compare; None takes the first client of each pool entry, or the first
            eight clients where the variant has no pool.

    Raises:
        ConfigError: No two kernels differ, or a pool entry has no client.
    """
    labels = federation.world.pool_labels
    if clients is not None:
        chosen = list(clients)
    elif labels:
        chosen = _first_holders(federation, len(labels))
    else:
        chosen = list(range(min(DEFAULT_CLIENTS, federation.num_clients)))
    members = []
    for client_id in chosen:
        kernel = federation.client(client_id).kernel
        index = kernel.pool_index
        entry = "" if index is None else labels[index]
        label = f"client {client_id}"
        if clients is None and entry:
            label = entry
        elif entry:
            label += f" ({entry})"
        members.append(Member(label, client_id, kernel))
    if len({member.kernel.digest for member in members}) < 2:
        raise ConfigError(
            f"the {len(members)} chosen clients of {federation.env_id} have the same kernel, "
            "so there is nothing to compare; expected at least two kernels that differ: take an id "
            "whose clients differ (fedenv list), a larger pool_size, or other clients"
        )
    return tuple(members)


def disagreement_report(
    federation: Federation,
    source: ProbeSource,
    clients: Sequence[int] | None = None,
) -> dict[str, Any]:
    """Compare the kernels of a federation and return everything as JSON.

    Equal arguments give an equal report on every machine; numbers are rounded to six decimals.

    Args:
        federation: The federation.
        source: Where the probes come from.
        clients: As in :func:`choose_members`.

    Raises:
        ConfigError: Nothing to compare, or nothing to compare it with.
    """
    row = find_environment(federation.env_id)
    definition = load_definition(row.load_family().disagreement)
    members = choose_members(federation, clients)
    probes = sample(definition.probes(federation.world, source), source.count)
    answers = [definition.answers(member.kernel, probes) for member in members]
    comparisons = {m.name: Comparison.of(answers, m) for m in definition.measures}
    described = [definition.describe(probe) for probe in probes]
    per_probe = {name: comparison.per_probe for name, comparison in comparisons.items()}
    reported = definition.reported(row.variant, federation.world.knobs)
    content = {
        "format": FORMAT,
        "fedenv_version": __version__,
        "env_id": federation.env_id,
        "federation_digest": federation.digest,
        "data_digest": federation.world.data_digest,
        "num_clients": federation.num_clients,
        "federation_seed": federation.federation_seed,
        "knobs": dict(federation.world.knobs),
        "members": [
            {
                "label": member.label,
                "client_id": member.client_id,
                "pool_index": member.kernel.pool_index,
                "pipeline_digest": member.kernel.digest,
            }
            for member in members
        ],
        "probe_noun": list(definition.probe_noun),
        "num_probes": len(probes),
        "probes_digest": digest(described),
        "measures": {
            measure.name: {
                "title": measure.title,
                "meaning": measure.meaning,
                "same": measure.same,
                "mean": rounded(comparisons[measure.name].mean),
                "reported": reported.get(measure.name),
                "not_unanimous": rounded(comparisons[measure.name].not_unanimous),
                "per_probe": spread(per_probe[measure.name]),
                "matrix": [list(map(rounded, line)) for line in comparisons[measure.name].matrix],
            }
            for measure in definition.measures
        },
        "probes": [
            {**probe, **{name: rounded(values[i]) for name, values in per_probe.items()}}
            for i, probe in enumerate(described)
        ],
    }
    return {"digest": digest(content), **content}


def sample(items: Sequence[_T], count: int | None) -> list[_T]:
    """Return so many items, drawn without replacement by a fixed draw, in their order.

    Args:
        items: What to draw from.
        count: How many; None or more than there are takes all.
    """
    if count is None or count >= len(items):
        return list(items)
    order = seeding.frozen_rng("disagreement", "sample", len(items)).permutation(len(items))
    return [items[i] for i in sorted(order[:count].tolist())]


def load_definition(place: str) -> Definition:
    """Import what disagreement is in a family, from ``module:name``."""
    module, name = place.split(":")
    definition: Definition = getattr(import_module(module), name)
    return definition


def _first_holders(federation: Federation, pool_size: int) -> list[int]:
    holders: dict[int, int] = {}
    for client_id in range(federation.num_clients):
        index = federation.kernel(client_id).pool_index
        if index is not None:
            holders.setdefault(index, client_id)
        if len(holders) == pool_size:
            return [holders[index] for index in range(pool_size)]
    missing = ", ".join(str(index) for index in range(pool_size) if index not in holders)
    raise ConfigError(
        f"expected a client for each of {pool_size} pool entries, but none of "
        f"{federation.num_clients} clients holds entry {missing}; take more clients "
        "(num_clients), a smaller pool_size, or name the clients to compare"
    )
