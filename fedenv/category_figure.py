"""The figure of results by category of task: one panel per environment id."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fedenv.plotting import COLOURS, GRID, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL = "All"
_WIDTH, _PANEL_HEIGHT = 6.0, 1.3
_LOOKS = {
    "client": ("own kernel", COLOURS[0], "o", -0.11),
    "reference": ("reference kernel", INK, "D", 0.11),
}


def published_by_category(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the environments of an evaluation whose family publishes results by category."""
    found = results["environments"].items()
    return {env_id: environment for env_id, environment in found if environment["category_titles"]}


def category_figure(results: Mapping[str, Any]) -> Figure:
    """Return the success by category of task, with 95 % intervals, and over all tasks.

    Args:
        results: The content of ``results.json``; environments that are not published by category
            are left out.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    environments = published_by_category(results)
    figure = new_figure(_WIDTH, 0.9 + _PANEL_HEIGHT * len(environments))
    figure.set_layout_engine("constrained", h_pad=0.05, hspace=0.03)
    panels = figure.subplots(len(environments), 1, squeeze=False)[:, 0]
    for axes, (env_id, environment) in zip(panels, environments.items(), strict=True):
        _panel(axes, env_id, environment)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=7.5, frameon=False)
    figure.supylabel("success on validation tasks, 95 % interval", fontsize=8.5, color=INK)
    config = results["config"]
    settings = "".join(f", {name}={value}" for name, value in config["settings"].items())
    figure.suptitle(f"Agent “{config['agent']}”{settings}", fontsize=10, color=INK)
    return figure


def save_category_figure(results: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write the figure by category; the ending of the path names the format.

    Raises:
        MissingPlotting: Matplotlib is not installed.
    """
    category_figure(results).savefig(path)


def _panel(axes: Axes, env_id: str, environment: Mapping[str, Any]) -> None:
    titles = environment["category_titles"]
    for kernel, row in environment["kernels"].items():
        label, colour, marker, shift = _LOOKS[kernel]
        cells = [(row["categories"].get(name), i) for i, name in enumerate(titles)]
        shown = [(cell, i) for cell, i in [*cells, (row, len(titles))] if cell is not None]
        rates = [cell["success"] for cell, _ in shown]
        ends = [cell["success_interval"] for cell, _ in shown]
        axes.errorbar(
            [i + shift for _, i in shown],
            rates,
            yerr=[
                [rate - low for rate, (low, _) in zip(rates, ends, strict=True)],
                [high - rate for rate, (_, high) in zip(rates, ends, strict=True)],
            ],
            fmt=marker,
            markersize=4,
            color=colour,
            elinewidth=1.0,
            clip_on=False,
            label=label,
        )
    axes.axvline(len(titles) - 0.5, color="#BBBBBB", linewidth=0.6)
    axes.set_xticks(range(len(titles) + 1), [*titles.values(), ALL])
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks([0, 0.5, 1.0])
    axes.tick_params(labelsize=7, color=GRID, labelcolor=INK)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#BBBBBB")
    axes.set_title(env_id, fontsize=8.5, loc="left", color=INK)
