"""The heat map of a disagreement report: one triangle a measure, dark where kernels differ."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedenv.plotting import INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL, _LETTER, _MARGIN = 0.4, 0.062, 0.25  # inches
_LEAST_SIDE, _LARGEST_SIDE = 2.2, 8.0
_ANNOTATED, _NAMED = 20, 50  # up to so many kernels
_COLOURS = "YlGnBu"  # one direction of lightness: told apart by everybody, and in grey
_LIGHT_TEXT_ABOVE = 0.55
_DIAGONAL = "#EEEEEE"


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
    labels = [f"{member['label']}   {i}" for i, member in enumerate(report["members"])]
    size = len(labels)
    names = _LETTER * max(map(len, labels))
    side = min(max(_CELL * size, _LEAST_SIDE), _LARGEST_SIDE)
    figure = new_figure(names + (side + _MARGIN) * len(measures), side + 1.1)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.04)
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, measure in zip(panels, measures, strict=True):
        _triangle(axes, measure, size)
        shown = labels if axes is panels[0] else [str(i) for i in range(size)]
        step = 1 if size <= _NAMED else 10
        axes.set_yticks(range(0, size, step), shown[::step])
        axes.set_xticks(range(0, size, step if size <= _ANNOTATED else 10))
    one, many = report["probe_noun"]
    count = report["num_probes"]
    figure.suptitle(
        f"{report['env_id']}: {size} kernels, {count} {one if count == 1 else many} "
        "(dark: different)",
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

    cells = np.array(measure["matrix"])
    similarity = measure["same"] == 1.0
    image = axes.imshow(
        np.ma.masked_array(cells, np.triu(np.ones_like(cells, dtype=bool))),
        cmap=f"{_COLOURS}_r" if similarity else _COLOURS,
        vmin=0.0,
        vmax=1.0,
    )
    shades = np.where(np.eye(size, dtype=bool), 0.0, np.nan)
    axes.imshow(shades, cmap=_plain_colour(), vmin=0.0, vmax=1.0)
    for row in range(size if size <= _ANNOTATED else 0):
        for column in range(row):
            value = cells[row, column]
            difference = 1.0 - value if similarity else value
            axes.text(
                column,
                row,
                "1.0" if value >= 0.995 else f"{value:.2f}".removeprefix("0"),
                ha="center",
                va="center",
                fontsize=8,
                color="white" if difference > _LIGHT_TEXT_ABOVE else INK,
            )
    edges = np.arange(size + 1) - 0.5
    axes.set_xticks(edges, minor=True)
    axes.set_yticks(edges, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5 if size <= _ANNOTATED else 0.0)
    axes.tick_params(which="both", length=0, labelsize=8, labelcolor=INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    title = f"{measure['title']}\nmean {measure['mean']:.3f}"
    if measure["reported"] is not None:
        title += f" (paper: ≈ {measure['reported']:.2f})"
    axes.set_title(title, fontsize=9, color=INK, loc="left")
    _scale(axes, image)


def _plain_colour() -> Any:
    from matplotlib.colors import ListedColormap

    return ListedColormap([_DIAGONAL])


def _scale(axes: Axes, image: Any) -> None:
    """Draw the colour scale into the empty corner above the diagonal."""
    corner = axes.inset_axes((0.56, 0.93, 0.42, 0.035))
    bar = axes.figure.colorbar(image, cax=corner, orientation="horizontal", ticks=[0.0, 0.5, 1.0])
    bar.ax.tick_params(labelsize=7, labelcolor=INK, length=0, pad=2)
    bar.outline.set_visible(False)
