"""Figures of assignments: categories, pool sizes and success quotas of the clients, side by side.

Clients are sorted by what a figure shows, so that its shape is the distribution over clients; all
panels of a figure share their axes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fedenv.partitions.summary import Summary
from fedenv.partitions.sweep import Curve
from fedenv.plotting import COLOURS, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CATEGORIES = len(COLOURS)
_GRID, _EDGE = "#E6E6E6", "#BBBBBB"
_WIDTH, _HEIGHT = 7.2, 2.5
SYMBOLS = {
    "delta2_pref": r"$\Delta^2_{\mathrm{pref}}$",
    "delta2_cov": r"$\Delta^2_{\mathrm{cov}}$",
    "delta2_hard": r"$\Delta^2_{\mathrm{hard}}$",
}


@dataclass(frozen=True)
class Panel:
    """One assignment in a figure.

    Attributes:
        label: The knob with its value.
        summary: What the clients hold.
        measures: The assignment's measures by name.
    """

    label: str
    summary: Summary
    measures: Mapping[str, float]


def category_order(summary: Summary) -> np.ndarray:
    """Return the clients by largest category, the purest first within one; shape (N,)."""
    shares = summary.tasks / summary.sizes[:, None]
    largest = shares.argmax(axis=1)
    purity = shares.max(axis=1)
    return np.lexsort((np.arange(len(largest)), -purity, largest))


def category_figure(panels: Sequence[Panel]) -> Figure:
    """Return the category shares of every client as stacked bars, one colour a category.

    Source: paper, Figures 8 and 9. At most eight categories are told apart.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    figure, axes = _row(panels, "share of tasks", "delta2_pref")
    colours = COLOURS[:MAX_CATEGORIES]
    for ax, panel in zip(axes, panels, strict=True):
        summary = panel.summary.folded(MAX_CATEGORIES)
        shares = (summary.tasks / summary.sizes[:, None])[category_order(summary)]
        top = np.zeros(len(shares))
        for column, category in enumerate(summary.categories):
            floor, top = top, top + shares[:, column]
            ax.stairs(
                top,
                np.arange(len(shares) + 1),
                baseline=floor,
                fill=True,
                color=colours[column],
                label=category,
                linewidth=0,
            )
        ax.set_xlabel("clients, by largest category", fontsize=8, color=INK)
    axes[0].set_ylim(0.0, 1.0)
    _legend(figure, axes[0])
    return figure


def size_figure(panels: Sequence[Panel]) -> Figure:
    """Return the number of tasks of every client, the largest pool first.

    Source: paper, Figure 10.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    return _sorted_bars(
        panels, lambda panel: panel.summary.sizes, "tasks", "delta2_cov", "clients, by pool size"
    )


def quota_figure(panels: Sequence[Panel]) -> Figure:
    """Return the share of solvable tasks of every client, the largest first.

    Source: paper, Figure 11. Every summary must have success labels.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """

    def rates(panel: Panel) -> np.ndarray:
        found = panel.summary.rates
        assert found is not None
        return found

    figure = _sorted_bars(
        panels, rates, "share of successes", "delta2_hard", "clients, by share of successes"
    )
    figure.axes[0].set_ylim(0.0, 1.0)
    return figure


def control_figure(curve: Curve) -> Figure:
    """Return measured means over the closed form, and how far they are off, with the 95 % band.

    A knob whose values span more than two orders of magnitude from 1 on has a logarithmic axis.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    figure = new_figure(_WIDTH, _HEIGHT)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.04)
    left, right = figure.subplots(1, 2)
    values = np.array(curve.sweep.values)
    symbol = SYMBOLS[curve.sweep.measure]
    off = 100.0 * (curve.measured / curve.expected - 1.0)
    band = 100.0 * curve.half_widths / curve.expected
    left.plot(values, curve.expected, color=INK, linewidth=1.0, label="closed form")
    right.axhline(0.0, color=INK, linewidth=1.0)
    right.fill_between(
        values, -band, band, color=COLOURS[4], alpha=0.35, linewidth=0, label="95 % band"
    )
    for ax, heights in ((left, curve.measured), (right, off)):
        ax.scatter(
            values,
            heights,
            s=16,
            color=COLOURS[0],
            linewidth=0,
            zorder=3,
            label=f"mean of {curve.runs} seeds",
        )
        if values[-1] > 100.0 * values[0] and values[0] >= 1.0:
            ax.set_xscale("log", base=2)
            ax.set_xticks(values, [f"{value:g}" for value in values])
            ax.minorticks_off()
        ax.set_xlabel(curve.sweep.symbol, fontsize=8, color=INK)
        dress(ax)
    left.set_ylim(bottom=0.0)
    reach = 1.1 * max(np.abs(off).max(), band.max())
    right.set_ylim(-reach, reach)
    left.set_title(symbol, fontsize=9, color=INK, loc="left")
    right.set_title(f"{symbol} against the closed form, %", fontsize=9, color=INK, loc="left")
    _legend(figure, left, right)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure; the ending of the path names the format."""
    figure.savefig(path)


def _sorted_bars(
    panels: Sequence[Panel],
    values: Callable[[Panel], np.ndarray],
    label: str,
    measure: str,
    clients: str,
) -> Figure:
    figure, axes = _row(panels, label, measure)
    for ax, panel in zip(axes, panels, strict=True):
        heights = np.sort(values(panel))[::-1]
        edges = np.arange(len(heights) + 1)
        ax.stairs(heights, edges, fill=True, color=COLOURS[0], linewidth=0)
        mean = float(heights.mean())
        ax.axhline(mean, color=INK, linewidth=1.0, linestyle="--", label="mean")
        ax.set_xlabel(clients, fontsize=8, color=INK)
    _legend(figure, axes[0])
    return figure


def _row(panels: Sequence[Panel], label: str, measure: str) -> tuple[Figure, Sequence[Axes]]:
    figure = new_figure(_WIDTH, _HEIGHT)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06, wspace=0.04)
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for ax, panel in zip(axes, panels, strict=True):
        value = panel.measures.get(measure)
        title = (
            panel.label if value is None else f"{panel.label}   {SYMBOLS[measure]} = {value:.3g}"
        )
        ax.set_title(title, fontsize=9, color=INK, loc="left")
        ax.set_xlim(0, len(panel.summary.tasks))
        dress(ax)
    axes[0].set_ylabel(label, fontsize=8, color=INK)
    return figure, axes


def dress(ax: Axes) -> None:
    """Give axes the look of the project's figures."""
    ax.tick_params(labelsize=7, color=_GRID, labelcolor=INK)
    ax.grid(axis="y", color=_GRID, linewidth=0.6)
    ax.set_axisbelow(True)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(_EDGE)


def _legend(figure: Figure, *axes: Axes) -> None:
    named: dict[str, Any] = {}
    for ax in axes:
        handles, labels = ax.get_legend_handles_labels()
        named.update(zip(labels, handles, strict=True))
    figure.legend(
        list(named.values()),
        list(named),
        loc="outside lower center",
        ncols=len(named),
        fontsize=7,
        labelcolor=INK,
        frameon=False,
        handlelength=1.2,
        columnspacing=1.2,
    )
