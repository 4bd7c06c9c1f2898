"""Rules of before that are put back: every reader names the same verdict, on stores in memory and on real ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.jobs.world import ROWS, World, make_world
from tests.waiting import PATIENCE

from perennial import clock
from perennial.digest import table_digest
from perennial.errors import NotValidated, ValidationFailed
from perennial.jobs.predict import ingest, validate
from perennial.jobs.retrain.assembling.labelled_windows import label_windows
from perennial.lake.delta import DeltaLake
from perennial.lake.port import quarantine_table
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.redacting import Json
from perennial.records.gate import gated
from perennial.records.retraining import gather
from perennial.review import quarantine, recent, validation, window_report
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict

DAY = 3


@pytest.fixture(params=["memory", "real"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path)
    if request.param == "memory":
        yield made
        return
    ledger = PostgresLedger(request.getfixturevalue("ledger_url"), clock.now, PATIENCE)
    made.ports = replace(made.ports, ledger=ledger, lake=DeltaLake(str(tmp_path / "lake"), {}))
    yield made
    ledger.close()


def with_rules(use_case: LoadedUseCase, least: float, highest_mean: float) -> LoadedUseCase:
    """The use case with other limits of its rule about rows and of that about the window."""
    about_rows, about_window = use_case.expectations

    def limited(expectation: Any, **limits: float) -> Any:
        return expectation.model_copy(update={"kwargs": {**expectation.kwargs, **limits}})

    return replace(
        use_case,
        expectations=(limited(about_rows, min_value=least), limited(about_window, max_value=highest_mean)),
    )


def said(world: World) -> Json:
    """What each reader says of the window's verdict and of its rows that were set aside."""
    spec, ledger, window = world.use_case.spec, world.ports.ledger, world.day(DAY)
    (shown,) = recent.run([spec], window.end, ledger, 1)["parcels"].windows
    (among,) = ledger.validations_between("parcels", window.start, window.end)
    counting = ledger.counting_verdict("parcels", window)
    page = window_report.run(world.use_case, window, window.end, world.ports)
    report = validation.run(world.use_case, window, world.ports)
    assert counting is not None
    assert page.validation == report
    assert len({each.rows_quarantined for each in (shown, page.state, among, counting, report)}) == 1
    caught = sum(each.rows for each in quarantine.run(world.use_case, [window], world.ports))
    return {
        "status": ledger.status("parcels").windows_failed,
        "held back": gather(spec, window.end, ledger, None).failed is not None,
        "home": shown.validation,
        "page": page.state.validation,
        "validation": report.verdict,
        "outdated": report.outdated,
        "others": {among.verdict, counting.verdict},
        "set aside": (report.rows_quarantined, caught),
    }


def same(verdict: Verdict, aside: int) -> Json:
    """What they say when they agree, and the verdict is by today's rules."""
    failed = verdict is Verdict.FAIL
    return {
        "status": int(failed), "held back": failed, "home": verdict, "page": verdict, "validation": verdict,
        "outdated": None, "others": {verdict}, "set aside": (aside, aside),
    }  # fmt: skip


def test_every_reader_says_what_was_said_last(world: World) -> None:
    world.put("weight", {DAY * ROWS: -99.0, DAY * ROWS + 1: -20.0})
    window, before = world.day(DAY), world.use_case
    ingest.run(before, window, world.ports, "rules of before")
    validate.run(before, window, world.ports, "rules of before")
    assert said(world) == same(Verdict.WARN, 1)

    world.use_case = with_rules(before, least=-10, highest_mean=1)
    with pytest.raises(ValidationFailed):
        validate.run(world.use_case, window, world.ports, "other rules")
    assert said(world) == same(Verdict.FAIL, 2)
    with pytest.raises(ValidationFailed):
        gated(world.use_case, window, world.ports)

    world.use_case = before  # and nobody has validated under these yet
    waiting = same(Verdict.FAIL, 2)
    found = said(world)
    assert (
        found.pop("outdated")
        == "The rules have changed since. Run `perennial validate parcels --window 2024-01-04T00:00Z`."
    )
    assert found == {name: each for name, each in waiting.items() if name != "outdated"}
    with pytest.raises(NotValidated, match=r"snapshot \w+ has no verdict that counts under the present"):
        gated(world.use_case, window, world.ports)

    for run in ("put back", "and once more"):
        validate.run(world.use_case, window, world.ports, run)
        assert said(world) == same(Verdict.WARN, 1)
    gate = gated(world.use_case, window, world.ports)
    assert (gate.validation.run_id, gate.validation.number, len(gate.quarantined_keys)) == ("put back", 1, 1)
    recorded = [(each.run_id, each.number) for each in world.ports.ledger.validations("parcels", window)]
    assert recorded == [("rules of before", 0), ("other rules", 0), ("put back", 1)]


