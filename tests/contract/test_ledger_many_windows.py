"""Many windows at once, in every ledger: their leases and their entries, all of them or none."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.errors import LeaseLost, SchemaMismatch
from perennial.lease import Lease
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ledger.port import Ledger
from perennial.verdict import Verdict
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)


def days(*numbers: int) -> list[Window]:
    return [Window(START + timedelta(days=each), START + timedelta(days=each + 1)) for each in numbers]


def snapshots(use_case: str, windows: Collection[Window], **changes: Any) -> list[Snapshot]:
    fields: dict[str, Any] = {"table": f"raw/{use_case}", "version": 3, "rows": 9, "columns": {"a": "double"}}
    fields |= {"query": "SELECT 'ü'", "run_id": "run-1"} | changes
    return [Snapshot(use_case=use_case, window=each, digest=f"s{each.start:%d}", **fields) for each in windows]


def validations(use_case: str, windows: Collection[Window], **changes: Any) -> list[ValidationResult]:
    fields: dict[str, Any] = {"suite_digest": "rules", "verdict": Verdict.WARN, "reasons": ("a 'reason'",)}
    fields |= {"rows": 9, "rows_quarantined": 1, "result": {"gates": [1.5, None]}, "run_id": "run-1"} | changes
    return [
        ValidationResult(use_case=use_case, window=each, snapshot_digest=f"s{each.start:%d}", **fields)
        for each in windows
    ]


def test_many_windows_are_held_and_given_back(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on_free(use_case, days(1, 2, 3), "run") as first:
        assert list(first) == days(1, 2, 3)
        assert [(each.subject, each.window) for each in first.values()] == [(use_case, day) for day in days(1, 2, 3)]
        assert len(ledger.leases_not_given_back(use_case)) == 3
    assert ledger.leases_not_given_back(use_case) == []
    with ledger.working_on(use_case, days(2)[0], "run") as single:
        assert (single.contested, single.fencing_token > first[single.window].fencing_token) == (False, True)


def test_what_another_holds_is_left_to_it_without_waiting(ledger: Ledger, use_case: str) -> None:
    (taken,) = days(2)
    with ledger.working_on(use_case, taken, "other"), ledger.working_on_free(use_case, days(1, 2, 3), "run") as leases:
        assert list(leases) == days(1, 3)
        with ledger.working_on_free(use_case, days(1, 2), "third") as none:
            assert none == {}
        assert ledger.leases_not_given_back(use_case) == [(use_case, each) for each in days(1, 2, 3)]
    with ledger.working_on_free(use_case, days(1, 2, 3), "run") as leases:
        assert list(leases) == days(1, 2, 3)
    with ledger.working_on_free(use_case, [], "run") as leases:
        assert leases == {}


def test_only_leases_that_were_not_given_back_are_contested(ledger: Ledger, use_case: str) -> None:
    with pytest.raises(ZeroDivisionError), ledger.working_on_free(use_case, days(1, 2), "run"):
        raise ZeroDivisionError
    with ledger.working_on_free(use_case, days(1, 2, 3), "run") as leases:
        assert [each.contested for each in leases.values()] == [True, True, False]
    with pytest.raises(SchemaMismatch), ledger.working_on_free(use_case, days(1, 2), "run"):
        raise SchemaMismatch("nothing was under way")
    with ledger.working_on_free(use_case, days(1, 2), "run") as leases:
        assert [each.contested for each in leases.values()] == [False, False]


def test_many_entries_come_back_as_one_by_one(ledger: Ledger, use_case: str) -> None:
    windows = days(1, 2, 3)
    with ledger.working_on_free(use_case, windows, "run") as leases:
        held = list(leases.values())
        recorded = ledger.record_snapshots(snapshots(use_case, windows), held)
        verdicts = ledger.record_validations(validations(use_case, windows), held)
    assert [each.window for each in recorded] == windows
    assert recorded == ledger.snapshots_between(use_case, windows[0].start, windows[-1].end)
    assert list(verdicts) == [entry for each in windows for entry in ledger.validations(use_case, each)]
    assert len({each.id for each in recorded}) == len(windows)
    assert ledger.record_snapshots([], held) == []


ODD = {
    "text": "ü 'x' \"y\" \\n \n %(rows)s %s :rows {1} \x00 \ud800 \u2028",
    "numbers": [0.1, 1e300, -1e-300, 2**53, 2**70, float("nan"), float("inf"), 0, True, None],
    "nested": {"": {}, "list": [[], [{"a": ()}]]},
}


def test_entries_hold_among_many_what_they_hold_alone(ledger: Ledger, use_case: str) -> None:
    at = START + timedelta(microseconds=1)
    windows = [Window(at, at + timedelta(hours=1)), Window(at + timedelta(hours=1), at + timedelta(hours=2))]
    changes = {"columns": ODD, "remarks": (ODD["text"],), "query": ODD["text"]}
    both = snapshots(use_case, windows, **changes), validations(use_case, windows, result=ODD, reasons=(ODD["text"],))
    (alone, verdict_alone), (among, verdict_among) = (each for each in zip(*both, strict=True))
    stored = ledger.record_snapshot(alone), ledger.record_validation(verdict_alone)
    recorded = ledger.record_snapshots([among], [])[0], ledger.record_validations([verdict_among], [])[0]
    for one, other in zip(stored, recorded, strict=True):
        same = {"id": one.id, "window": one.window, "recorded_at": one.recorded_at}
        same |= {"digest": one.digest} if isinstance(one, Snapshot) else {"snapshot_digest": one.snapshot_digest}
        assert replace(other, **same) == one
    assert [recorded[0]] == list(ledger.snapshots(use_case, windows[1]))
    assert [recorded[1]] == list(ledger.validations(use_case, windows[1]))


def test_the_first_entry_stands_among_many(ledger: Ledger, use_case: str) -> None:
    windows = days(1, 2, 3)
    (first,) = snapshots(use_case, windows[1:2], rows=1)
    stored = ledger.record_snapshot(first)
    recorded = ledger.record_snapshots(snapshots(use_case, windows), [])
    assert recorded[1] == stored
    assert [each.rows for each in recorded] == [9, 1, 9]
    assert ledger.record_snapshots(snapshots(use_case, windows), []) == recorded
    verdicts = ledger.record_validations(validations(use_case, windows), [])
    assert ledger.record_validations(validations(use_case, windows, run_id="again"), []) == verdicts


def test_one_window_that_was_taken_over_keeps_all_from_being_recorded(ledger: Ledger, use_case: str) -> None:
    windows = days(1, 2)
    with ledger.working_on_free(use_case, windows, "late") as leases:
        passed: list[Lease] = list(leases.values())
    with ledger.working_on(use_case, windows[1], "next"):
        for record in (
            lambda: ledger.record_snapshots(snapshots(use_case, windows), passed),
            lambda: ledger.record_validations(validations(use_case, windows), passed),
        ):
            with pytest.raises(LeaseLost, match=rf"2013-03-03.* of {use_case} was taken over .*in the ledger"):
                record()
    assert ledger.snapshots_between(use_case, windows[0].start, windows[-1].end) == []
    assert ledger.validations(use_case, windows[0]) == []
