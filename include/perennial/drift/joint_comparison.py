"""The columns of a window together, against the reference: how they go together, and where they lie."""

import math
from collections.abc import Collection, Mapping

import numpy as np

from perennial.arrays import Floats
from perennial.drift.columns import ColumnDrift, Compared, Floor
from perennial.drift.conformal import standardised
from perennial.drift.profiles.joint import joint_distances, of_columns, widest_pair
from perennial.drift.profiles.profile import WindowProfile
from perennial.drift.reference import MIN_WINDOWS, Reference, stored

FEWEST = 2  # columns that can go together
# Brackets, so that no column of a use case can have the name.
CORRELATION, RECONSTRUCTION, CLASSIFIER = "(correlation)", "(reconstruction)", "(domain classifier)"
UNITS: Mapping[str, str] = {
    CORRELATION: "SDs of the correlation that changed most",
    RECONSTRUCTION: "change of the variance that principal components leave over",
    CLASSIFIER: "Mahalanobis distance of the means",
}
FLOORS: Mapping[str, Floor] = {
    CORRELATION: Floor(2.0, 0.5),
    RECONSTRUCTION: Floor(0.05, 0.01),
    CLASSIFIER: Floor(0.1, 0.02),
}


def compare_joint(reference: Reference, window: WindowProfile, left_out: Collection[str] = ()) -> list[Compared]:
    """Measure the new window together with the reference's, each against all others, in all numeric columns at once
    but those `left_out`.

    Nothing is measured below `MIN_WINDOWS` windows, `reference.min_rows` rows or two numeric columns that vary.
    """
    names = tuple(name for name in reference.joint_columns if name not in left_out)
    if window.joint is None or window.rows < reference.min_rows or len(reference.windows) < MIN_WINDOWS:
        return []
    if len(names) < FEWEST:
        return []
    new = stored(window.joint.means)
    means = of_columns(np.vstack([reference.joint_means, new]), [name in names for name in reference.joint_columns])
    rows = np.array([*reference.rows, window.rows], dtype=np.float64)
    found = joint_distances(means, rows, len(names))
    return [
        _compared(CORRELATION, found.correlation, _pair(names, means)),
        _compared(RECONSTRUCTION, found.reconstruction, _percentage(float(found.reconstruction[-1]))),
        _compared(CLASSIFIER, found.separation, _area_under_curve(float(found.separation[-1]))),
    ]


def _compared(name: str, distances: Floats, description: str) -> Compared:
    floor = FLOORS[name]
    scores = standardised(distances, floor.negligible, floor.spread)
    drift = ColumnDrift(
        name=name,
        importance=0.0,
        unit=UNITS[name],
        distance=float(distances[-1]),
        usual=float(distances[:-1].mean()),
        score=float(scores[-1]),
        missing_rate=0.0,
        missing_change=0.0,
        missing_score=None,
        unseen_share=None,
        shift=None,
        description=description,
        measures=None,
    )
    return Compared(drift, scores)


def _pair(names: tuple[str, ...], means: Floats) -> str:
    one, other, now, usual = widest_pair(names, means)
    return f"the correlation of {one} and {other} is {now:.2f}, in the reference's windows {usual:.2f} on average"


def _percentage(change: float) -> str:
    return f"the part of the numeric columns that principal components don't explain changed by {100 * change:.0f}%"


def _area_under_curve(separation: float) -> str:
    """The area under the ROC curve of a linear classifier between two normal distributions with means so far apart."""
    area = (1 + math.erf(separation / 2)) / 2
    return (
        f"a linear classifier tells this window's rows from the reference's with an area under the curve of {area:.2f}"
    )
