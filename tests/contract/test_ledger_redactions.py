"""The one change that a ledger lets through: an entity is taken out of entries that name it, alike in every ledger."""

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from tests.contract.test_ledger import FIRST_RECORDING, ledger, make_ledger, use_case
from tests.contract.test_ledger_review_queue import QUESTION, answer, day, selection
from tests.contract.test_reading_only import sql
from tests.contract.test_writing_only import owner_url, writer_url

from perennial import clock
from perennial.ledger.entries import Redaction, ValidationResult
from perennial.ledger.port import Ledger
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.verdict import Verdict

__all__ = ["ledger", "make_ledger", "owner_url", "use_case", "writer_url"]

CLOSED = ("validations", "review_selections", "human_labels", "redactions")
NAMED = {"parcel": [7], "town": ["Rome"], "weight": [2.5]}


def expectation(column: str | None, samples: list[Any], observed: Any = None) -> dict[str, Any]:
    kwargs = {"column_A": "town", "column_B": "weight"} if column is None else {"column": column, "max_value": 7}
    values = [{"value": each, "count": 2} for each in samples]
    return {"kwargs": kwargs, "samples": samples, "values": values, "observed": observed, "unexpected": 7}


RESULT = {
    "rows": 7,
    "seen": {"rows": 7, "columns": {"town": {"values": {"Rome": 1, "Oslo": 6}}}},
    "expectations": [
        expectation("parcel", [7, 8]),
        expectation("town", ["Oslo", "Rome"], ["Rome"]),
        expectation("weight", [7, 2.5, True], 2.5),
        expectation("other", [7, "Rome"], 7),
        expectation(None, [["Rome", 1], ["Oslo", 2.5], ["Oslo", 1]]),
        {"kwargs": {}, "observed": 7.0},
    ],
}
REDACTED = {
    "rows": 7,
    "expectations": [
        expectation("parcel", [8]),
        expectation("town", ["Oslo"]),
        expectation("weight", [7, True]),
        expectation("other", [7, "Rome"], 7),
        expectation(None, [["Oslo", 1]]),
        {"kwargs": {}, "observed": None},
    ],
}


def verdict(use_case: str, number: int = 0, **changes: Any) -> ValidationResult:
    made = ValidationResult(use_case, day(number), "s", "rules", Verdict.PASS, ("fine",), 7, 0, RESULT, "run")
    return replace(made, **changes)


def test_an_entity_is_taken_out_of_what_names_it_and_of_nothing_else(ledger: Ledger, use_case: str) -> None:
    told, elsewhere = ledger.record_validation(verdict(use_case)), ledger.record_validation(verdict(use_case, 1))
    clean = ledger.record_validation(verdict(use_case, suite_digest="other", result={"rows": 7, "expectations": []}))
    other = QUESTION | {"entity": "77"}
    chosen = ledger.record_selection(selection(use_case, questions=(other, QUESTION)))
    ledger.record_human_label(answer(use_case))
    ledger.record_human_label(answer(use_case, value=None, author="eve"))
    kept = [ledger.record_human_label(answer(use_case, entity="77")), ledger.record_human_label(answer(use_case, 1))]
    done = ledger.redact(use_case, day(0), "7", NAMED, subject="someone", run_id="erasing")
    assert done is not None
    assert replace(done, id=None, recorded_at=None) == Redaction(use_case, day(0), "someone", 1, 1, 2, "erasing")
    assert done.recorded_at is not None
    assert done.recorded_at > FIRST_RECORDING
    assert ledger.validations(use_case, day(0)) == [replace(told, result=REDACTED), clean]
    assert ledger.validations(use_case, day(1)) == [elsewhere]
    assert ledger.selections_between(use_case, day(0).start, day(0).end) == [replace(chosen, questions=(other,))]
    assert list(ledger.human_labels_between(use_case, day(0).start, day(1).end)) == kept
    assert ledger.redactions(use_case) == [done]


def test_done_again_nothing_is_changed_or_recorded(ledger: Ledger, use_case: str) -> None:
    ledger.record_validation(verdict(use_case))
    assert ledger.redact(use_case, day(0), "7", NAMED, subject="someone", run_id="erasing") is not None
    assert ledger.redact(use_case, day(0), "7", NAMED, subject="someone", run_id="again") is None
    assert ledger.redact(use_case, day(1), "7", NAMED, subject="someone", run_id="again") is None
    assert len(ledger.redactions(use_case)) == 1
    assert ledger.redactions(f"{use_case}_too") == []


@pytest.mark.parametrize("table", CLOSED)
@pytest.mark.parametrize(
    "change", ["UPDATE ledger.{} SET run_id = 'mine'", "DELETE FROM ledger.{}", "TRUNCATE ledger.{}"]
)
def test_every_other_change_is_refused_to_the_owner_too(owner_url: str, table: str, change: str) -> None:
    with pytest.raises(psycopg2.Error, match="append-only"):
        sql(owner_url, change.format(table))


def test_the_writer_may_redact_and_change_nothing_else(writer_url: str) -> None:
    ledger = PostgresLedger(writer_url, clock.now)
    ledger.record_human_label(answer("flights"))
    ledger.record_human_label(answer("flights", entity="77"))
    pretended = "SELECT set_config('perennial.redacting', 'ledger.human_labels'::regclass::oid::text, false); "
    for change in ("DELETE FROM ledger.human_labels", "UPDATE ledger.human_labels SET value = 0"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            sql(writer_url, pretended + change)
    done = ledger.redact("flights", day(0), "7", {}, subject="someone", run_id="erasing")
    assert done is not None
    assert [each.entity for each in ledger.human_labels_between("flights", day(0).start, day(0).end)] == ["77"]
    ledger.close()


def test_nobody_redacts_who_was_not_given_the_right(owner_url: str, writer_url: str) -> None:
    user = urlsplit(writer_url).username
    signature = "redact_entity(text, timestamptz, timestamptz, text, jsonb, text, text, timestamptz)"
    sql(owner_url, f"REVOKE EXECUTE ON FUNCTION ledger.{signature} FROM {user}")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        sql(writer_url, "SELECT ledger.redact_entity('flights', now(), now(), '7', '{}', 's', 'r', now())")


def test_after_a_redaction_the_tables_are_closed_again_in_the_same_transaction(owner_url: str) -> None:
    redact = "SELECT ledger.redact_entity('flights', now(), now(), '7', '{}', 's', 'r', now()); "
    with pytest.raises(psycopg2.Error, match="append-only"):
        sql(owner_url, redact + "DELETE FROM ledger.human_labels")
