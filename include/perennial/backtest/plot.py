"""A backtest as a picture: the deciding metric by month, a line for each policy."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

SIZE = (9.0, 4.5)
DOTS_PER_INCH = 150


def plot(metric: str, results: Sequence[tuple[str, Mapping[str, float], Sequence[str]]], file: Path) -> None:
    """Write the picture. Each result is a policy's name, its metric by month, and the months it retrained in.

    The file's ending says what kind of picture: .png, .svg or .pdf. Filled dots are months with a retraining.
    """
    # The import takes a second. A Figure by itself opens no window on a screen.
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    every = sorted({month for _, months, _ in results for month in months})
    axes.plot(every, [math.nan] * len(every))  # nothing is seen of it: it puts the months into their order
    for position, (name, months, retrained) in enumerate(results):
        known = sorted(months)
        colour = f"C{position}"
        axes.plot(known, [months[month] for month in known], color=colour, label=name, linewidth=1.6, alpha=0.85)
        filled = [month for month in known if month in set(retrained)]
        axes.plot(filled, [months[month] for month in filled], "o", color=colour, markersize=6)
    axes.set_ylabel(metric)
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.savefig(file, dpi=DOTS_PER_INCH)
