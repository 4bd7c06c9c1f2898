"""Assessments: alarms on drift, silence on ordinary windows, and a defined answer for every odd one."""

import json

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats

from perennial.arrays import Floats
from perennial.drift.assess import Assessment, assess, assess_profile
from perennial.drift.columns import ColumnDrift
from perennial.drift.profiles.bins import NumericBins
from perennial.drift.profiles.profile import WindowProfile, profile
from perennial.drift.profiles.values import Numbers
from perennial.drift.reasons import describe, missing_reason
from perennial.drift.reference import PREDICTION, Reference, fit_reference
from perennial.encoding import as_json
from perennial.errors import NotEnoughData, SchemaMismatch
from perennial.spec.columns import Kind
from perennial.verdict import Verdict

from .conftest import People

LEVEL = 0.05


def column(found: Assessment, name: str) -> ColumnDrift:
    return next(each for each in found.columns if each.name == name)


def test_an_ordinary_window_passes_and_says_what_was_farthest(reference: Reference, people: People) -> None:
    found = assess(reference, people.window(), LEVEL)
    assert found.verdict is Verdict.PASS
    assert found.p_value is not None
    assert found.p_value > LEVEL
    assert len(found.reasons) == 2
    assert found.reasons[0].startswith("The window looks like the reference's own (p = ")


def test_a_shifted_column_raises_an_alarm_in_plain_words(reference: Reference, people: People) -> None:
    found = assess(reference, people.window(shift=1.9), LEVEL)
    assert found.verdict is Verdict.FAIL
    assert found.p_value == pytest.approx(1 / 41)
    height = column(found, "height")
    assert height.distance == pytest.approx(1.9, abs=0.2)
    assert (height.unit, height.shift) == ("reference SDs", 1)
    assert found.reasons[1].startswith(f"height is {height.distance:.2f} reference SDs higher (mean 18")
    assert "reference 169.8)" in found.reasons[1]


def test_the_direction_of_the_shift_is_told(reference: Reference, people: People) -> None:
    lower = column(assess(reference, people.window(shift=-1), LEVEL), "height")
    assert lower.shift == -1
    assert "lower" in lower.description
    rows = people.window()
    wider = 170 + 3 * (rows.column("height").to_numpy() - rows.column("height").to_numpy().mean())
    spread = column(assess(reference, people.replace(rows, "height", wider), LEVEL), "height")
    assert "away, in both directions" in spread.description
    assert spread.score is not None
    assert spread.score > 10


def test_the_distance_grows_without_end(reference: Reference, people: People) -> None:
    found = [column(assess(reference, people.window(shift=s), LEVEL), "height").distance for s in (10, 100, 1e6)]
    assert found == pytest.approx([10, 100, 1e6], rel=0.05)


def test_changed_shares_raise_an_alarm(reference: Reference, people: People) -> None:
    found = assess(reference, people.replace(people.window(), "colour", ["blue"] * 200), LEVEL)
    assert found.verdict is Verdict.FAIL
    assert "'blue' is 100.0%, in the reference 19.8%" in found.reasons[1]
    assert column(found, "colour").shift is None


def test_a_changed_boolean_raises_an_alarm(reference: Reference, people: People) -> None:
    found = assess(reference, people.replace(people.window(), "member", [True] * 200), LEVEL)
    assert found.verdict is Verdict.FAIL
    assert "'true' is 100.0%" in found.reasons[1] or "'false' is 0.0%" in found.reasons[1]


def test_only_new_categories(reference: Reference, people: People) -> None:
    found = assess(reference, people.replace(people.window(), "colour", ["violet"] * 200), LEVEL)
    colour = column(found, "colour")
    assert found.verdict is Verdict.FAIL
    assert colour.unseen_share == 1.0
    assert colour.distance == pytest.approx(1.0)
    assert "100.0% are values that the reference never had" in found.reasons[1]


