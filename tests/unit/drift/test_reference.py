"""References: deterministic, small, quick to fit, and honest about what they could not measure."""

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from perennial.drift.assess import assess
from perennial.drift.reference import (
    CATEGORICAL_FLOOR,
    MIN_WINDOWS,
    PREDICTION,
    Reference,
    fit_reference,
)
from perennial.errors import NotEnoughData, SchemaMismatch, UntrustedModel
from perennial.spec.models import Kind

from .conftest import People


def test_a_reference_survives_json(reference: Reference) -> None:
    assert Reference.from_json(json.loads(json.dumps(reference.to_json(), allow_nan=False))) == reference


@pytest.mark.parametrize("broken", [{}, {"format": 2}, {"columns": "none"}])
def test_what_is_no_reference_is_refused(reference: Reference, broken: dict[str, object]) -> None:
    with pytest.raises(UntrustedModel, match="can't be read; train and register"):
        Reference.from_json({**reference.to_json(), **broken} if broken else {})


def test_rows_in_another_order_give_the_same_reference(people: People, reference: Reference) -> None:
    backwards = [(name, rows.take(list(reversed(range(rows.num_rows))))) for name, rows in People(1).windows(40)]
    assert fit_reference(backwards, people.columns, {"height": 3.0, "colour": 1.0}) == reference


def test_a_window_of_the_reference_scores_as_if_it_were_new(people: People) -> None:
    columns = {name: kind for name, kind in people.columns.items() if name != "height"}  # discrete: no rounding
    windows = people.windows(30)
    whole = fit_reference(windows, columns, {})
    for i in (0, 7, 29):
        without = fit_reference(windows[:i] + windows[i + 1 :], columns, {})
        assert assess(without, windows[i][1], 0.1).score == pytest.approx(whole.maxima[i])


def test_importances_become_shares(reference: Reference) -> None:
    assert [column.importance for column in reference.columns] == [0.75, 0.0, 0.25, 0.0]


def test_negative_importances_count_as_none(people: People) -> None:
    fitted = fit_reference(people.windows(20), people.columns, {"height": -1.0, "age": 2.0})
    assert [column.importance for column in fitted.columns] == [0.0, 1.0, 0.0, 0.0]


def test_predictions_are_a_column_of_their_own(people: People) -> None:
    windows = people.windows(25)
    fitted = fit_reference(windows, people.columns, {}, [rows.column("height").to_numpy() for _, rows in windows])
    height, prediction = fitted.columns[0], fitted.columns[-1]
    assert prediction == replace(height, name=PREDICTION, importance=1.0)


def test_predictions_must_match_the_rows(people: People) -> None:
    with pytest.raises(NotEnoughData, match="one prediction for each row"):
        fit_reference(people.windows(2), people.columns, {}, [np.zeros(200), np.zeros(199)])


def test_windows_too_small_to_be_assessed_are_left_out(people: People) -> None:
    fitted = fit_reference([*people.windows(22), ("small", people.window(49))], people.columns, {})
    assert fitted.left_out == ("small",)
    assert len(fitted.windows) == len(fitted.maxima) == 22
    assert fitted.smallest_rows == 200


@pytest.mark.parametrize("count", [0, 1, 2, MIN_WINDOWS - 1])
def test_few_windows_have_no_null_distribution(people: People, count: int) -> None:
    fitted = fit_reference(people.windows(count), people.columns, {})
    assert fitted.maxima == ()
    assert all(column.ordinary is None and column.ordinary_missing is None for column in fitted.columns)
    json.dumps(fitted.to_json(), allow_nan=False)


def test_a_column_missing_in_most_windows_is_not_measured_but_its_missing_rate_is(people: People) -> None:
    windows = [
        (name, rows if i < 19 else people.replace(rows, "height", [None] * 200))
        for i, (name, rows) in enumerate(people.windows(40))
    ]
    height = fit_reference(windows, people.columns, {}).columns[0]
    assert height.ordinary is None
    assert height.ordinary_missing is not None
    assert height.missing_rate == pytest.approx(21 / 40)


def test_a_window_without_a_column_has_no_distance_there(people: People) -> None:
    windows = people.windows(25)
    windows[3] = ("w003", people.replace(windows[3][1], "height", [None] * 200))
    height = fit_reference(windows, people.columns, {}).columns[0]
    assert height.ordinary is not None
    assert [i for i, distance in enumerate(height.ordinary.distances) if distance is None] == [3]


def test_what_never_varied_is_measured_on_a_floor(people: People) -> None:
    windows = [(name, people.replace(rows, "colour", ["red"] * 200)) for name, rows in people.windows(25)]
    colour = fit_reference(windows, people.columns, {}).columns[2]
    assert colour.ordinary is not None
    assert colour.ordinary.mean == pytest.approx(0, abs=1e-6)
    assert colour.ordinary.sd == CATEGORICAL_FLOOR


def test_a_wrong_column_is_refused(people: People) -> None:
    with pytest.raises(SchemaMismatch, match="weight"):
        fit_reference(people.windows(1), {"weight": Kind.NUMERIC}, {})


def test_a_hundred_and_twenty_windows_are_fitted_quickly_and_stay_small() -> None:
    random = np.random.default_rng(5)
    columns = {f"x{i}": Kind.NUMERIC for i in range(12)} | {f"c{i}": Kind.CATEGORICAL for i in range(4)}
    distinct = {"c0": 3, "c1": 20, "c2": 100, "c3": 400}
    names = {name: np.array([f"value {i}" for i in range(count)]) for name, count in distinct.items()}
    windows = [
        (
            f"window {i}",
            pa.table(
                {f"x{k}": random.normal(size=900) for k in range(12)}
                | {name: random.choice(values, 900) for name, values in names.items()}
            ),
        )
        for i in range(120)
    ]
    started = time.thread_time()
    fitted = fit_reference(windows, columns, {})
    assert time.thread_time() - started < 3
    assert len(json.dumps(fitted.to_json())) < 1_000_000
