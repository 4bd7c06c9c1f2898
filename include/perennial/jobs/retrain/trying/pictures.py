"""Pictures of a candidate for people who look at its run: PNG files, drawn without a screen."""

import io
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from perennial.arrays import Floats

BINS = 10
MOST_BARS = 20
PLACE = (0.17, 0.12, 0.8, 0.79)  # of the axes: left, bottom, width and height as shares of the picture


def of_classification(truth: Floats, predictions: Floats) -> dict[str, bytes]:
    """ROC, precision against recall, and calibration: the share of positives in each tenth of the predictions."""
    return {
        "roc.png": _drawn("ROC on the holdout", "false positive rate", "true positive rate", _roc(truth, predictions)),
        "pr.png": _drawn("Precision and recall on the holdout", "recall", "precision", _pr(truth, predictions)),
        "calibration.png": _drawn(
            "Calibration on the holdout", "mean prediction", "share of positives", _calibration(truth, predictions)
        ),
    }


def of_regression(truth: Floats, predictions: Floats) -> dict[str, bytes]:
    """Calibration: the mean outcome in each tenth of the predictions."""
    calibration = _calibration(truth, predictions)
    return {"calibration.png": _drawn("Calibration on the holdout", "mean prediction", "mean outcome", calibration)}


def of_importance(importances: Mapping[str, float]) -> bytes:
    """How much worse the metric becomes when a column's values are shuffled, the most important first."""
    most = sorted(importances.items(), key=lambda each: (-each[1], each[0]))[:MOST_BARS][::-1]

    def draw(axes: Axes) -> None:
        axes.barh([name for name, _ in most], [value for _, value in most], color="#2b6cb0")

    return _drawn("Permutation importance on the holdout", "loss in the deciding metric", "", draw, fitting=True)


def of_learning(metric: str, points: Sequence[tuple[int, float]]) -> bytes:
    """The deciding metric on the holdout by the number of training rows, the newest ones."""

    def draw(axes: Axes) -> None:
        axes.plot([rows for rows, _ in points], [value for _, value in points], marker="o", color="#2b6cb0")

    return _drawn("Learning curve", "training rows, the newest", f"{metric} on the holdout", draw)


def _roc(truth: Floats, predictions: Floats) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        false, true, _ = roc_curve(truth, predictions)
        axes.plot([0, 1], [0, 1], color="0.6", linestyle="--")
        axes.plot(false, true, color="#2b6cb0")

    return draw


def _pr(truth: Floats, predictions: Floats) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        precision, recall, _ = precision_recall_curve(truth, predictions)
        axes.axhline(float(truth.mean()), color="0.6", linestyle="--")
        axes.plot(recall, precision, color="#2b6cb0")

    return draw


def _calibration(truth: Floats, predictions: Floats) -> Callable[[Axes], None]:
    def draw(axes: Axes) -> None:
        parts = np.array_split(np.argsort(predictions, kind="stable"), BINS)
        points = [(float(predictions[part].mean()), float(truth[part].mean())) for part in parts if len(part)]
        ends = [min(min(point) for point in points), max(max(point) for point in points)]
        axes.plot(ends, ends, color="0.6", linestyle="--")
        axes.plot([mean for mean, _ in points], [share for _, share in points], marker="o", color="#2b6cb0")

    return draw


def _drawn(title: str, along: str, up: str, draw: Callable[[Axes], None], *, fitting: bool = False) -> bytes:
    """The picture as a PNG file. With `fitting` long names find their place, which takes twice as long."""
    # No pyplot: it would keep every figure.
    figure = Figure(figsize=(6, 4.5), dpi=100, layout="constrained" if fitting else None)
    axes = figure.subplots() if fitting else figure.add_axes(PLACE)
    draw(axes)
    axes.set(title=title, xlabel=along, ylabel=up)
    sink = io.BytesIO()
    figure.savefig(sink, format="png", metadata={"Software": None})
    return sink.getvalue()
