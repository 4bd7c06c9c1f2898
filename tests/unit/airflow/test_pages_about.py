"""What a run is about, by its conf: what people write there by hand may be half of it, or of another type."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from perennial_airflow.pages.app import _about

AFTER = datetime(2013, 3, 6, tzinfo=UTC)


def about(conf: Any) -> dict[str, str]:
    run = SimpleNamespace(
        conf=conf, run_type="manual", run_after=AFTER, data_interval_start=None, data_interval_end=None
    )
    return _about("flights.predict", "manual__1", SimpleNamespace(scalar=lambda _: run))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "conf",
    [
        None, [], "text", {}, {"window_from": "2013-03-05"}, {"window_to": "2013-03-05"},
        {"window_from": "2013-03-05", "window_to": None}, {"window_from": 20130305, "window_to": "2013-03-06"},
        {"as_of": 20130305}, {"as_of": ""}, {"as_of": ["2013-03-05"]},
    ],
)  # fmt: skip
def test_half_an_interval_is_none(conf: Any) -> None:
    """It has no windows to show, and the run's page is that of the use case, or what was known when it ran."""
    assert about(conf) == {"as_of": AFTER.isoformat()}


def test_an_interval_and_a_moment_are_taken_as_they_were_given() -> None:
    given = {"window_from": "2013-03-04", "window_to": "2013-03-05"}
    assert about(given) == {"start": "2013-03-04", "end": "2013-03-05", "as_of": "2013-03-05"}
    assert about({"as_of": "2013-03-01"}) == {"as_of": "2013-03-01"}
