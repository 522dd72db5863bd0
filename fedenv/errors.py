"""Errors of the project.

Every message says four things: what was expected, what came, which values are legal, and how
to fix it. A malformed action of an agent is never one of these errors: it is a step that
changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable


class FedEnvError(Exception):
    """Base class of every error that fedenv raises on purpose."""


class ConfigError(FedEnvError, ValueError):
    """An argument is unknown, out of range, or does not fit the other arguments."""


class DataError(FedEnvError, ValueError):
    """A data file is missing or broken; the message names file, record and field."""


class ReplayError(FedEnvError):
    """A trajectory cannot be replayed here, e.g. because it was made on other data."""


def unknown_name(kind: str, got: object, legal: Iterable[object]) -> ConfigError:
    """Build the error for a name outside a closed set.

    Args:
        kind: What the name stands for, e.g. ``"partition"``.
        got: The value that came.
        legal: The legal values, in the order in which they should be shown.
    """
    return ConfigError(f"unknown {kind} {got!r}; legal: {', '.join(map(repr, legal))}")
