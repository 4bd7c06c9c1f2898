"""What the events of assets say of the data: from the jobs' own results, small and flat."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.encoding import as_json
from perennial.jobs.evaluate.collect_labels import Collected
from perennial.jobs.predict.ingest import Ingested
from perennial.jobs.predict.score import Scored
from perennial.jobs.predict.validate import Validated
from perennial.jobs.retrain.assemble import Assembled
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial_airflow import asset_extras

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

DAY = Window(datetime(2013, 3, 8, tzinfo=UTC), datetime(2013, 3, 9, tzinfo=UTC))
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))


SPAN = {"window_start": "2013-03-08T00:00:00+00:00", "window_end": "2013-03-09T00:00:00+00:00"}
BOTH = {"window_start": "2013-03-08T00:00:00+00:00", "window_end": "2013-03-10T00:00:00+00:00"}


def told(extra: Any, use_case: LoadedUseCase, *results: Any) -> dict[str, Any]:
    found: dict[str, Any] = extra(use_case, [as_json(each) for each in results])
    assert len(json.dumps(found)) < 400
    assert all(isinstance(value, str | int) for value in found.values())
    return found


def test_a_snapshot(use_case: LoadedUseCase) -> None:
    first = Ingested(DAY, "d1", 7, 914, changed=True)
    assert told(asset_extras.ingested, use_case, first) == {
        "window": DAY.key, **SPAN, "rows": 914, "snapshot": "d1", "version": 7,
    }  # fmt: skip
    assert told(asset_extras.ingested, use_case, first, Ingested(NEXT, "d2", 8, 86, changed=True)) == {
        "windows": 2, **BOTH, "rows": 1000,
    }  # fmt: skip
    assert told(asset_extras.ingested, use_case) == {"windows": 0, "rows": 0}


def test_a_verdict_is_the_worst_of_the_windows(use_case: LoadedUseCase) -> None:
    passed = Validated(DAY, "d", Verdict.PASS, ("ok",), 914, 2)
    warned = Validated(NEXT, "d", Verdict.WARN, ("so so",), 86, 10)
    assert told(asset_extras.validated, use_case, passed) == {
        "window": DAY.key, **SPAN, "rows": 914, "rows_quarantined": 2, "verdict": "pass",
    }  # fmt: skip
    found = told(asset_extras.validated, use_case, passed, warned)
    assert (found["rows_quarantined"], found["verdict"]) == (12, "warn")


def test_predictions_name_their_model_their_revision_and_the_verdict_on_their_rows(use_case: LoadedUseCase) -> None:
    first, second = (as_json(Scored(each, 2, 10, "3", "m", "d", changed=True)) for each in (DAY, NEXT))
    assert asset_extras.scored(use_case, [first | {"verdict": "pass"}]) == {
        "window": DAY.key, **SPAN, "rows": 10, "verdict": "pass", "model_version": "3", "revision": 2,
    }  # fmt: skip
    found = asset_extras.scored(use_case, [first | {"verdict": "pass"}, second | {"verdict": "warn"}])
    assert (found["model_version"], found["verdict"], found["windows"]) == ("3", "warn", 2)
    assert "revision" not in found


def test_labels_and_training_sets_say_as_of_when(use_case: LoadedUseCase) -> None:
    collected = as_json(Collected(DAY.end, 3, 800, 20))
    assert asset_extras.labels_collected(use_case, collected) == {
        "as_of": "2013-03-09T00:00:00Z", "windows": 3, "labels": 800, "new": 20,
    }  # fmt: skip
    assembled = as_json(Assembled("t", DAY.end, 53_000, 59, 2, "d"))
    assert asset_extras.assembled(use_case, assembled) == {
        "as_of": "2013-03-09T00:00:00Z", "windows": 59, "rows": 53_000, "training_id": "t",
    }  # fmt: skip
