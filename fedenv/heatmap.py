"""The heat map of a disagreement report: one triangle a measure, dark where kernels differ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedenv.plotting import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _LETTER = 0.42, 0.068  # inches
_COLOURS = "cividis"  # told apart by people with any kind of colour vision, and in grey
_LIGHT_TEXT_BELOW = 0.5


def disagreement_figure(report: Mapping[str, Any]) -> Figure:
    """Return the heat map of a disagreement report.

    Every cell is a pair of kernels. The colour scale runs from 0 to 1 and is turned so that dark
    always means different, for similarities and for disagreements.

    Args:
        report: What :func:`fedenv.disagreement.disagreement_report` returned.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    measures = list(report["measures"].values())
    labels = [member["label"] for member in report["members"]]
    size = len(labels) - 1
    names = _LETTER * (max(map(len, labels)) + 4)
    side = max(_CELL * size, 1.6)
    figure = new_figure(names + (side + 0.85) * len(measures), side + 1.15)
    figure.set_layout_engine("constrained", w_pad=0.05, h_pad=0.06, wspace=0.03)
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        _triangle(axes, measure, size)
    panels[0].set_yticks(range(size), [f"{label}  {i}" for i, label in enumerate(labels)][1:])
    for axes in panels[1:]:
        axes.set_yticks(range(size), [str(i) for i in range(1, size + 1)])
    one, many = report["probe_noun"]
    count = report["num_probes"]
    figure.suptitle(
        f"{report['env_id']}: {len(labels)} kernels, {count} {one if count == 1 else many}",
        fontsize=10,
        color=INK,
    )
    return figure


def save_disagreement_figure(report: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the heat map of a report; the ending of the path names the format.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    disagreement_figure(report).savefig(path)


def _triangle(axes: Axes, measure: Mapping[str, Any], size: int) -> None:
    import numpy as np

    cells = np.array(measure["matrix"])[1:, :-1]
    hidden = np.triu(np.ones_like(cells, dtype=bool), k=1)
    similarity = measure["same"] == 1.0
    image = axes.imshow(
        np.ma.masked_array(cells, hidden),
        cmap=_COLOURS if similarity else f"{_COLOURS}_r",
        vmin=0.0,
        vmax=1.0,
    )
    for row in range(size):
        for column in range(row + 1):
            value = cells[row, column]
            dark = (value if similarity else 1.0 - value) < _LIGHT_TEXT_BELOW
            axes.text(
                column,
                row,
                f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0",
                ha="center",
                va="center",
                fontsize=8,
                color="white" if dark else INK,
            )
    axes.set_xticks(range(size), [str(i) for i in range(size)])
    axes.tick_params(labelsize=8, labelcolor=INK, length=0)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="minor", length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    title = f"{measure['title']}\nmean {measure['mean']:.3f}"
    if measure["reported"] is not None:
        title += f" (paper ≈ {measure['reported']:.2f})"
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    bar = axes.figure.colorbar(image, ax=axes, shrink=0.9, aspect=22, pad=0.02)
    bar.set_ticks([0.0, 0.5, 1.0])
    bar.ax.tick_params(labelsize=7, labelcolor=INK, length=0)
    bar.outline.set_visible(False)
