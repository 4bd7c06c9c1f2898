"""Rows that go by age: killed in the middle, a class alone, and what waits for rows that are gone."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.jobs.aged_world import ALL, FIRST, live, night, with_ages
from tests.unit.jobs.remembered import remembered
from tests.unit.jobs.test_predict_path import predict
from tests.unit.jobs.world import ROWS, World

from perennial.errors import NotValidated, RowsExpired, RowsRemoved
from perennial.jobs.evaluate import measure
from perennial.jobs.predict import score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.jobs.upkeep import aged, gaps, maintain, quarantine, reconcile, samples, survey
from perennial.ledger.entries import InterventionKind
from perennial.ledger.redacting import named_in
from perennial.records.gate import gated
from perennial.records.model_choice import ModelChoice
from perennial.records.retained import SUBJECT, Removals, on_record, removals
from perennial.review import quarantine as review_quarantine
from perennial.review import quarantined
from perennial.spec.retirement import RowClass

GONE = 42
RULE = "expect_column_values_to_be_between(weight)"


@pytest.fixture
def lived(world: World) -> World:
    """A world in which all went its way, without any age."""
    world = with_ages(world)
    remembered(world, "lived with ages", live)
    return world


def removed(world: World, number: int = 1, day: int = GONE) -> list[aged.AgedRemoved]:
    return aged.run(world.use_case, night(world, day), world.ports, f"night {number}", actor="maintenance")


def reconciled(world: World) -> reconcile.Reconciled:
    return reconcile.run(world.use_case, night(world, GONE), world.ports, "n", actor="maintenance", everything=True)


def test_without_an_age_nothing_goes_however_old(lived: World) -> None:
    assert aged.plan(lived.use_case, night(lived, 4000), lived.ports) == []
    assert removed(lived, day=4000) == []
    assert not lived.ports.ledger.interventions("parcels", InterventionKind.FILES_REMOVED)


def test_rows_go_once_they_are_as_old_as_their_age_and_no_earlier(lived: World) -> None:
    world = with_ages(lived, *ALL)
    first = world.day(FIRST).end + timedelta(days=30)
    (published, *_) = aged.plan(world.use_case, first, world.ports)
    assert (published.rows_of, published.windows, published.rows) == (RowClass.PUBLISHED, 1, ROWS)
    early = aged.plan(world.use_case, first - timedelta(seconds=1), world.ports)
    assert RowClass.PUBLISHED not in {each.rows_of for each in early}


@pytest.mark.parametrize("killed", [("published", "remove"), ("lake", "drop")])
def test_a_removal_that_was_killed_is_known_and_finished_by_the_next_night(
    lived: World, killed: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = with_ages(lived, *ALL)
    planned = aged.plan(world.use_case, night(world, GONE), world.ports)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(getattr(world.ports, killed[0]), killed[1], kill)
        with pytest.raises(KeyboardInterrupt):
            removed(world, 1)
    found = reconciled(world)
    assert (found.restored, found.unmended) == ((), ())
    done = {each.rows_of for each in removed(world, 2)}
    assert done == {each.rows_of for each in planned[killed[0] == "lake" :]}
    assert removed(world, 3) == []
    assert (reconciled(world).restored, reconciled(world).unmended) == ((), ())


def test_published_rows_that_went_alone_are_not_restored_by_anything(lived: World) -> None:
    world = with_ages(lived, RowClass.PUBLISHED)
    assert [each.rows_of for each in removed(world)] == [RowClass.PUBLISHED]
    assert (reconciled(world).windows, reconciled(world).restored) == (17, ())
    assert not predict(world, FIRST).changed, "the same rows, model and rules"
    assert world.ports.published.read("parcels", world.day(FIRST)).num_rows == 0
    world.change(FIRST, "weight", 11.0)
    assert predict(world, FIRST).changed
    assert world.ports.published.read("parcels", world.day(FIRST)).num_rows == ROWS, "a new revision is published"
    assert [(each.rows_of, each.windows) for each in removed(world, 2)] == [(RowClass.PUBLISHED, 1)]


def test_published_rows_that_went_make_no_window_worth_reading(lived: World) -> None:
    world = with_ages(lived, RowClass.PUBLISHED)
    removed(world)
    as_of, spec, ledger = night(world, GONE), world.use_case.spec, world.ports.ledger
    batches = ledger.batches_between("parcels", spec.start, as_of)
    assert survey.differing(spec, batches, as_of, world.ports, removals(spec, as_of, ledger)) == frozenset()
    assert len(survey.differing(spec, batches, as_of, world.ports, Removals((), {}))) == GONE - FIRST


def test_gaps_are_looked_for_no_further_back_than_rows_are_kept(lived: World) -> None:
    world = with_ages(lived, RowClass.QUARANTINE)
    since, _ = gaps.expected_since(world.use_case.spec, night(world, GONE), world.day(0).start) or (None, None)
    assert since == world.day(GONE - 1).start
    assert gaps.expected_since(lived.use_case.spec, night(world, GONE), world.day(0).start) != since


def test_rows_that_are_lost_by_another_way_are_still_told(lived: World) -> None:
    world = with_ages(lived, RowClass.QUARANTINE)
    removed(world)
    world.ports.lake.drop("predictions/parcels", [world.day(FIRST).key])
    assert "lost the predictions of 1 window" in reconciled(world).unmended[0]
    batch = world.ports.ledger.latest_batch("parcels", world.day(FIRST))
    assert batch is not None
    with pytest.raises(RowsRemoved) as raised:
        world.ports.lake.read(batch.table, world.day(FIRST).key, version=batch.version)
    assert not isinstance(raised.value, RowsExpired)


def test_rows_in_quarantine_that_went_are_told_and_come_back_with_a_validation(lived: World) -> None:
    world = with_ages(lived, RowClass.QUARANTINE)
    window, entity = world.day(38), str(world.rows_of(38)[0])
    removed(world)
    assert review_quarantine.run(world.use_case, [window], world.ports) == []
    for ask in (
        lambda: quarantine.accept(world.use_case, window, RULE, world.ports, "me", actor="me", reason="right"),
        lambda: quarantined.run(world.use_case, window, world.ports, entity=entity),
    ):
        with pytest.raises(RowsExpired, match=r"quarantine were removed by retention.*30d.*validating it again"):
            ask()
    with pytest.raises(NotValidated, match=r"quarantine were removed by retention.*30d.*Run `perennial validate"):
        gated(world.use_case, window, world.ports)
    predict(world, 38)
    assert quarantined.run(world.use_case, window, world.ports, entity=entity)
    assert [(each.rows_of, each.rows) for each in removed(world, 2)] == [(RowClass.QUARANTINE, 1)]


@pytest.mark.parametrize("asked", ["validate", "score"])
def test_a_window_whose_snapshot_went_says_so_and_can_be_ingested_again(lived: World, asked: str) -> None:
    world = with_ages(lived, *ALL)
    window = world.day(FIRST)
    removed(world)

    def ask() -> object:
        if asked == "validate":
            return validate.run(world.use_case, window, world.ports, "by hand")
        return score.run(world.use_case, window, world.ports, "by hand", model=ModelChoice())

    with pytest.raises(RowsExpired, match=r"snapshots were removed by retention .* \(retention\.raw: 30d\).*ingesting"):
        ask()
    predict(world, FIRST)


def test_a_window_that_waits_for_labels_and_whose_rows_went_is_not_measured(world: World) -> None:
    made = with_ages(world, *ALL)
    retrain.run(made.use_case, made.day(FIRST).start, made.ports, "first", actor="me", reason="first")
    predict(made, FIRST)
    as_of = night(made, FIRST + 1)
    assert measure.pending_batches(made.use_case.spec, as_of, made.ports.ledger)
    removed(made, day=FIRST + 1)
    assert measure.run(made.use_case, as_of, made.ports, "late").windows == 0
    assert made.ports.ledger.performance_of("parcels", made.day(FIRST)) == []


def test_replaced_files_of_a_class_go_no_later_than_its_age(lived: World) -> None:
    world = with_ages(lived, *ALL)
    kept = {each: maintain._age(world.use_case, f"{each}/parcels").days for each in ("raw", "predictions", "training")}
    assert kept == {"raw": 30, "predictions": 30, "training": 90}
    needed = maintain.needed(world.use_case, night(world, GONE), world.ports)["raw/parcels"](lambda _: True)
    assert min(needed) == world.day(GONE).key, "of what is due to go no old file is kept"


def with_samples(world: World, days: int) -> World:
    retention = world.use_case.spec.retention.model_copy(update={"samples": timedelta(days=days)})
    spec = world.use_case.spec.model_copy(update={"retention": retention})
    return replace(world, use_case=replace(world.use_case, spec=spec))


def test_verdicts_stay_without_the_cells_that_they_named(lived: World) -> None:
    world = with_samples(lived, 30)
    window, later = world.day(38), world.day(45)
    before = world.ports.ledger.validations("parcels", window)
    assert named_in(before[-1].result)
    as_of = night(world, GONE)
    (planned,) = samples.plan(world.use_case, as_of, world.ports)
    (done,) = samples.run(world.use_case, as_of, world.ports, "night 1", actor="maintenance")
    assert (done.windows, done.validations) == (planned.windows, planned.validations)
    assert done.windows > 1
    (verdict,) = world.ports.ledger.validations("parcels", window)
    assert not named_in(verdict.result)
    assert "-99" not in json.dumps(verdict.result)
    assert (verdict.verdict, verdict.reasons, verdict.rows_quarantined) == (
        before[-1].verdict,
        before[-1].reasons,
        before[-1].rows_quarantined,
    )
    assert named_in(world.ports.ledger.validations("parcels", later)[-1].result), "it is not that old"
    assert samples.run(world.use_case, as_of, world.ports, "night 2", actor="maintenance") == []
    (later_done,) = samples.run(world.use_case, night(world, 46), world.ports, "night 3", actor="maintenance")
    assert later_done.windows == 46 - GONE
    assert not named_in(world.ports.ledger.validations("parcels", later)[-1].result)
    noon = night(world, 46) + timedelta(hours=36)
    for number in (1, 2):  # in the middle of a window
        (each,) = samples.run(
            world.use_case, noon + timedelta(days=number), world.ports, f"noon {number}", actor="maintenance"
        )
        assert each.windows == (2 if number == 1 else 1)
    assert predict(world, 38).changed is False, "the same verdict lets the same rows through"


def test_samples_that_a_killed_run_left_are_taken_by_the_next_night(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = with_samples(lived, 30)
    as_of, redact = night(world, GONE), world.ports.ledger.redact
    calls = []

    def killed(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return redact(*given, **named)  # type: ignore[arg-type]

    (planned,) = samples.plan(world.use_case, as_of, world.ports)
    with monkeypatch.context() as patch:
        patch.setattr(world.ports.ledger, "redact", killed)
        with pytest.raises(KeyboardInterrupt):
            samples.run(world.use_case, as_of, world.ports, "night 1", actor="maintenance")
    (done,) = samples.run(world.use_case, as_of, world.ports, "night 2", actor="maintenance")
    assert done.windows == planned.windows - 2
    assert samples.plan(world.use_case, as_of, world.ports) == []


def test_each_night_that_takes_something_makes_one_entry(lived: World) -> None:
    world = with_ages(lived, *ALL)
    for number, day in enumerate((GONE, GONE, GONE + 1)):
        removed(world, number, day)
    entries = on_record("parcels", world.ports.ledger).entries
    assert [each.run_id for each in entries] == ["night 0", "night 2"]
    assert {each.subject for each in entries} == {SUBJECT}
    assert [each.details["classes"]["published"]["windows"] for each in entries] == [GONE - FIRST, 1]
