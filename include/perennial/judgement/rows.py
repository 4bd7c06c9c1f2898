"""The rows that two models are compared on, and what counts as one independent piece of evidence among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from perennial.arrays import Floats
from perennial.grouping import numbered_texts
from perennial.window import Window

# From so many on, Student's t of windows errs no more often than it says (Ibragimov and Müller, 2010, Journal of
# Business and Economic Statistics 28), though with few of them only large differences are beyond doubt.
MIN_WINDOWS = 2.5  # three that are nearly alike
SHORT = timedelta(hours=20)  # shorter than any day, as that on which clocks change is


class Unit(StrEnum):
    """What is taken to be independent: whole windows, whole days of shorter windows, or rows where both are too few."""

    WINDOW = "window"
    DAY = "day"
    ROW = "row"


@dataclass(frozen=True)
class Scored:
    """Outcomes and two models' predictions of the same rows, all of shape (rows,).

    `truth` is 0 or 1 for classification and the value for regression; predictions are probabilities of 1, or values.
    For a metric of decisions they are what is measured of each row: its cost, or what was decided, 0 or 1.
    `windows` names or numbers the piece of time of each row: its window, or its day where windows are shorter; `group`
    says which. Errors: `ValueError` when lengths differ or a number is not finite.
    """

    truth: Floats
    champion: Floats
    challenger: Floats
    windows: npt.NDArray[np.generic]
    group: Unit = Unit.WINDOW

    def __post_init__(self) -> None:
        columns = (self.truth, self.champion, self.challenger, self.windows)
        if any(each.shape != (len(self.truth),) for each in columns):
            shapes = ", ".join(str(each.shape) for each in columns)
            raise ValueError(f"outcomes, predictions and windows must be of the same rows; their shapes are {shapes}")
        if not all(np.isfinite(each).all() for each in columns[:3]):
            raise ValueError("outcomes and predictions must be finite numbers")

    @classmethod
    def of_keys(
        cls, truth: Floats, champion: Floats, challenger: Floats, keys: Sequence[str] | pa.ChunkedArray
    ) -> "Scored":
        """The same from the keys of the rows' windows.

        Windows shorter than a day are put together by the day of UTC on which they start: hours of a day depend on
        each other as rows of a window do. Errors: `InvalidWindow` for what is no key.
        """
        names, of_row = numbered_texts(keys, missing="")
        windows = [Window.parse(str(name)) for name in names]
        if all(each.end - each.start >= SHORT for each in windows):
            return cls(truth, champion, challenger, of_row)
        _, day = np.unique([f"{each.start:%Y-%m-%d}" for each in windows], return_inverse=True)
        return cls(truth, champion, challenger, day[of_row], Unit.DAY)

    def units(self, classes: Sequence[npt.NDArray[np.bool_]] = ()) -> "Units":
        """The independent pieces of evidence among these rows: see `units_of`."""
        return units_of(self.windows, classes, self.group)

    def __len__(self) -> int:
        return len(self.truth)

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Scored":
        """Those rows alone."""
        return Scored(
            self.truth[chosen], self.champion[chosen], self.challenger[chosen], self.windows[chosen], self.group
        )


@dataclass(frozen=True)
class Units:
    """The independent pieces of evidence: `of_row` is each row's piece, from 0 to `count` - 1.

    `degrees_of_freedom` is that of the spread between them. Whatever the unit is, `windows` counts windows, or days
    where `group` is the day.
    """

    unit: Unit
    of_row: npt.NDArray[np.intp]
    count: int
    degrees_of_freedom: float
    windows: int
    group: Unit = Unit.WINDOW

    def sums(self, values: Floats) -> Floats:
        """The sum of each piece's rows; `values` has shape (rows,) or (rows, columns)."""
        if self.unit is Unit.ROW:
            return values
        found = np.zeros((self.count, *values.shape[1:]))
        np.add.at(found, self.of_row, values)
        return found


def units_of(
    windows: npt.NDArray[np.generic], classes: Sequence[npt.NDArray[np.bool_]] = (), group: Unit = Unit.WINDOW
) -> Units:
    """Whole windows where they suffice, single rows where they don't.

    Rows of one window share its weather, prices or outages, so they are no independent evidence; windows nearly are.
    Windows count by their rows: n_eff = (sum of rows)^2 / sum of rows^2 (Kish, 1965, Survey Sampling), because many
    tiny windows beside a large one are one window's evidence. Of each of `classes`, the rows of it are counted, and
    the class with the fewest decides: a metric that needs both classes knows no more than the rarer one tells.
    Degrees of freedom are n_eff - 1. With n_eff below `MIN_WINDOWS` every row counts as independent; what is found
    then holds for the windows at hand, and says little of windows to come.
    """
    names, of_row = np.unique(windows, return_inverse=True)
    parts = classes or [np.ones(len(windows), dtype=bool)]
    counts = [np.bincount(of_row[part], minlength=len(names)).astype(np.float64) for part in parts]
    effective = min(float(each.sum() ** 2 / max((each**2).sum(), 1.0)) for each in counts)
    if effective >= MIN_WINDOWS:
        return Units(group, of_row, len(names), effective - 1, len(names), group)
    rows = len(windows)
    freedom = max(1.0, min(float(part.sum()) for part in parts) - 1)
    return Units(Unit.ROW, np.arange(rows), rows, freedom, len(names), group)
