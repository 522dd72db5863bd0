"""Figures of results. Matplotlib is imported on use and never touched globally (no pyplot)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fedenv.errors import FedEnvError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette: told apart by people with any kind of colour vision.
COLOURS = (
    *("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999"),
)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")
INK = "#333333"
GRID = "#E6E6E6"
_WIDTH, _PANEL_HEIGHT = 7.2, 1.75
_ROOM = 25
_TICK_STEPS = (1, 2, 5, 10, 20, 50, 100, 500, 1000, 10_000, 100_000)


class MissingPlotting(FedEnvError):
    """Matplotlib is not installed."""


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure.

    Args:
        width: In inches.
        height: In inches.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingPlotting(
            "figures need matplotlib; install it with: pip install 'fedenv[plot]'"
        ) from error
    return Figure(figsize=(width, height), dpi=200)


def client_figure(results: Mapping[str, Any]) -> Figure:
    """Return the per-client figure of an evaluation: one panel per environment id.

    A point is one client's mean score in its own kernel; a stem leads from it to the same client's
    score in the reference kernel, on the same tasks. Clients are grouped by their entry of the
    variant's pool, where there is one; the legend and a line give the mean of each group.

    Args:
        results: The content of ``results.json``.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    environments = results["environments"]
    figure = new_figure(_WIDTH, 0.6 + _PANEL_HEIGHT * len(environments))
    figure.set_layout_engine("constrained", h_pad=0.06, hspace=0.04)
    panels = figure.subplots(len(environments), 1, squeeze=False)[:, 0]
    for axes, (env_id, environment) in zip(panels, environments.items(), strict=True):
        _panel(axes, env_id, environment)
    panels[-1].set_xlabel("client", fontsize=9, color=INK)
    figure.supylabel("mean score on validation tasks", fontsize=9, color=INK)
    config = results["config"]
    figure.suptitle(
        f"Agent “{config['agent']}”: {len(config['clients'])} clients, "
        f"{config['episodes']} validation episodes per client and kernel",
        fontsize=10,
        color=INK,
    )
    return figure


def save_client_figure(results: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the per-client figure of an evaluation; the ending of the path names the format.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    client_figure(results).savefig(path)


def _panel(axes: Axes, env_id: str, environment: Mapping[str, Any]) -> None:
    kernels = environment["kernels"]
    own = kernels.get("client")
    reference = kernels.get("reference")
    shown = own or reference
    rows = sorted(shown["clients"], key=lambda row: (row["pool_index"] or 0, row["client_id"]))
    places = {row["client_id"]: place for place, row in enumerate(rows)}
    size = 26 if len(rows) <= 40 else 12
    if own is not None:
        if reference is not None:
            other = {row["client_id"]: row["score"] for row in reference["clients"]}
            axes.vlines(
                [places[row["client_id"]] for row in rows],
                [row["score"] for row in rows],
                [other[row["client_id"]] for row in rows],
                color="#BBBBBB",
                linewidth=0.8,
                zorder=1,
            )
        _own_points(axes, rows, environment["pool"], size)
    if reference is not None:
        axes.scatter(
            [places[row["client_id"]] for row in reference["clients"]],
            [row["score"] for row in reference["clients"]],
            s=2.2 * size,
            marker="_",
            color=INK,
            linewidth=0.9,
            zorder=2,
            label="reference kernel",
        )
    means = [
        f"{name} {kernel['score']:.3f}"
        for name, kernel in (("own", own), ("reference", reference))
        if kernel is not None
    ]
    axes.set_title(f"{env_id}   (mean score: {', '.join(means)})", fontsize=8.5, loc="left")
    _dress(axes)
    _name_clients(axes, rows)


def _own_points(
    axes: Axes, rows: Sequence[Mapping[str, Any]], labels: Sequence[str], size: float
) -> None:
    groups: dict[int | None, list[tuple[int, float]]] = {}
    for place, row in enumerate(rows):
        groups.setdefault(row["pool_index"], []).append((place, row["score"]))
    for index, points in groups.items():
        mean = sum(score for _, score in points) / len(points)
        label = "own kernel"
        if index is not None:
            label = f"{_label(labels, index)} ({mean:.2f})"
        axes.scatter(
            [place for place, _ in points],
            [score for _, score in points],
            s=size,
            marker=_MARKERS[(index or 0) % len(_MARKERS)],
            color=COLOURS[(index or 0) % len(COLOURS)],
            linewidth=0,
            zorder=3,
            label=label,
        )
        if len(groups) > 1:
            ends = (points[0][0] - 0.5, points[-1][0] + 0.5)
            axes.hlines(
                mean, *ends, color=COLOURS[(index or 0) % len(COLOURS)], linewidth=1.2, zorder=2
            )


def _label(labels: Sequence[str], index: int) -> str:
    return labels[index] if index < len(labels) else f"entry {index}"


def _name_clients(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Label clients by id where there is room or a plain order, else groups by their size."""
    count = len(rows)
    axes.set_xlim(-1, count)
    starts = [
        place
        for place in range(count)
        if place == 0 or rows[place]["pool_index"] != rows[place - 1]["pool_index"]
    ]
    if count > _ROOM and len(starts) > 1:
        ends = [*starts[1:], count]
        centres = [(start + end - 1) / 2 for start, end in zip(starts, ends, strict=True)]
        sizes = [end - start for start, end in zip(starts, ends, strict=True)]
        axes.set_xticks(centres, [f"{size} clients" for size in sizes])
        axes.tick_params(axis="x", length=0)
        for start in starts[1:]:
            axes.axvline(start - 0.5, color="#BBBBBB", linewidth=0.6, zorder=0)
        return
    step = next(s for s in _TICK_STEPS if count <= s * _ROOM or s == _TICK_STEPS[-1])
    ticks = range(0, count, step)
    axes.set_xticks(ticks, [str(rows[place]["client_id"]) for place in ticks])


def _dress(axes: Axes) -> None:
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.tick_params(labelsize=7, color=GRID, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#BBBBBB")
    legend = axes.legend(
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=7,
        labelcolor=INK,
        frameon=False,
        handletextpad=0.4,
        borderaxespad=0.2,
    )
    legend.set_in_layout(True)
