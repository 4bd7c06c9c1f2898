"""What becomes of windows, verdicts and predictions when the code that checks is another one than before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.test_predict_path import AS_WAS, first_model, ingest_and_validate, predict
from tests.unit.jobs.world import ROWS, World

from perennial.backtest import backtest
from perennial.errors import ChecksDisagree, NotValidated
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import late, score, validate
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.quality import setting_aside as checking
from perennial.records.gate import checks_of, gated
from perennial.review import preview, quarantine, reproduce, validation
from perennial.review.suggestions import suggest
from perennial.spec import versions
from perennial.spec.policies import load_policies
from perennial.verdict import Verdict

NEXT = versions.CHECKS_VERSION + 1


@pytest.fixture
def scored(world: World) -> World:
    """A window with one row in quarantine was scored."""
    first_model(world)
    world.put("weight", {31 * ROWS: -99.0})
    predict(world, 31)
    return world


@pytest.fixture
def stricter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes the checks set a further row aside, or another one `instead`; with `version`, under that version."""

    def change(version: int | None = None, *, instead: bool = False) -> None:
        rules = checking.integrity_rules

        def more(spec: Any, rows: pa.Table, *others: Any) -> Any:
            yield from rules(spec, rows, *others)
            yield "first_row(parcel)", np.arange(rows.num_rows) == 5

        if instead:
            monkeypatch.setattr(checking, "_failing", lambda _, rows: np.zeros(rows.num_rows, dtype=np.bool_))

        monkeypatch.setattr(checking, "integrity_rules", more)
        if version is not None:
            monkeypatch.setattr(versions, "CHECKS_VERSION", version)

    return change


def set_aside(world: World, day: int = 31) -> int:
    return world.ports.lake.read("quarantine/parcels", world.day(day).key).num_rows


def test_the_verdict_says_which_version_of_the_checks_gave_it(scored: World) -> None:
    (verdict,) = scored.ports.ledger.validations("parcels", scored.day(31))
    assert checks_of(verdict) == versions.CHECKS_VERSION
    assert checks_of(replace(verdict, result={})) == 1


def test_another_answer_under_the_same_version_is_refused_and_changes_nothing(
    scored: World, stricter: Callable[..., None]
) -> None:
    stricter()
    with pytest.raises(ChecksDisagree, match=r"set 2 rows of snapshot .* aside, and 1 when"):
        validate.run(scored.use_case, scored.day(31), scored.ports, "again")
    assert set_aside(scored) == 1
    assert gated(scored.use_case, scored.day(31), scored.ports).validation.rows_quarantined == 1


def test_as_many_other_rows_are_another_answer(scored: World, stricter: Callable[..., None]) -> None:
    before = scored.ports.lake.read("quarantine/parcels", scored.day(31).key)
    stricter(instead=True)
    with pytest.raises(ChecksDisagree, match=r"set 1 rows of snapshot \w+ aside, and as many others when"):
        validate.run(scored.use_case, scored.day(31), scored.ports, "again")
    assert scored.ports.lake.read("quarantine/parcels", scored.day(31).key) == before