@pytest.mark.parametrize("gone", [None, float("nan"), float("inf")])
def test_a_column_that_vanishes_raises_an_alarm(reference: Reference, people: People, gone: float | None) -> None:
    values = pa.array([gone] * 200, pa.float64())
    found = assess(reference, people.replace(people.window(), "height", values), LEVEL)
    height = column(found, "height")
    assert found.verdict is Verdict.FAIL
    assert (height.distance, height.score, height.shift) == (None, None, None)
    assert (height.missing_rate, height.missing_change) == (1.0, 1.0)
    assert found.reasons[1] == "height is missing or not finite in 100.0% of the rows; in the reference 0.0%."


def test_part_of_a_column_missing_is_named_too(reference: Reference, people: People) -> None:
    rows = people.window()
    holes = [None if i < 60 else value for i, value in enumerate(rows.column("age").to_pylist())]
    found = assess(reference, people.replace(rows, "age", holes), LEVEL)
    assert found.verdict is Verdict.FAIL
    assert found.reasons[1] == "age is missing or not finite in 30.0% of the rows; in the reference 0.0%."


def test_what_is_missing_is_told_only_where_something_is(reference: Reference, people: People) -> None:
    told = [assess(reference, people.window(), LEVEL).reasons for _ in range(30)]
    assert not [reason for reasons in told for reason in reasons if "missing" in reason]


def test_a_share_too_small_to_be_shown_does_not_read_as_none() -> None:
    assert missing_reason("age", 0.0004, 0.0) == (
        "age is missing or not finite in less than 0.1% of the rows; in the reference 0.0%."
    )


def test_a_mean_that_is_0_but_for_rounding_reads_0() -> None:
    reference, window = (
        Numbers(np.sort(np.array(values)), rows=len(values), missing=0, non_finite=0)
        for values in ([-0.1, -0.2, 0.3] * 40, [0.1] * 120)
    )
    bins = NumericBins.of([reference])
    assert bins is not None
    counted = [bins.count(each.values, each) for each in (reference, window)]
    assert describe(bins, *counted, 1.0).endswith("(mean 0.1, reference 0)")


@pytest.mark.parametrize(("usable", "measured"), [(49, False), (50, True)])
def test_fewer_than_fifty_values_are_not_compared(
    reference: Reference, people: People, usable: int, measured: bool
) -> None:
    rows = people.window()
    sparse = [value if i < usable else None for i, value in enumerate(rows.column("height").to_pylist())]
    height = column(assess(reference, people.replace(rows, "height", sparse), LEVEL), "height")
    assert (height.score is not None) == (height.distance is not None) == measured
    assert height.missing_score is not None


def test_reasons_go_by_importance_and_end_with_how_many_more(reference: Reference, people: People) -> None:
    rows = people.window(shift=0.8)
    rows = people.replace(rows, "age", list(range(1000, 1200)))
    rows = people.replace(rows, "colour", ["blue"] * 200)
    found = assess(reference, people.replace(rows, "member", [True] * 200), LEVEL)
    assert [reason.split()[0] for reason in found.reasons[1:]] == ["height", "colour", "age", "1"]
    assert found.reasons[-1] == "1 more column is too far away."
    height, colour = column(found, "height"), column(found, "colour")
    assert (height.score or 0) < (colour.score or 0)


def test_drifted_predictions_raise_an_alarm(people: People) -> None:
    windows = people.windows(40)
    random = np.random.default_rng(2)
    reference = fit_reference(windows, people.columns, {}, [random.beta(2, 5, 200) for _ in windows])
    rows = people.window()
    same = assess(reference, rows, LEVEL, random.beta(2, 5, 200))
    assert (column(same, PREDICTION).score or 0) < (same.critical_score or 0)
    found = assess(reference, rows, LEVEL, random.beta(5, 2, 200))
    assert found.verdict is Verdict.FAIL
    assert found.reasons[1].startswith("The model's prediction is ")
    assert column(found, PREDICTION).shift == 1


@pytest.mark.parametrize("predictions", [None, np.zeros(3)])
def test_a_reference_with_predictions_wants_predictions(people: People, predictions: "Floats | None") -> None:
    windows = people.windows(20)
    reference = fit_reference(windows, people.columns, {}, [np.zeros(200) for _ in windows])
    with pytest.raises(NotEnoughData, match="200 rows need as many"):
        assess(reference, people.window(), LEVEL, predictions)


