"""Stores that differ from the ledger, rows in quarantine, and what maintenance may remove."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import RECORDED, ROWS, START, World

from perennial.digest import table_digest
from perennial.errors import (
    AlreadyAccepted,
    AlwaysHolds,
    NotEnoughData,
    NotIngested,
    SnapshotChanged,
    ValidationFailed,
)
from perennial.jobs.predict import score
from perennial.jobs.upkeep import maintain, quarantine, reconcile, replay, survey
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.records.batch import restore_stores
from perennial.records.gate import accepted_rules
from perennial.records.leases import data_lease
from perennial.records.model_choice import ModelChoice
from perennial.review import handled
from perennial.review import quarantine as review_quarantine
from perennial.window import Window

RULE = "expect_column_values_to_be_between(weight)"
LATER = START.replace(year=2025)


def reconciled(world: World) -> reconcile.Reconciled:
    return reconcile.run(world.use_case, LATER, world.ports, "nightly", actor="maintenance")


def kinds(world: World) -> list[InterventionKind]:
    return [each.kind for each in world.ports.ledger.interventions("parcels")]


def test_where_everything_agrees_nothing_is_done(world: World) -> None:
    first_model(world)
    predict(world, 31)
    assert reconciled(world) == reconcile.Reconciled("parcels", 1, 1, (), ())
    assert kinds(world) == []


def test_an_alias_that_was_moved_by_hand_is_reported_and_put_back(world: World) -> None:
    first_model(world)
    world.ports.registry.set_alias("parcels", "champion", None)
    world.ports.registry.set_alias("parcels", "challenger", "1")
    done = reconciled(world)
    assert world.ports.registry.alias("parcels", "champion") == "1"
    assert world.ports.registry.alias("parcels", "challenger") is None
    assert "the alias champion pointed at no version, the ledger has version 1" in done.restored[0]
    assert "the alias challenger pointed at version 1, the ledger has no version" in done.restored[1]
    assert kinds(world) == [InterventionKind.ALIAS_RESTORED] * 2


def test_rows_that_were_changed_in_a_store_are_reported_and_put_back(world: World) -> None:
    first_model(world)
    predict(world, 31)
    predict(world, 32)
    window = world.day(31)
    live = world.ports.lake.read("predictions/parcels", window.key)
    world.ports.published.publish("parcels", window, live.slice(0, 3))
    world.ports.lake.replace("predictions/parcels", window.key, live.slice(0, 2))
    done = reconciled(world)
    assert (done.windows, len(done.restored)) == (2, 2)
    assert world.ports.published.digest("parcels", window) == table_digest(live)
    assert table_digest(world.ports.lake.read("predictions/parcels", window.key)) == table_digest(live)
    lake, published = world.ports.ledger.interventions("parcels")
    assert (lake.kind, published.kind) == (InterventionKind.LAKE_RESTORED, InterventionKind.PUBLISHED_RESTORED)
    assert "the published table held 3 rows" in published.reason
    assert f"revision 1 has {ROWS}" in published.reason
    assert reconciled(world).restored == ()


NIGHTS = [RECORDED + timedelta(days=30 + number) for number in range(survey.NIGHTS)]  # when no window is new any more


def in_the_night(world: World, night: datetime, *, everything: bool = False) -> reconcile.Reconciled:
    return reconcile.run(
        world.use_case, night, world.ports, f"night of {night}", actor="maintenance", everything=everything
    )


def without_turn(world: World) -> datetime:
    """A night in which it is no window's turn."""
    return next(night for night in NIGHTS if in_the_night(world, night).read == 0)


def alter(world: World, day: int, column: str = "prediction", rows: int | None = None) -> None:
    """Change what is published of a day: its values, or how many rows there are."""
    published = world.ports.published.read("parcels", world.day(day)).slice(0, rows)
    index = published.column_names.index(column)
    kind = published.schema.field(index).type
    values = pa.array([1] * published.num_rows).cast(kind)
    world.ports.published.publish("parcels", world.day(day), published.set_column(index, column, values))


def test_rows_of_old_windows_are_read_in_turn_so_that_within_thirty_nights_any_alteration_is_found(
    world: World,
) -> None:
    first_model(world)
    for day in range(31, 37):
        predict(world, day)
        alter(world, day)
    found = {}
    for number, night in enumerate(NIGHTS):
        done = in_the_night(world, night)
        assert done.windows == 6
        assert len(done.restored) == done.read, "only what is altered needs to be read"
        found |= dict.fromkeys(done.restored, number)
    assert sorted(found) == [f"{world.day(day)}: published restored" for day in range(31, 37)]
    assert len(set(found.values())) > 1, "the work is spread over the nights"
    assert sum(in_the_night(world, night).read for night in NIGHTS) == 6


