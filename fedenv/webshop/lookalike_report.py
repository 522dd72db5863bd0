"""The lookalikes file of a data set, and what is said about it: counts and reward changes."""

from __future__ import annotations

from typing import Final

from fedenv.family import DerivedFile
from fedenv.webshop.catalog import load_catalog
from fedenv.webshop.files import DataFiles
from fedenv.webshop.lookalike_generator import GeneratedPool, generate
from fedenv.webshop.lookalikes import dump

PAPER_CHANGES: Final = {"price": -0.42, "color": -0.38, "size": -0.35, "price+color": -0.46}
"""Reward change of buying the lookalike instead of the target, as the paper reports it."""

EXPLANATION: Final = """\
Mean over the lookalikes, each the mean over its target's goals, of the reward of buying the
lookalike with the goal's options (where it offers them) minus that of buying the target.
The paper's figures are no targets: exactly the attacked term fails here (checked for every goal),
and one term is worth 1 / (attributes + options + 1), about .2 on average, or two of them for
price+color. A larger loss needs further terms to fail."""


def derive(files: DataFiles) -> DerivedFile:
    """Make the lookalikes of a data set.

    Args:
        files: The data set.

    Raises:
        DataError: The data is broken.
    """
    pools = generate(load_catalog(files))
    return DerivedFile(
        name=f"lookalikes{files.suffix}.json.gz",
        content=dump({pool.name: pool.lookalikes for pool in pools}),
        counts=tuple(row for pool in pools for row in _counts(pool)),
        report=tuple(map(_report, pools)),
        note=EXPLANATION,
    )


def _counts(pool: GeneratedPool) -> list[dict[str, str]]:
    outcomes = {"made": len(pool.lookalikes), **pool.not_made}
    return [
        {"pool": pool.name, "outcome": outcome, "targets": str(number)}
        for outcome, number in outcomes.items()
    ]


def _report(pool: GeneratedPool) -> dict[str, str]:
    change = f"{pool.mean_reward_change:+.3f}" if pool.lookalikes else "none made"
    paper = f"{PAPER_CHANGES[pool.name]:+.2f}"
    return {"pool": pool.name, "mean reward change": change, "paper": paper}