def test_too_few_reference_windows_are_insufficient(people: People) -> None:
    reference = fit_reference(people.windows(19), people.columns, {})
    found = assess(reference, people.window(shift=100), 0.5)
    assert (found.verdict, found.p_value) == (Verdict.INSUFFICIENT, None)
    assert "19 windows of at least 50 rows; 20 are needed" in found.reasons[0]


def test_a_level_that_no_rank_can_reach_is_insufficient(reference: Reference, people: People) -> None:
    found = assess(reference, people.window(shift=100), 0.02)
    assert (found.verdict, found.p_value) == (Verdict.INSUFFICIENT, None)
    assert "an alarm at level 0.02 can't happen; 49 windows are needed" in found.reasons[0]


@pytest.mark.parametrize("level", [1 / 41, 2 / 41, 0.05, 0.5])
def test_an_alarm_is_a_p_value_not_above_the_level(reference: Reference, people: People, level: float) -> None:
    for shift in (0.0, 0.05, 0.1, 0.15, 0.2, 3.0):
        found = assess(reference, people.window(shift=shift), level)
        assert found.p_value is not None
        assert (found.verdict is Verdict.FAIL) == (found.p_value <= level + 1e-12)


@pytest.mark.parametrize(
    ("rows", "reason"), [(0, "0 rows; 50 are"), (1, "1 rows; 50"), (49, "49 rows; 50"), (99, "less than half")]
)
def test_small_windows_are_insufficient(reference: Reference, people: People, rows: int, reason: str) -> None:
    found = assess(reference, people.window(rows, shift=100), LEVEL)
    assert (found.verdict, found.p_value) == (Verdict.INSUFFICIENT, None)
    assert reason in found.reasons[0]
    json.dumps(found.to_json(), allow_nan=False)


def test_nothing_monitored_is_insufficient(people: People) -> None:
    found = assess(fit_reference(people.windows(40), {}, {}), people.window(), LEVEL)
    assert found.verdict is Verdict.INSUFFICIENT


def test_a_missing_column_is_an_error_not_a_verdict(reference: Reference, people: People) -> None:
    with pytest.raises(SchemaMismatch, match="'age'"):
        assess(reference, people.window().drop_columns(["age"]), LEVEL)


ODD_VALUES = {
    "constant": np.full(200, 5.0),
    "infinite": np.where(np.arange(200) % 2 == 0, np.inf, 5.0),
    "huge": np.full(200, 1e100),
    "tiny": np.full(200, 5e-324),
    "one value": np.where(np.arange(200) == 0, 5.0, np.nan),
    "nothing": np.full(200, np.nan),
}


@pytest.mark.parametrize("normal", ODD_VALUES)
@pytest.mark.parametrize("new", ODD_VALUES)
def test_odd_columns_have_defined_results(people: People, normal: str, new: str) -> None:
    windows = [(f"w{i}", pa.table({"x": ODD_VALUES[normal]})) for i in range(20)]
    reference = fit_reference(windows, {"x": Kind.NUMERIC}, {"x": 1.0})
    found = assess(reference, pa.table({"x": ODD_VALUES[new]}), LEVEL)
    json.dumps([found.to_json(), as_json(reference)], allow_nan=False)
    # One value in 200 is a change of the missing rate that is too small to matter.
    alike = normal == new or {normal, new} == {"nothing", "one value"}
    assert (found.verdict is Verdict.PASS) == alike
    assert (found.p_value == 1.0) == alike


def test_the_report_is_json_with_every_column(reference: Reference, people: People) -> None:
    found = json.loads(json.dumps(assess(reference, people.window(), LEVEL).to_json(), allow_nan=False))
    assert found["verdict"] == "pass"
    assert [each["name"] for each in found["columns"]] == ["height", "age", "colour", "member"]


