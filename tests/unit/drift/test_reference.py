"""References: deterministic, small, quick to fit, and honest about what they could not measure."""

import json
import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import wasserstein_distance

from perennial.drift.assess import assess
from perennial.drift.distances import jensen_shannon
from perennial.drift.profiles.profile import profile
from perennial.drift.reference import MIN_WINDOWS, PREDICTION, Reference, fit_reference
from perennial.encoding import as_json
from perennial.errors import NotEnoughData, SchemaMismatch, UntrustedModel
from perennial.modeling.reference import ModelReference
from perennial.spec.columns import Kind
from perennial.verdict import Verdict

from .conftest import People


def read(stored: object) -> Reference:
    """As it is stored with a model, and read again."""
    return ModelReference.from_json({"inputs": stored, "labels": None, "estimation": None, "format": 3}).inputs


def test_a_reference_survives_json(reference: Reference) -> None:
    again = read(json.loads(json.dumps(as_json(reference), allow_nan=False)))
    assert again == reference
    assert again.bins_digest == reference.bins_digest


@pytest.mark.parametrize("broken", [{}, {"format": 1}, {"columns": "none"}])
def test_what_is_no_reference_is_refused(reference: Reference, broken: dict[str, object]) -> None:
    with pytest.raises(UntrustedModel, match="can't be read; train and register"):
        read({**as_json(reference), **broken} if broken else {})


def test_rows_in_another_order_give_the_same_reference(people: People, reference: Reference) -> None:
    backwards = [(name, rows.take(list(reversed(range(rows.num_rows))))) for name, rows in People(1).windows(40)]
    assert fit_reference(backwards, people.columns, {"height": 3.0, "colour": 1.0}) == reference


@pytest.mark.parametrize(
    ("packed", "message"), [("AAAA", "are damaged"), ("%", "are damaged"), ("AAAAAA==", "1 numbers for 40 windows")]
)
def test_damaged_shapes_are_refused(reference: Reference, packed: str, message: str) -> None:
    value = as_json(reference)
    value["columns"][0]["packed"] = packed
    with pytest.raises(UntrustedModel, match=message):
        read(value)


def test_damaged_joint_means_are_refused(reference: Reference) -> None:
    with pytest.raises(UntrustedModel, match="joint means are not 40 times 6 numbers"):
        read({**as_json(reference), "packed": "AAAAAA=="})


def test_the_usual_distance_is_that_of_each_window_from_all_others(people: People) -> None:
    windows = people.windows(25)
    fitted = fit_reference(windows, people.columns, {})
    age = [rows.column("age").to_numpy() for _, rows in windows]  # few different values: bins are exact
    scale = float(np.concatenate(age).std())
    apart = [wasserstein_distance(age[i], np.concatenate(age[:i] + age[i + 1 :])) / scale for i in range(25)]
    assert fitted.columns[1].usual == pytest.approx(np.mean(apart), rel=1e-5)
    member = [np.bincount(rows.column("member").to_numpy(zero_copy_only=False), minlength=2) for _, rows in windows]
    whole = np.sum(member, axis=0)
    apart = [jensen_shannon(each, whole - each) for each in member]
    assert fitted.columns[3].usual == pytest.approx(np.mean(apart), rel=1e-4)


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
    assert len(fitted.windows) == 22
    assert fitted.rows == (200,) * 22


@pytest.mark.parametrize("count", [0, 1, 2, MIN_WINDOWS - 1])
def test_few_windows_have_no_null_distribution(people: People, count: int) -> None:
    fitted = fit_reference(people.windows(count), people.columns, {})
    assert all(column.usual is None and column.usual_missing is None for column in fitted.columns)
    json.dumps(as_json(fitted), allow_nan=False)


def test_a_column_missing_in_most_windows_is_not_measured_but_its_missing_rate_is(people: People) -> None:
    windows = [
        (name, rows if i < 19 else people.replace(rows, "height", [None] * 200))
        for i, (name, rows) in enumerate(people.windows(40))
    ]
    height = fit_reference(windows, people.columns, {}).columns[0]
    assert height.usual is None
    assert height.usual_missing is not None
    assert height.missing_rate == pytest.approx(21 / 40)


def test_a_column_that_never_had_a_value_has_no_bins(people: People) -> None:
    windows = [(name, people.replace(rows, "height", pa.nulls(200))) for name, rows in people.windows(20)]
    height = fit_reference(windows, people.columns, {}).columns[0]
    assert (height.bins, height.pooled, height.usual, height.missing_rate) == (None, None, None, 1.0)
    assert height.usual_missing == 0.0


def test_profiles_are_counted_in_the_references_bins_chunk_by_chunk_too(reference: Reference, people: People) -> None:
    rows = people.window(300)
    whole = reference.profile(rows)
    assert whole.bins == reference.bins_digest
    chunks = profile([rows.slice(0, 100), rows.slice(100)], people.columns, reference.bins)
    for name, category in whole.categorical.items():
        assert chunks.categorical[name].binned == category.binned
    for name, column in whole.numeric.items():
        found = chunks.numeric[name].binned
        assert found is not None
        assert column.binned is not None
        assert found.counts == column.binned.counts


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
    assert len(json.dumps(as_json(fitted))) < 1_000_000


def test_how_many_rows_a_window_needs_follows_from_the_windows() -> None:
    people = People(3)
    small = fit_reference([(name, rows.slice(0, 24)) for name, rows in people.windows(30)], people.columns, {})
    assert (small.min_rows, len(small.windows)) == (12, 30)
    assert assess(small, people.windows(1)[0][1].slice(0, 24), 0.05).verdict is not Verdict.INSUFFICIENT
    eleven = assess(small, people.windows(1)[0][1].slice(0, 11), 0.05)
    assert eleven.reasons == ("The window has 11 rows; 12 are needed.",)


def test_a_spec_may_say_how_many_rows_a_window_needs(people: People) -> None:
    windows = [(name, rows.slice(0, 24)) for name, rows in people.windows(30)]
    assert fit_reference(windows, people.columns, {}, min_rows=25).windows == ()


def test_a_reference_of_0_1_0_needs_fifty_rows(reference: Reference) -> None:
    stored = as_json(reference)
    del stored["min_rows"]
    assert read(stored).min_rows == 50
