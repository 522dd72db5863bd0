"""``fedenv replay``: run recorded episodes again and compare."""

from __future__ import annotations

from pathlib import Path

import click

from fedenv.commands.common import data_option
from fedenv.replay import replay_file

SHOWN_FAILURES = 20


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@data_option
def replay(file: Path, data: str | None) -> None:
    """Run the episodes of FILE again and compare every step.

    The exit status is 1 if a line is broken, diverges, or was made elsewhere.
    """
    lines = failures = steps = 0
    for outcome in replay_file(file, data):
        lines += 1
        if outcome.result is not None:
            steps += len(outcome.result.record.steps)
        if outcome.ok:
            continue
        failures += 1
        if failures > SHOWN_FAILURES:
            continue
        if outcome.result is not None and outcome.result.divergence is not None:
            divergence = outcome.result.divergence
            click.echo(f"line {outcome.line}, step {divergence.step}: {divergence.what} diverges")
            click.echo(f"  expected {divergence.expected!r}\n  got      {divergence.got!r}")
        else:
            click.echo(f"line {outcome.line}: {outcome.error}")
    if failures > SHOWN_FAILURES:
        click.echo(f"... and {failures - SHOWN_FAILURES} more lines")
    verdict = "ok" if lines and not failures else "NOT OK" if lines else "no episodes"
    click.echo(
        f"{file}: {verdict}; {lines - failures} of {lines} episodes came out again ({steps} steps)"
    )
    if failures or not lines:
        raise click.exceptions.Exit(1)