def test_a_week_is_the_merge_of_its_days(reference: Reference, people: People) -> None:
    days = [reference.profile(people.window()) for _ in range(7)]
    week = days[0]
    for day in days[1:]:
        week = week.merge(day)
    found = assess_profile(reference, WindowProfile.from_json(json.loads(json.dumps(week.to_json()))), LEVEL)
    assert (found.rows, found.verdict) == (1400, Verdict.PASS)
    colour = column(found, "colour").measures
    assert colour is not None
    assert sum(bar.window for bar in colour.bars) == pytest.approx(1)


def test_a_profile_in_other_bins_is_refused(reference: Reference, people: People) -> None:
    with pytest.raises(SchemaMismatch, match="bins of another reference"):
        assess_profile(reference, profile(people.window(), people.columns), LEVEL)


def test_a_profile_without_a_column_is_refused(reference: Reference, people: People) -> None:
    columns = {name: kind for name, kind in people.columns.items() if name != "age"}
    window = profile(people.window(), columns, reference.bins)
    with pytest.raises(SchemaMismatch, match="lacks the column 'age'"):
        assess_profile(reference, window, LEVEL)


def test_shifts_too_small_to_matter_are_no_alarm_however_many_rows(people: People) -> None:
    windows = [(f"w{i}", people.window(20_000).select(["height"])) for i in range(20)]
    reference = fit_reference(windows, {"height": Kind.NUMERIC}, {})
    assert assess(reference, people.window(20_000, shift=0.03), LEVEL).p_value == 1.0
    assert assess(reference, people.window(20_000, shift=0.1), LEVEL).verdict is Verdict.FAIL


def test_impact_is_the_importance_of_the_columns_that_drifted(reference: Reference, people: People) -> None:
    assert assess(reference, people.window(), LEVEL).impact == 0
    assert assess(reference, people.window(shift=3), LEVEL).impact == pytest.approx(0.75)
    found = assess(reference, people.replace(people.window(shift=3), "colour", ["blue"] * 200), LEVEL)
    assert found.impact == pytest.approx(1.0)
    assert [each.name for each in found.columns if each.drifted] == ["height", "colour"]


def test_columns_have_p_values_of_their_own_and_adjusted_ones(reference: Reference, people: People) -> None:
    found = assess(reference, people.window(shift=3), LEVEL)
    height = column(found, "height")
    assert height.p_value == height.adjusted_p_value == found.p_value == pytest.approx(1 / 41)
    everything = [*found.columns, *found.joint]
    q_values = stats.false_discovery_control([each.p_value or 0 for each in everything], method="by")
    assert [each.q_value for each in everything] == list(q_values)
    for each in everything:
        assert each.p_value is not None
        assert each.adjusted_p_value is not None
        assert each.p_value <= each.adjusted_p_value + 1e-12
        assert each.drifted == (each.adjusted_p_value <= LEVEL)


def test_the_new_window_is_treated_like_any_other(people: People) -> None:
    """Full conformal prediction: which of n + 1 windows is called the new one doesn't change the scores."""
    columns = {"age": Kind.INTEGER, "member": Kind.BOOLEAN}  # few different values: the bins are the same for all
    windows = people.windows(30, rows=100)
    scores = []
    for i in range(30):
        others = windows[:i] + windows[i + 1 :]
        scores.append(assess(fit_reference(others, columns, {}), windows[i][1], 0.1))
    ranks = sorted(round((found.p_value or 0) * 30) for found in scores)
    assert ranks[:10] == list(range(1, 11))  # so every level up to a third is kept exactly, averaged over the windows


def test_windows_with_and_without_a_column_are_compared(people: People) -> None:
    windows = [
        (name, people.replace(rows, "height", [None] * 200) if i % 4 == 0 else rows)
        for i, (name, rows) in enumerate(people.windows(40))
    ]
    reference = fit_reference(windows, people.columns, {})
    height = column(assess(reference, people.window(shift=2), LEVEL), "height")
    assert height.score is not None
    assert height.p_value == pytest.approx(1 / 41)
    without = column(assess(reference, people.replace(people.window(), "height", [None] * 200), LEVEL), "height")
    assert without.score is None
    assert (without.missing_score or 0) < 3


