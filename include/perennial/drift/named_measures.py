"""What each measure of drift is called, and what it says, for people who did not choose it."""

from collections.abc import Mapping
from dataclasses import dataclass

from perennial.drift.joint_comparison import CLASSIFIER, CORRELATION, RECONSTRUCTION, UNITS

TEST = "conformal rank test"
TEST_EXPLAINED = (
    "The column's distance is ranked among those of the reference's own windows, all treated alike. p is the share of "
    "them that are at least as unusual, this window included. Nothing is assumed about how values are distributed, and "
    "rows need not be independent. The joint p-value ranks the largest score of all columns, which makes up for their "
    "number."
)


@dataclass(frozen=True)
class Measure:
    """A measure by its usual name, with its meaning in one sentence. `unit` is that of its values, "" for none."""

    name: str
    explained: str
    unit: str = ""


_MOVED = (
    "How far values would have to be moved, on average, to turn the reference into this window. It grows with the "
    "shift and does not stop at 1."
)
NUMBERS, CONSTANT, CATEGORIES = (
    "reference SDs",
    "times the reference's constant value",
    "Jensen-Shannon distance (base 2)",
)
MEASURES: Mapping[str, Measure] = {
    NUMBERS: Measure("Wasserstein distance", _MOVED, "SDs of the reference"),
    CONSTANT: Measure("Wasserstein distance", _MOVED, "times the constant that the reference always had"),
    CATEGORIES: Measure(
        "Jensen-Shannon distance",
        "How different the shares of the categories are: 0 where they are the same, 1 where no category is in both.",
    ),
    UNITS[CORRELATION]: Measure(
        "change of correlations", "By how much the correlation of two columns that changed most has changed.", "SDs"
    ),
    UNITS[RECONSTRUCTION]: Measure(
        "principal components",
        "How much more of the rows' variance the reference's principal components leave over than they used to.",
    ),
    UNITS[CLASSIFIER]: Measure(
        "Mahalanobis distance", "How far the means of all numeric columns lie apart, correlations taken into account."
    ),
}
NOT_MEASURED = Measure("not measured", "There were too few values to measure a distance.")


def measure_of(unit: str) -> Measure:
    """The measure whose values have this unit, as `ColumnDrift.unit` says it.

    >>> measure_of("reference SDs").name
    'Wasserstein distance'
    """
    return MEASURES.get(unit, NOT_MEASURED)