def test_all_rows_are_read_when_that_is_asked(world: World) -> None:
    first_model(world)
    for day in (31, 32, 33):
        predict(world, day)
    night = without_turn(world)
    for day in (31, 32, 33):
        alter(world, day)
    assert in_the_night(world, night).restored == ()
    done = in_the_night(world, night, everything=True)
    assert (done.read, len(done.restored)) == (3, 3)
    assert in_the_night(world, night, everything=True).restored == ()


@pytest.mark.parametrize(("column", "rows"), [("prediction", ROWS - 1), ("prediction", 0), ("revision", None)])
def test_other_counts_and_revisions_are_found_at_once_whose_turn_it_may_be(
    world: World, column: str, rows: int | None
) -> None:
    first_model(world)
    predict(world, 31)
    world.change(31, "weight", 11.0)
    predict(world, 31)  # so that 1, which `alter` writes, is another revision
    night = without_turn(world)
    alter(world, 31, column, rows)
    assert in_the_night(world, night).restored == (f"{world.day(31)}: published restored",)
    assert in_the_night(world, night).read == 0


def test_another_head_of_the_lake_is_found_at_once_whose_turn_it_may_be(world: World) -> None:
    first_model(world)
    predict(world, 31)
    predict(world, 32)
    night = without_turn(world)
    live = world.ports.lake.read("predictions/parcels", world.day(31).key)
    altered = live.set_column(live.column_names.index("prediction"), "prediction", pa.array([0.5] * ROWS))
    world.ports.lake.replace("predictions/parcels", world.day(31).key, altered)
    done = in_the_night(world, night)
    assert (done.windows, done.restored) == (2, (f"{world.day(31)}: lake restored",))


def test_rows_of_windows_that_are_new_are_read_in_two_nights(world: World) -> None:
    first_model(world)
    for day in range(31, 37):
        predict(world, day)
    new = [in_the_night(world, RECORDED + timedelta(hours=hours)).read for hours in (1, 25, 47)]
    assert new == [6, 6, 6]
    assert in_the_night(world, RECORDED + timedelta(hours=49)).read < 6