def pairs(count: int, correlation: float, seed: int) -> list[tuple[str, pa.Table]]:
    """Windows of two columns, each of them standard normal."""
    random = np.random.default_rng(seed)
    rows = [random.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], 300) for _ in range(count)]
    return [(f"w{i}", pa.table({"x": each[:, 0], "y": each[:, 1]})) for i, each in enumerate(rows)]


def test_columns_that_no_longer_go_together_raise_an_alarm() -> None:
    columns = {"x": Kind.NUMERIC, "y": Kind.NUMERIC}
    reference = fit_reference(pairs(40, 0.8, seed=0), columns, {})
    ordinary = [assess(reference, rows, LEVEL).verdict for _, rows in pairs(40, 0.8, seed=1)]
    assert ordinary.count(Verdict.FAIL) <= 6
    found = assess(reference, pairs(1, -0.8, seed=2)[0][1], LEVEL)
    assert found.verdict is Verdict.FAIL
    assert [each.name for each in found.columns if each.drifted] == []
    assert found.reasons[1].startswith("The correlation of x and y is -0.")
    assert "in the reference's windows 0.80 on average" in found.reasons[1]


def test_one_pair_of_many_that_no_longer_goes_together_raises_an_alarm() -> None:
    """On average over all 105 pairs, the change drowns in the chance of the others."""
    random = np.random.default_rng(6)
    columns = {f"x{i:02}": Kind.NUMERIC for i in range(15)}

    def window(correlation: float) -> pa.Table:
        rows = {name: random.normal(size=300) for name in columns}
        rows["x14"] = correlation * rows["x03"] + (1 - correlation**2) ** 0.5 * rows["x14"]
        return pa.table(rows)

    reference = fit_reference([(f"w{i}", window(0.6)) for i in range(60)], columns, {})
    found = assess(reference, window(0.2), LEVEL)
    correlation = found.joint[0]
    assert correlation.drifted
    assert correlation.description.startswith("the correlation of x03 and x14 is 0.")
    assert correlation.distance == pytest.approx(0.4 / 0.037, rel=0.4)  # sampling SD of 0.6 over 300 rows


def test_small_shifts_of_many_columns_add_up() -> None:
    random = np.random.default_rng(5)
    columns = {f"x{i}": Kind.NUMERIC for i in range(15)}

    def window(shift: float) -> pa.Table:
        return pa.table({name: random.normal(shift, 1, 300) for name in columns})

    reference = fit_reference([(f"w{i}", window(0)) for i in range(60)], columns, {})
    found = assess(reference, window(0.15), LEVEL)
    classifier = found.joint[-1]
    assert classifier.drifted
    assert classifier.distance == pytest.approx(0.15 * 15**0.5, rel=0.35)
    assert "with an area under the curve of 0." in classifier.description


def test_dates_and_many_categories_are_measured(people: People) -> None:
    random = np.random.default_rng(4)
    columns = {"day": Kind.CATEGORICAL, "customer": Kind.CATEGORICAL}

    def window(first: int) -> pa.Table:
        names = np.char.add("c", random.integers(first, first + 100_000, 5000).astype(str))
        day = pa.array(random.integers(0, 3, 5000).astype("int32")).cast(pa.date32())
        return pa.table({"day": day, "customer": names})

    reference = fit_reference([(f"w{i}", window(0)) for i in range(20)], columns, {})
    ordinary = assess(reference, window(0), LEVEL)
    assert ordinary.verdict is Verdict.PASS
    assert column(ordinary, "customer").unseen_share is None
    later = window(0).set_column(0, "day", pa.array([9] * 5000, pa.int32()).cast(pa.date32()))
    found = assess(reference, later, LEVEL)
    assert found.verdict is Verdict.FAIL
    assert column(found, "day").unseen_share == 1.0


def test_exchangeable_windows_raise_alarms_at_the_level(people: People) -> None:
    alarms = total = 0
    for _ in range(25):
        reference = fit_reference(people.windows(39, rows=80), people.columns, {})
        verdicts = [assess(reference, people.window(80), LEVEL).verdict for _ in range(16)]
        alarms += verdicts.count(Verdict.FAIL)
        total += len(verdicts)
    assert 0.02 <= alarms / total <= 0.09
