from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import ValidationError

from perennial.errors import SchemaMismatch
from perennial.features.build import categorical_features, feature_frame, feature_groups, feature_names
from perennial.spec.models import UseCase


def spec(**columns: dict[str, object]) -> UseCase:
    source = {"type": "files", "path": "data", "format": "parquet"}
    return UseCase.model_validate(
        {
            "name": "trips",
            "title": "Trips",
            "owner": "team",
            "task": "regression",
            "schedule": {"start": "2013-01-01"},
            "source": source,
            "columns": {
                "id": {"kind": "integer", "role": "key"},
                "at": {"kind": "timestamp", "role": "event_time", "derive": ["weekday", "minute_of_day"]},
                **columns,
            },
            "labels": {"source": source, "column": "late", "arrival_time": "arrived", "mature_after": "P1D"},
            "training": {
                "history": "P60D",
                "holdout": "P14D",
                "metric": "mae",
                "candidates": [{"name": "trees", "estimator": "hist_gradient_boosting"}],
            },
        }
    )


SPEC = spec(
    distance={"kind": "numeric"},
    seats={"kind": "integer"},
    carrier={"kind": "categorical"},
    festive={"kind": "boolean"},
    tail={"kind": "categorical", "role": "carry"},
    load={"kind": "numeric", "role": "monitor"},
    booked={"kind": "timestamp", "derive": ["hour", "month", "day_of_month", "day_of_year"]},
)

ROWS = pa.table(
    {
        "festive": pa.array([True, None, False]),
        "tail": ["N1", "N2", "N3"],
        "load": [0.5, 0.6, 0.7],
        "carrier": pa.array(["UA", None, ""]),
        "seats": pa.array([100, None, 7], pa.int64()),
        "distance": pa.array([1.5, None, -2.0]),
        "id": pa.array([1, 2, 3], pa.int64()),
        "at": pa.array(
            [datetime(2013, 3, 10, 23, 59, tzinfo=UTC), datetime(2013, 3, 11, tzinfo=UTC), None],
            pa.timestamp("us", tz="UTC"),
        ),
        "booked": pa.array(
            [datetime(2012, 12, 31, 23, 30, tzinfo=UTC), None, datetime(2013, 1, 1, tzinfo=UTC)],
            pa.timestamp("us", tz="America/New_York"),
        ),
    }
)


def test_names_follow_the_spec_and_not_the_rows() -> None:
    assert feature_names(SPEC) == [
        "at_weekday",
        "at_minute_of_day",
        "distance",
        "seats",
        "carrier",
        "festive",
        "booked_hour",
        "booked_month",
        "booked_day_of_month",
        "booked_day_of_year",
    ]
    assert list(feature_frame(SPEC, ROWS).columns) == feature_names(SPEC)
    assert categorical_features(SPEC) == ["carrier"]
    assert feature_groups(SPEC)["at"] == ("at_weekday", "at_minute_of_day")


def test_values_nulls_and_types() -> None:
    nan = float("nan")
    expected = pd.DataFrame(
        {
            "at_weekday": [6.0, 0.0, nan],  # 10 March 2013 was a Sunday
            "at_minute_of_day": [1439.0, 0.0, nan],
            "distance": [1.5, nan, -2.0],
            "seats": [100.0, nan, 7.0],
            "carrier": pd.Series(["UA", nan, ""], dtype=object),
            "festive": [1.0, nan, 0.0],
            "booked_hour": [23.0, nan, 0.0],
            "booked_month": [12.0, nan, 1.0],
            "booked_day_of_month": [31.0, nan, 1.0],
            "booked_day_of_year": [366.0, nan, 1.0],
        }
    )
    pd.testing.assert_frame_equal(feature_frame(SPEC, ROWS), expected)


def test_a_missing_category_is_nan_and_never_none() -> None:
    carrier = feature_frame(SPEC, ROWS)["carrier"]
    assert carrier.dtype == object
    assert isinstance(carrier[1], float)
    assert np.isnan(carrier[1])


@pytest.mark.parametrize("carrier", [pa.array([1, 2, None]), pa.array(["a", "b", None]).dictionary_encode()])
def test_categories_may_arrive_as_numbers_or_dictionaries(carrier: pa.Array) -> None:
    rows = ROWS.set_column(ROWS.column_names.index("carrier"), "carrier", carrier)
    values = feature_frame(SPEC, rows)["carrier"]
    assert [type(value) for value in values] == [str, str, float]


def test_a_row_means_the_same_alone_and_among_others() -> None:
    whole = feature_frame(SPEC, ROWS)
    pieces = [feature_frame(SPEC, ROWS.slice(i, 1)) for i in range(3)]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), whole)


def test_chunks_of_a_table_make_no_difference() -> None:
    chunked = pa.concat_tables([ROWS.slice(0, 1), ROWS.slice(1, 2)])
    pd.testing.assert_frame_equal(feature_frame(SPEC, chunked), feature_frame(SPEC, ROWS))


def test_no_rows_give_an_empty_frame_with_all_columns() -> None:
    frame = feature_frame(SPEC, ROWS.slice(0, 0))
    assert frame.shape == (0, len(feature_names(SPEC)))
    assert frame["distance"].dtype == "float64"


def test_integers_beyond_the_precision_of_a_double_are_rounded() -> None:
    rows = ROWS.set_column(ROWS.column_names.index("seats"), "seats", pa.array([2**60 + 1, 0, 1], pa.int64()))
    assert feature_frame(SPEC, rows)["seats"][0] == float(2**60)


def test_a_missing_column_is_named() -> None:
    with pytest.raises(SchemaMismatch, match="carrier"):
        feature_frame(SPEC, ROWS.drop_columns(["carrier"]))


def test_values_of_another_kind_are_refused_with_the_column() -> None:
    rows = ROWS.set_column(ROWS.column_names.index("distance"), "distance", pa.array(["far", "near", "1"]))
    with pytest.raises(SchemaMismatch, match="distance of trips is numeric"):
        feature_frame(SPEC, rows)


def test_a_part_that_is_named_like_a_column_is_refused() -> None:
    with pytest.raises(ValidationError, match="the feature would be named at_weekday, as is the column at_weekday"):
        spec(at_weekday={"kind": "numeric"})
