"""Proof that the variants leave every game solvable: the oracle's plan, played in each house.

For maintainers: ``python -m fedenv.alfworld.variant_proofs`` proves, for every variant, the games
of every client (its training games, and all validation and test games) in the client's own house,
about ten minutes in all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import click

from fedenv.alfworld.proofs import prove
from fedenv.alfworld.world import AlfredKernel
from fedenv.errors import DataError
from fedenv.federation import Federation
from fedenv.registration import ENVIRONMENTS

_LOG = logging.getLogger(__name__)


def prove_federation(federation: Federation, every: int = 1) -> list[int]:
    """Return the lengths of the oracle's plans, each played from the start to the goal.

    Args:
        federation: A federation of ALFWorld.
        every: Take every so-manyth of the (house, game) pairs.

    Raises:
        DataError: A game cannot be solved in a client's house.
    """
    lengths = []
    for number, (kernel, task) in enumerate(_pairs(federation)):
        if number % every:
            continue
        try:
            lengths.append(prove(kernel.begin(task, 0).game))
        except DataError as error:
            task_id = federation.world.splits.tasks[task].id
            raise DataError(f"{task_id} in house {kernel.digest}: {error}") from error
    return lengths


def _pairs(federation: Federation) -> Iterator[tuple[AlfredKernel, int]]:
    splits = federation.world.splits
    asked: set[tuple[str, int]] = set()
    for client in range(federation.num_clients):
        kernel = federation.kernel(client)
        assert isinstance(kernel, AlfredKernel)
        own = federation.task_positions("train", client)
        for task in (*own, *splits.of("val"), *splits.of("test")):
            if (kernel.digest, task) not in asked:
                asked.add((kernel.digest, task))
                yield kernel, task


@click.command()
@click.option("--num-clients", type=click.IntRange(1), default=100, show_default=True)
@click.option("--every", type=click.IntRange(1), default=1, show_default=True)
def main(num_clients: int, every: int) -> None:
    """Prove the bundled games in the houses of every variant's clients."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for row in ENVIRONMENTS.values():
        if row.family_name == "alfworld":
            lengths = prove_federation(Federation(row.id, num_clients=num_clients), every)
            mean = sum(lengths) / len(lengths)
            _LOG.info(
                "%-31s %6d houses and games, plans of %.1f commands, at most %d",
                *(row.id, len(lengths), mean, max(lengths)),
            )


if __name__ == "__main__":
    main()