def test_a_verdict_of_before_digests_were_kept_is_held_against_the_number_of_rows(
    scored: World, stricter: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    of_before = InMemoryLedger.validation_of
    monkeypatch.setattr(
        InMemoryLedger, "validation_of", lambda *asked: replace(of_before(*asked), quarantine_digest=None)
    )
    stricter(instead=True)
    validate.run(scored.use_case, scored.day(31), scored.ports, "again")
    assert set_aside(scored) == 1


def test_i2_under_the_next_version_a_window_gets_a_verdict_and_a_quarantine_of_its_own(
    scored: World, stricter: Callable[..., None]
) -> None:
    stricter(NEXT)
    window, ports = scored.day(31), scored.ports
    with pytest.raises(NotValidated, match=f"by version {NEXT} of Perennial's checks.*perennial validate parcels"):
        score.run(scored.use_case, window, ports, "too early", model=AS_WAS)
    validate.run(scored.use_case, window, ports, "again")
    again = score.run(scored.use_case, window, ports, "again", model=AS_WAS)
    assert (again.revision, again.rows, set_aside(scored)) == (2, ROWS - 2, 2)
    before, after = ports.ledger.validations("parcels", window)
    assert (before.rows_quarantined, after.rows_quarantined) == (1, 2)
    assert [checks_of(each) for each in (before, after)] == [NEXT - 1, NEXT]
    first, second = reproduce.run(scored.use_case, window, ports)[:2]
    assert first.what == f"revision 1, model 1, rows that passed version {NEXT - 1} of the checks"
    assert second.what == "revision 2, model 1"
    assert first.same
    assert second.same


def test_windows_that_were_scored_stay_as_they_are_until_somebody_asks(
    scored: World, stricter: Callable[..., None]
) -> None:
    stricter(NEXT)
    use_case, ports = scored.use_case, scored.ports
    patient = replace(use_case, spec=use_case.spec.model_copy(update={"late_data": use_case.spec.training.history}))
    late.run(patient, scored.day(32), ports, "late")
    collect_labels.run(use_case, scored.day(34).end, ports, "evaluate")
    assert measure.run(use_case, scored.day(34).end, ports, "evaluate").final == 1
    assert len(ports.ledger.validations("parcels", scored.day(31))) == 1
    assert ports.ledger.latest_batch("parcels", scored.day(31)).revision == 1  # type: ignore[union-attr]
    (seen,) = preview.run(use_case, [scored.day(31)], ports, model=AS_WAS)
    assert (seen.outcome, seen.live_revision) == (preview.Outcome.OPEN, 1)


def test_the_report_of_a_window_says_that_its_checks_were_older_ones(
    scored: World, stricter: Callable[..., None]
) -> None:
    told = validation.run(scored.use_case, scored.day(31), scored.ports)
    assert told.outdated is None
    stricter(NEXT)
    older = validation.run(scored.use_case, scored.day(31), scored.ports)
    assert older.outdated is not None
    assert f"by version {NEXT - 1} of Perennial's checks; today's are version {NEXT}" in older.outdated
    assert [rule.sentence for rule in older.rules] == [rule.sentence for rule in told.rules]
    (caught,) = quarantine.run(scored.use_case, [scored.day(31)], scored.ports)
    assert caught.rows == 1
    snapshot = scored.ports.ledger.latest_snapshot("parcels", scored.day(31))
    assert snapshot is not None
    assert list(quarantine.rules_in_force(scored.use_case, snapshot, scored.ports)) == [caught.rule]


def test_suggestions_read_the_rows_that_were_described_under_older_checks(
    world: World, stricter: Callable[..., None]
) -> None:
    days = [world.day(number) for number in range(8)]
    for number, _ in enumerate(days):
        ingest_and_validate(world, number)
    assert suggest.run(world.use_case, days, world.ports).windows_read == 0
    stricter(NEXT)
    assert suggest.run(world.use_case, days, world.ports).windows_read == 8


def test_a_retraining_validates_windows_of_before_again(scored: World, stricter: Callable[..., None]) -> None:
    stricter(NEXT)
    before = len(scored.ports.ledger.validations("parcels", scored.day(20)))
    first_model(scored, 32)
    verdicts = scored.ports.ledger.validations("parcels", scored.day(20))
    assert len(verdicts) == before + 1
    assert verdicts[-1].verdict is Verdict.WARN


def test_a_backtest_lives_through_windows_that_older_checks_passed(
    world: World, stricter: Callable[..., None], tmp_path: Path
) -> None:
    for number in range(34):
        ingest_and_validate(world, number)
    file = tmp_path / "policies.yaml"
    file.write_text("always: {triggers: []}\n")
    stricter(NEXT)
    windows = [world.day(number) for number in (30, 31, 32, 33)]
    (found,) = backtest.run(world.use_case, load_policies(file, world.use_case.spec), windows, world.ports)
    assert found.rows > 0
    assert len(world.ports.ledger.validations("parcels", world.day(30))) == 1  # it changes nothing


def test_what_another_way_of_scoring_made_is_not_made_again_and_not_replaced_unasked(
    scored: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "SCORING_VERSION", versions.SCORING_VERSION + 1)
    window, ports = scored.day(31), scored.ports
    late.run(scored.use_case, scored.day(32), ports, "late")
    (batch,) = ports.ledger.batches("parcels", window)
    told = reproduce.run(scored.use_case, window, ports)[0]
    assert told.again is None
    assert "how Perennial scores, have changed since" in str(told.why_not)
    assert batch.code_version in str(told.why_not)
    assert predict(scored, 31).revision == 2