def test_the_gate_knows_the_rows_that_were_set_aside_and_not_only_their_number(world: World) -> None:
    world.put("weight", {DAY * ROWS: -99.0})
    window, ports = world.day(DAY), world.ports
    ingest.run(world.use_case, window, ports, "test")
    validate.run(world.use_case, window, ports, "test")
    verdict = gated(world.use_case, window, ports).validation
    aside = ports.lake.read(quarantine_table("parcels"), window.key)
    assert verdict.quarantine_digest == table_digest(aside)

    swapped = aside.set_column(aside.column_names.index("parcel"), "parcel", [pa.array([DAY * ROWS + 5])])
    ports.lake.replace(quarantine_table("parcels"), window.key, swapped)
    with pytest.raises(
        NotValidated, match=r"hold the 1 row of snapshot \w+ .* test set aside; it holds as many, but other ones\."
    ):
        gated(world.use_case, window, ports)
    ports.lake.replace(quarantine_table("parcels"), window.key, aside.slice(0, 0))
    with pytest.raises(NotValidated, match=r"hold the 1 row of snapshot \w+ .* test set aside; it holds 0 rows\. Run"):
        gated(world.use_case, window, ports)
    validate.run(world.use_case, window, ports, "again")
    assert gated(world.use_case, window, ports).validation == verdict


def test_windows_that_are_taken_in_together_name_the_same_rows_as_one_alone(world: World) -> None:
    world.put("weight", {DAY * ROWS: -99.0, DAY * ROWS + 7: -98.0})
    windows = [world.day(number) for number in (DAY - 1, DAY, DAY + 1)]
    label_windows(world.use_case, windows, world.day(DAY + 3).start, world.ports, "together")
    together = [world.ports.ledger.counting_verdict("parcels", each) for each in windows]
    assert [each is not None and each.quarantine_digest is not None for each in together] == [False, True, False]
    for window, verdict in zip(windows, together, strict=True):
        validate.run(world.use_case, window, world.ports, "alone")
        assert gated(world.use_case, window, world.ports).validation == verdict


def test_verdicts_without_a_digest_are_held_against_the_number_of_rows(world: World) -> None:
    world.put("weight", {DAY * ROWS: -99.0})
    window, ports = world.day(DAY), world.ports
    ingest.run(world.use_case, window, ports, "test")
    validate.run(world.use_case, window, ports, "test")
    verdict = ports.ledger.counting_verdict("parcels", window)
    assert verdict is not None
    before = replace(verdict, number=1, quarantine_digest=None, id=None, recorded_at=None)
    ports.ledger.record_validation(before)  # as the version of before recorded it
    aside = ports.lake.read(quarantine_table("parcels"), window.key)
    other = aside.set_column(aside.column_names.index("parcel"), "parcel", [pa.array([DAY * ROWS + 5])])
    ports.lake.replace(quarantine_table("parcels"), window.key, other)
    assert gated(world.use_case, window, ports).validation.number == 1


def test_rules_may_change_as_often_as_somebody_likes(world: World) -> None:
    window, before = world.day(DAY), world.use_case
    ingest.run(before, window, world.ports, "test")
    for turn in range(3):
        validate.run(before, window, world.ports, "these")
        assert world.ports.ledger.status("parcels").windows_failed == 0
        with pytest.raises(ValidationFailed):
            validate.run(with_rules(before, -10, 1), window, world.ports, "those")
        assert world.ports.ledger.status("parcels").windows_failed == 1
        last = world.ports.ledger.counting_verdict("parcels", window)
        assert last is not None
        assert last.number == turn
