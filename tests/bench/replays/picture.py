"""Policies as a picture: ROC AUC by month with its 95% interval, and what came of each retraining."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from perennial.backtest.life import Retraining
from replays.months import HIGH, LOW, Months

PROJECT = Path(__file__).parents[3]
PICTURES = PROJECT / "docs" / "images"


def draw(months: Months, retrainings: tuple[Retraining, ...], shown: Mapping[str, str], name: str) -> Path:
    """Draw the policies that are `shown`, each with its label; `retrainings`, the first one's, are marked below.

    Returns the picture's place in the project.
    """
    figure = Figure(figsize=(9.5, 4.2), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(months.names))
    for position, (policy, label) in enumerate(shown.items()):
        own = months.values[policy]
        low, high = np.percentile(months.resampled[policy], [LOW, HIGH], axis=0)
        axes.plot(at, [own[month] for month in months.names], "o-", color=f"C{position}", label=label, markersize=4)
        axes.fill_between(at, low, high, color=f"C{position}", alpha=0.12, linewidth=0)
    bottom = axes.get_ylim()[0]
    for each in retrainings:
        marker = "^" if each.promoted else "x"
        axes.plot(_place(each.as_of, months.names), bottom, marker, color="C0", markersize=8, clip_on=False, zorder=5)
    axes.set_ylim(bottom=bottom)
    axes.set_xticks(at, months.names, rotation=45 if len(at) > 12 else 0)
    axes.set_ylabel("ROC AUC, with its 95% interval")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    marks = [
        Line2D([], [], color="C0", linestyle="", marker="^", markersize=8, label="retraining: a new model"),
        Line2D([], [], color="C0", linestyle="", marker="x", markersize=8, label="retraining: the champion stays"),
    ]
    axes.legend(handles=[*axes.get_legend_handles_labels()[0], *marks], frameon=False, ncols=2, fontsize=9)
    PICTURES.mkdir(parents=True, exist_ok=True)
    file = PICTURES / f"{name}.png"
    figure.savefig(file, dpi=130)
    return file.relative_to(PROJECT)


def _place(moment: datetime, names: tuple[str, ...]) -> float:
    """Where the moment is on an axis on which each month's value stands in the month's middle."""
    return names.index(f"{moment:%Y-%m}") + (moment.day - 1) / 31 - 0.5
