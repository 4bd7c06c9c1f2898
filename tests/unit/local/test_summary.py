"""The closing table says what the ledger says."""

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from perennial.ledger.entries import Performance
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.performance.maturity import Maturity
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict
from perennial.window import Window
from perennial_local.summary import scores_by_model, show_numbers


def measured(day: int, version: str, labelled: int, auc: float | None) -> Performance:
    start = datetime(2013, 3, day, tzinfo=UTC)
    return Performance(
        use_case="flight_delays",
        window=Window(start, start + timedelta(days=1)),
        revision=1,
        model_version=version,
        model_digest=f"digest of {version}",
        as_of=start + timedelta(days=2),
        maturity=Maturity.FINAL,
        rows=1000,
        labelled=labelled,
        completeness=labelled / 1000,
        verdict=Verdict.PASS,
        metrics={} if auc is None else {"roc_auc": auc},
        intervals={},
        estimates={},
        arrivals=(),
        label_drift={},
        labels_version=None,
        run_id="test",
    )


def test_windows_count_by_their_labelled_rows() -> None:
    days = [measured(3, "2", 500, 0.8), measured(1, "1", 900, 0.6), measured(2, "1", 100, 0.7)]
    first, second = scores_by_model(days, "roc_auc")
    assert (first.model_version, first.windows, first.value) == ("1", 2, pytest.approx(0.61))
    assert (first.first.start.day, first.last.start.day) == (1, 2)
    assert (second.model_version, second.windows, second.value) == ("2", 1, pytest.approx(0.8))


def test_windows_that_could_not_be_measured_are_left_out() -> None:
    one_class_only = measured(1, "1", 500, None)
    nobody_landed = replace(measured(2, "1", 0, 0.5), metrics={"roc_auc": 0.5})
    assert scores_by_model([one_class_only, nobody_landed], "roc_auc") == []


def test_an_empty_ledger_has_a_table_too(repository: Path) -> None:
    use_case = load_use_case(repository / "include" / "use_cases" / "flight_delays")
    output = io.StringIO()
    ledger = InMemoryLedger(lambda: datetime(2013, 4, 1, tzinfo=UTC))
    show_numbers(Console(file=output, width=120), use_case, ledger)
    assert "windows scored" in output.getvalue()
    assert "roc_auc" not in output.getvalue()
