"""Every measure that drift is measured with has its usual name."""

from perennial.drift.joint_comparison import UNITS
from perennial.drift.named_measures import NOT_MEASURED, measure_of
from perennial.drift.profiles.bins import CategoricalBins, NumericBins


def test_every_unit_of_a_distance_names_a_measure() -> None:
    numbers, constant = (NumericBins((0.0, 1.0), 0.0, 1.0, constant=each) for each in (False, True))
    categories = CategoricalBins(("a",), others=False)
    units = (numbers.unit, constant.unit, categories.unit, *UNITS.values())
    assert len({measure_of(unit).name for unit in units}) == len(units) - 1  # a constant is measured as numbers are
    assert all(measure_of(unit) is not NOT_MEASURED and measure_of(unit).explained for unit in units)


def test_what_was_not_measured_says_so() -> None:
    assert measure_of("") is NOT_MEASURED