def test_a_killed_run_that_nobody_retries_is_finished_by_reconciling(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world)
    predict(world, 31)
    world.change(31, "weight", 11.0)
    with monkeypatch.context() as patch:

        def killed(*arguments: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(world.ports.published, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            predict(world, 31)
    batch = world.ports.ledger.latest_batch("parcels", world.day(31))
    assert batch is not None
    assert batch.revision == 2
    assert reconciled(world).restored == (f"{world.day(31)}: published restored",)
    rows = world.ports.published.read("parcels", world.day(31))
    assert set(rows.column("revision").to_pylist()) == {2}


def spoil(world: World, day: int, rows: int) -> None:
    """Give the first rows of a day a weight that the suite sets aside."""
    world.put("weight", dict.fromkeys(world.rows_of(day)[:rows], -60.0))


def windows(world: World) -> list[Window]:
    return [world.day(31), world.day(32)]


def test_quarantined_rows_are_listed_by_rule_accepted_and_replayed_and_the_ledger_tells_it(world: World) -> None:
    first_model(world)
    spoil(world, 31, 3)
    predict(world, 31)
    predict(world, 32)
    (catch,) = review_quarantine.run(world.use_case, windows(world), world.ports)
    assert (catch.window, catch.rule, catch.rows, len(catch.entities)) == (world.day(31), RULE, 3, 3)
    assert quarantine.affected(world.use_case, windows(world), world.ports) == [world.day(31)]
    accepted = quarantine.accept(
        world.use_case, world.day(31), RULE, world.ports, "by hand", actor="ada", reason="a new kind of parcel"
    )
    assert accepted.rows == 3
    replayed = replay.run(world.use_case, world.day(31), world.ports, "replay")
    assert (replayed.quarantined_before, replayed.quarantined_after) == (3, 0)
    assert (replayed.revision_before, replayed.revision_after, replayed.error) == (1, 2, None)
    assert world.ports.published.read("parcels", world.day(31)).num_rows == ROWS
    verdicts = world.ports.ledger.validations("parcels", world.day(31))
    assert [each.rows_quarantined for each in verdicts] == [3, 0]
    rules = {each["rule"]: (each["rows"], each["accepted"]) for each in verdicts[-1].result["row_rules"]}
    assert rules[RULE] == (3, True)
    (entry,) = world.ports.ledger.interventions("parcels", InterventionKind.ROWS_ACCEPTED)
    assert (entry.actor, entry.reason, entry.details["rule"]) == ("ada", "a new kind of parcel", RULE)
    assert not score.run(world.use_case, world.day(31), world.ports, "again", model=ModelChoice()).changed


def test_only_acceptances_in_the_window_are_read_and_those_that_do_not_say_in_which_rows_let_none_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(world, 31, 3)
    ingest_and_validate(world, 31)
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
    assert snapshot is not None
    about = {"window": snapshot.window.key, "rule": RULE}
    for number, details in enumerate(({}, about, {"window": snapshot.window.key, "snapshot_digest": snapshot.digest})):
        world.ports.ledger.record_intervention(
            Intervention("parcels", InterventionKind.ROWS_ACCEPTED, f"{number}", "ada", "before", details, "by hand")
        )
    monkeypatch.setattr(world.ports.ledger, "interventions_on", on := _Counted(world.ports.ledger.interventions_on))
    assert accepted_rules(snapshot, world.ports.ledger) == frozenset()
    assert on.found == 2  # not the one that may be about any window
    assert [each.rule for each in handled.run("parcels", snapshot.window, world.ports)] == [RULE, None]
    quarantine.accept(world.use_case, world.day(31), RULE, world.ports, "by hand", actor="ada", reason="fine")
    assert accepted_rules(snapshot, world.ports.ledger) == {RULE}


class _Counted:
    """Asks the ledger, and counts the entries that it gave."""

    def __init__(self, ask: Callable[..., Sequence[Intervention]]) -> None:
        self._ask, self.found = ask, 0

    def __call__(self, *arguments: Any) -> Sequence[Intervention]:
        entries = self._ask(*arguments)
        self.found += len(entries)
        return entries


def test_what_was_accepted_holds_for_that_snapshot_only(world: World) -> None:
    first_model(world)
    spoil(world, 31, 3)
    predict(world, 31)
    quarantine.accept(world.use_case, world.day(31), RULE, world.ports, "by hand", actor="ada", reason="fine")
    spoil(world, 31, 4)
    replayed = replay.run(world.use_case, world.day(31), world.ports, "replay")
    assert (replayed.quarantined_before, replayed.quarantined_after) == (3, 4)


def test_rows_mended_upstream_come_through_a_replay(world: World) -> None:
    first_model(world)
    good = world.parcels.table
    spoil(world, 31, 3)
    predict(world, 31)
    world.parcels.table = good
    replayed = replay.run(world.use_case, world.day(31), world.ports, "replay")
    assert (replayed.quarantined_after, replayed.revision_after) == (0, 2)
    assert quarantine.affected(world.use_case, windows(world), world.ports) == []


def test_a_replay_that_fails_says_why_and_keeps_the_live_revision(world: World) -> None:
    first_model(world)
    spoil(world, 31, 3)
    predict(world, 31)
    world.change(31, "weight", 500.0)
    replayed = replay.run(world.use_case, world.day(31), world.ports, "replay")
    assert ValidationFailed.__name__ in str(replayed.error)
    assert (replayed.revision_before, replayed.revision_after) == (1, 1)


def test_rules_that_always_hold_or_caught_nothing_cannot_be_accepted(world: World) -> None:
    first_model(world)
    spoil(world, 31, 1)
    predict(world, 31)
    for rule, text in ((RULE + " #2", "rules that did: " + RULE[:20]), ("unique_key(parcel)", "caught no row")):
        with pytest.raises(NotEnoughData, match=text):
            quarantine.accept(world.use_case, world.day(31), rule, world.ports, "r", actor="a", reason="b")


def test_rows_that_cannot_be_scored_cannot_be_accepted(world: World) -> None:
    first_model(world)
    keys = world.parcels.table.column("parcel").to_pylist()
    first, second = world.rows_of(31)[:2]
    keys[first] = keys[second]
    world.parcels.table = world.parcels.table.set_column(0, world.parcels.table.field(0), [keys])
    predict(world, 31)
    with pytest.raises(AlwaysHolds, match="Correct the source"):
        quarantine.accept(world.use_case, world.day(31), "unique_key(parcel)", world.ports, "r", actor="a", reason="b")
    assert kinds(world) == []


def test_rows_are_accepted_once_and_the_second_is_told_by_whom(world: World) -> None:
    first_model(world)
    spoil(world, 31, 3)
    predict(world, 31)
    digest = world.ports.ledger.validations("parcels", world.day(31))[-1].snapshot_digest

    def accept(actor: str) -> None:
        quarantine.accept(
            world.use_case, world.day(31), RULE, world.ports, actor, actor=actor, reason="fine", looked_at=digest
        )

    accept("ada")
    for _ in range(2):
        with pytest.raises(AlreadyAccepted, match=r"^ada accepted what expect_.* on 2030-01-01 at 00:00 UTC: 'fine'"):
            accept("grace")
        replay.run(world.use_case, world.day(31), world.ports, "replay")  # then the quarantine is empty
    assert kinds(world) == [InterventionKind.ROWS_ACCEPTED]


def test_rows_that_came_since_somebody_looked_are_not_accepted_unseen(world: World) -> None:
    first_model(world)
    spoil(world, 31, 3)
    predict(world, 31)
    seen = world.ports.ledger.validations("parcels", world.day(31))[-1].snapshot_digest
    spoil(world, 31, 4)
    predict(world, 31)
    with pytest.raises(SnapshotChanged, match="Look again"):
        quarantine.accept(world.use_case, world.day(31), RULE, world.ports, "r", actor="a", reason="b", looked_at=seen)
    assert kinds(world) == []
    with pytest.raises(NotIngested):
        quarantine.accept(world.use_case, world.day(33), RULE, world.ports, "r", actor="a", reason="b")


def test_who_asked_for_a_replay_is_on_record_each_time(world: World) -> None:
    first_model(world)
    predict(world, 31)
    for number in (1, 2):
        asked = quarantine.ask_replay(
            world.use_case, world.day(31), world.ports, f"page__{number}", actor="ada", reason="mended"
        )
    snapshot = world.ports.ledger.latest_snapshot("parcels", world.day(31))
    assert snapshot is not None
    assert asked == quarantine.ReplayAsked(world.day(31), snapshot.digest)
    entries = world.ports.ledger.interventions_on("parcels", InterventionKind.REPLAY_ASKED, [world.day(31)])
    assert [(entry.actor, entry.reason, entry.run_id) for entry in entries] == [
        ("ada", "mended", "page__1"),
        ("ada", "mended", "page__2"),
    ]
    with pytest.raises(NotIngested):
        quarantine.ask_replay(world.use_case, world.day(33), world.ports, "r", actor="a", reason="b")


def test_maintenance_needs_what_is_live_measured_or_trained_on(world: World) -> None:
    first_model(world)
    predict(world, 31)
    world.change(31, "weight", 11.0)
    predict(world, 31)
    asked = maintain.needed(world.use_case, LATER, world.ports)
    needed = {
        table: {v for versions in keep(lambda _: True).values() for v in versions} for table, keep in asked.items()
    }
    first, live = world.ports.ledger.batches("parcels", world.day(31))
    assert live.version in needed["predictions/parcels"]
    assert first.version not in needed["predictions/parcels"]
    old, new = world.ports.ledger.snapshots("parcels", world.day(31))
    assert new.version in needed["raw/parcels"]
    assert old.version not in needed["raw/parcels"]
    assert len(needed["training/parcels"]) == 1
    assert live.version in asked["predictions/parcels"](lambda _: True)[world.day(31).key]
    assert [each.files for each in maintain.plan(world.use_case, LATER, world.ports)] == [()] * 5


def test_the_live_rows_are_read_once_and_what_is_restored_is_what_was_compared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_model(world)
    predict(world, 31)
    alter(world, 31)
    batch = world.ports.ledger.latest_batch("parcels", world.day(31))
    assert batch is not None
    read, versions = world.ports.lake.read, []

    def counted(table: str, partition: str, *, version: int | None = None) -> pa.Table:
        versions.append(version)
        rows = read(table, partition, version=version)
        return rows if versions.count(version) == 1 else rows.slice(0, 1)  # who reads again finds another lake

    monkeypatch.setattr(world.ports.lake, "read", counted)
    with data_lease("parcels", world.day(31), world.ports, "night") as lease:
        restore_stores(batch, world.ports, lease, "night", actor="night")
    assert versions == [batch.version, None]
    assert world.ports.published.read("parcels", world.day(31)).num_rows == batch.rows
