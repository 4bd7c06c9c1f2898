"""What is kept of personal columns: no value of a row, and drift all the same."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from perennial.drift.assess import assess_profile
from perennial.drift.profiles.withheld import disguised, pseudonym, without_values
from perennial.drift.reference import Reference, fit_reference
from perennial.encoding import as_json
from perennial.spec.columns import Kind
from perennial.verdict import Verdict

KINDS = {"income": Kind.NUMERIC, "town": Kind.CATEGORICAL}
PERSONAL = ("income", "town", "absent")


def window(number: int, shift: float = 0.0) -> pa.Table:
    random = np.random.default_rng(number)
    towns = random.choice(["Lyon", "Oslo", "Bari"], 200, p=[0.5, 0.3, 0.2] if not shift else [0.1, 0.1, 0.8])
    return pa.table({"income": 31_234.5678 + 900 * random.normal(shift, 1, 200), "town": towns})


def reference(personal: tuple[str, ...] = PERSONAL) -> Reference:
    windows = [(f"2024-01-{n + 1:02d}", disguised(window(n), personal)) for n in range(30)]
    return fit_reference(windows, KINDS, {})


def test_a_reference_and_a_profile_hold_no_value_of_a_row() -> None:
    fitted, rows = reference(), window(40)
    found = without_values(fitted.profile(disguised(rows, PERSONAL)), PERSONAL)
    kept = json.dumps([as_json(fitted), found.to_json()])
    assert [each for each in ("Lyon", "Oslo", "Bari") if each in kept] == []
    values = rows.column("income").to_pylist()
    assert [value for value in values if str(value) in kept or f"{value:.6g}" in kept] == []
    assert pseudonym("town", "Lyon") in kept
    income = found.numeric["income"]
    assert (income.quantiles, income.moments.minimum, income.moments.maximum) == ((), None, None)
    assert found.merge(found).numeric["income"].moments.maximum is None


def test_drift_of_personal_columns_is_found_as_in_others() -> None:
    for shift, expected in ((0.0, Verdict.PASS), (4.0, Verdict.FAIL)):
        verdicts = []
        for personal in (PERSONAL, ()):
            fitted = reference(personal)
            rows = disguised(window(50, shift), personal)
            verdicts.append(assess_profile(fitted, without_values(fitted.profile(rows), personal), 0.05).verdict)
        assert verdicts == [expected, expected]


def test_a_reference_of_before_the_column_was_personal_counts_the_same_categories() -> None:
    early = reference(()).withholding(PERSONAL)
    found = early.profile(disguised(window(40), PERSONAL)).categorical["town"].binned
    assert found is not None
    assert (found.elsewhere, found.usable) == (0, 200)
    assert early.withholding(PERSONAL) == early


def test_numbers_are_rounded_and_what_is_no_number_stays() -> None:
    rows = pa.table(
        {
            "n": pa.array([123_456, None, 0, -98_765], pa.int64()),
            "x": [0.00123456, float("inf"), None, float("nan")],
            "b": [True, False, None, True],
            "t": pa.array([datetime(2024, 1, 1, tzinfo=UTC)] * 4, pa.timestamp("us", "UTC")),
        }
    )
    found = disguised(rows, ("n", "x", "b", "t"))
    assert found.column("n").to_pylist() == [123_000.0, None, 0.0, -98_800.0]
    numbers = found.column("x").to_pylist()
    assert numbers[:3] == [0.00123, float("inf"), None]
    assert np.isnan(numbers[3])
    assert found.select(["b", "t"]) == rows.select(["b", "t"])
