"""What a run says of itself in one line: the lines that its tasks leave, and how they become a note."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.encoding import as_json
from perennial.jobs.evaluate.measure import Measured, NewestWindow
from perennial.jobs.evaluate.rescore import Rescored
from perennial.jobs.evaluate.rollout import RolledOut
from perennial.jobs.predict.ingest import Ingested
from perennial.jobs.predict.late import LateData
from perennial.jobs.predict.monitor import Monitored
from perennial.jobs.predict.score import Scored
from perennial.jobs.predict.shadow import Shadowed, ShadowOutcome
from perennial.jobs.predict.validate import Validated
from perennial.jobs.retrain.assemble import Assembled
from perennial.jobs.retrain.assembling.remarks import SUSPICION
from perennial.jobs.retrain.deploy import Deployed
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.upkeep.archive import Archived, Planned
from perennial.jobs.upkeep.maintain import Maintained, TablePlan
from perennial.jobs.upkeep.reconcile import Reconciled
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.performance.maturity import Maturity
from perennial.policy.archive import Fate
from perennial.quality.reasons import rows_set_aside
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial_airflow import verdict_lines
from perennial_airflow.ingest import StillToCome
from perennial_airflow.note import MOST_OF_NOTE, NOTHING, Line, note_of
from perennial_airflow.noted import noted
from perennial_airflow.report_link import report_link

# See perennial_airflow/__init__.py: pytest sets aside the filter that stands there.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning:skops.io._utils")

DAY = Window(datetime(2013, 3, 8, 5, tzinfo=UTC), datetime(2013, 3, 9, 5, tzinfo=UTC))  # a day of New York
NEXT = Window(DAY.end, DAY.end + timedelta(days=1))


def decision(action: str = "hold", **numbers: Any) -> RecordedDecision:
    return RecordedDecision(
        "flight_delays",
        DecisionKind.RETRAIN_ON_DRIFT,
        "subject",
        DAY.end,
        action,
        ("why", "what blocks"),
        numbers,
        "run",
    )


def monitored(window: Window, verdict: Verdict, p: float | None, *drifted: str) -> Monitored:
    return Monitored(window, verdict, p, ("The window has 3 rows; 30 are needed.",), decision(), drifted)


INGESTED = Ingested(DAY, "d", 1, 914, changed=True)
VALIDATED = Validated(DAY, "d", Verdict.PASS, ("ok",), 914, 12)
SCORED = Scored(DAY, 1, 902, "3", "m", "d", changed=True)


def said(line: Any, use_case: LoadedUseCase, *results: Any) -> Line:
    found: Line = line(use_case, [as_json(each) for each in results])
    return found


def said_of(line: Any, use_case: LoadedUseCase, result: Any) -> Line:
    found: Line = line(use_case, as_json(result))
    return found


def test_an_alarm_comes_first_then_what_became_of_the_window(use_case: LoadedUseCase) -> None:
    lines = [
        said(verdict_lines.ingested, use_case, INGESTED),
        said(verdict_lines.validated, use_case, VALIDATED),
        said(verdict_lines.scored, use_case, SCORED),
        said(verdict_lines.monitored, use_case, monitored(DAY, Verdict.FAIL, 0.0003, "dep_delay", "origin")),
        Line(first="retraining started (drift__2013-03-09T05:00Z): 4 alarms in 7 windows"),
    ]
    assert note_of(lines) == (
        "ALARM: drift in dep_delay, origin (joint p = 0.0003); retraining started (drift__2013-03-09T05:00Z): 4 alarms "
        "in 7 windows. 2013-03-08: 914 rows, 12 in quarantine, scored by v3."
    )


def test_an_ordinary_window_has_its_figures_only(use_case: LoadedUseCase) -> None:
    lines = [
        said(verdict_lines.ingested, use_case, INGESTED),
        said(verdict_lines.monitored, use_case, monitored(DAY, Verdict.PASS, 0.43)),
    ]
    assert note_of(lines) == "2013-03-08: 914 rows, no drift (p = 0.43)."


def test_several_windows_are_summed_up_and_the_alarms_among_them_counted(use_case: LoadedUseCase) -> None:
    two = Ingested(NEXT, "e", 2, 1_000, changed=True, remarks=("3 rows lie outside.",))
    assert said(verdict_lines.ingested, use_case, INGESTED, two).then == (
        "2 windows from 2013-03-08 to 2013-03-09: 1,914 rows (1 remark in the log of ingest)"
    )
    calm, alarm = monitored(DAY, Verdict.PASS, 0.9), monitored(NEXT, Verdict.FAIL, 0.01, *"abcdefg")
    assert said(verdict_lines.monitored, use_case, calm, alarm).first == (
        "ALARM: drift in 1 of 2 windows in a, b, c, d, e and 2 more (joint p = 0.01)"
    )


def test_what_can_not_be_told_is_told(use_case: LoadedUseCase) -> None:
    line = said(verdict_lines.monitored, use_case, monitored(DAY, Verdict.INSUFFICIENT, None))
    assert line == Line(then="drift is not known: The window has 3 rows; 30 are needed")


def test_a_warning_of_validation_and_a_score_that_changes_nothing_are_said(use_case: LoadedUseCase) -> None:
    warned = Validated(DAY, "d", Verdict.WARN, ("distance is often 0.",), 914, 0)
    assert said(verdict_lines.validated, use_case, warned).then == (
        "0 in quarantine, validation warns: distance is often 0"
    )
    aside = Validated(DAY, "d", Verdict.WARN, (rows_set_aside(12, 914, {"a": 12}, 0.1, too_many=False),), 914, 12)
    assert said(verdict_lines.validated, use_case, aside).then == "12 in quarantine"
    again = Scored(DAY, 1, 902, "3", "m", "d", changed=False)
    assert said(verdict_lines.scored, use_case, again).then == "scored by v3 as before"


def test_late_data_is_said_where_some_came(use_case: LoadedUseCase) -> None:
    assert said_of(verdict_lines.late_data, use_case, LateData(NEXT, 3, (), 0, 0, 0, 0, ())) == NOTHING
    late = LateData(NEXT, 3, (DAY.key,), 5, 1, 2, 8, ())
    assert said_of(verdict_lines.late_data, use_case, late).then == (
        "late data in 2013-03-08, scored again (5 rows more, 1 fewer, 2 changed)"
    )


def test_an_evaluation_says_the_metric_with_interval_and_maturity_and_alarms(use_case: LoadedUseCase) -> None:
    newest = NewestWindow(DAY, "roc_auc", 0.712, 0.69, 0.7345, Maturity.FINAL)
    calm = Measured(DAY.end, 3, 2, "3 windows measured, 2 of them final", decision(), newest=newest)
    assert said_of(verdict_lines.measured, use_case, calm) == Line(
        then="2013-03-08: ROC AUC 0.712 (0.690 to 0.735), final; 3 windows measured, 2 of them final"
    )
    alarming = Measured(
        DAY.end, 3, 1, "outcome.", decision(concept_drift=True), overdue=2, given_up=1, drifted_labels=1
    )
    assert said_of(verdict_lines.measured, use_case, alarming) == Line(
        first="ALARM: labels of 2 windows are overdue, labels of 1 window never came, labels of 1 window are unlike "
        "those of the training, concept drift: the model is worse than its inputs explain",
        then="outcome",
    )
    endless = NewestWindow(DAY, "roc_auc", 0.5, None, None, Maturity.PARTIAL)
    told = said_of(verdict_lines.measured, use_case, Measured(DAY.end, 1, 0, "o", decision(), newest=endless))
    assert told.then == "2013-03-08: ROC AUC 0.500, partial; o"


def test_a_retraining_says_what_it_learnt_from_and_the_judgement(use_case: LoadedUseCase) -> None:
    assembled = Assembled("t", DAY.end, 53_000, 59, 2, "d")
    kept = Judged("t", "reject", ("boosting has ROC AUC 0.700: no improvement.",), {}, 1, None, None)
    lines = [
        said_of(verdict_lines.assembled, use_case, assembled),
        said_of(verdict_lines.judged, use_case, kept),
    ]
    assert note_of(lines) == (
        "as of 2013-03-09 05:00 UTC: 53,000 rows of 59 windows, 2 windows left out, the champion stays: boosting has "
        "ROC AUC 0.700: no improvement."
    )
    odd = Judged("t", "promote", ("better.", f"{SUSPICION}fare alone predicts it."), {}, 1, None, None)
    assert said_of(verdict_lines.judged, use_case, odd) == Line(
        first="ALARM: fare alone predicts it", then="promoted: better"
    )
    deployed = Deployed(7, "4", "m", DAY.end)
    assert said_of(verdict_lines.deployed, use_case, deployed).then == "v4 is champion from 2013-03-09 05:00 UTC on"


def test_maintenance_says_what_it_put_right_and_removed(use_case: LoadedUseCase) -> None:
    nothing = Reconciled("flight_delays", 9, 2, (), ())
    assert said_of(verdict_lines.reconciled, use_case, nothing) == NOTHING
    repaired = Reconciled("flight_delays", 9, 2, ("the alias was set.", "another"), ())
    assert said_of(verdict_lines.reconciled, use_case, repaired).first == (
        "flight_delays: 2 repairs, the first: the alias was set"
    )
    assert said(verdict_lines.maintained, use_case, Maintained("raw", 1, 3)).then == "flight_delays: 3 files removed"
    assert said(verdict_lines.maintained, use_case, TablePlan("raw", ("a file",))) == NOTHING
    assert said(verdict_lines.archived, use_case, Archived("3", "archived", "old")).then == "flight_delays: v3 archived"
    assert said(verdict_lines.archived, use_case, Planned("3", Fate.ARCHIVE, "old")) == NOTHING


def test_alarms_and_failures_stand_before_other_news_and_the_note_is_cut() -> None:
    lines = [Line(first="retraining started"), Line(first="FAILED late_data: no"), Line(first="ALARM: drift in x")]
    assert note_of(lines) == "FAILED late_data: no; ALARM: drift in x; retraining started."
    assert note_of([]) == note_of([NOTHING]) == ""
    long = note_of([Line(then="x" * 2 * MOST_OF_NOTE)])
    assert (len(long), long[-1]) == (MOST_OF_NOTE, "…")


def test_the_link_to_the_report_ends_the_note_however_long_that_is() -> None:
    link = report_link("flights.predict", "backfill__2013-03-01T00:00:00+00:00")
    assert note_of([Line(then="914 rows")], link) == f"914 rows. {link}"
    long = note_of([Line(then="x" * 2 * MOST_OF_NOTE)], link)
    assert len(long) == MOST_OF_NOTE
    assert long.endswith(f"… {link}")
    assert note_of([], link) == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("[log in](https://evil.example)", r"\[log in\](https://evil.example)"),
        ("![](https://evil.example/seen.png)", r"!\[\](https://evil.example/seen.png)"),
        (r"\[log in\](https://evil.example)", r"\\\[log in\\\](https://evil.example)"),
        ("<https://evil.example>", r"\<https://evil.example>"),
        ("<b>, p < 0.1", r"\<b>, p < 0.1"),
    ],
)
def test_what_an_error_quotes_is_no_link_and_no_picture(said: str, shown: str) -> None:
    """Airflow shows notes as Markdown, and an error may quote a cell, or the name of a column of the source."""
    link = "[Report](dags/parcels.predict/runs/r/plugin/perennial-report)"
    assert note_of([Line(first=f"FAILED parcels.ingest: {said}")], link) == f"FAILED parcels.ingest: {shown}. {link}"


def test_what_the_events_of_assets_say_is_told_and_an_error_in_it_fails_no_task(
    use_case: LoadedUseCase, make_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[Any] = []
    run = replace(make_run(), tell=told.append)
    say = noted(verdict_lines.nothing, extra_of=lambda _, result: {"rows": int(result)})
    assert say(work_that(None))(use_case, run, "914") == "914"
    assert told == [{"rows": 914}]
    assert say(work_that(None))(use_case, run, "many") == "many"
    assert told == [{"rows": 914}]
    assert "will say nothing about the data" in caplog.text
    with pytest.raises(OSError, match="no route"):
        say(work_that(OSError("no route")))(use_case, run, "914")
    assert told == [{"rows": 914}]


@pytest.fixture
def left(make_run: Any) -> Any:
    """A run of which the lines that are left are seen."""
    lines: list[Line] = []
    return replace(make_run(), leave=lines.append), lines


def work_that(raises: Exception | None) -> Any:
    def validate(use_case: LoadedUseCase, run: Any, given: str) -> str:
        if raises is not None:
            raise raises
        return given

    return validate


def test_a_result_leaves_its_line_and_passes_on(use_case: LoadedUseCase, left: Any) -> None:
    run, lines = left
    work = noted(lambda _, result: Line(then=result))(work_that(None))
    assert work(use_case, run, "914 rows") == "914 rows"
    assert lines == [Line(then="914 rows")]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            AirflowFailException("ValidationFailed: 3 rows break a rule:\n  - distance is negative."),
            Line(first="FAILED validate: ValidationFailed: 3 rows break a rule: - distance is negative"),
        ),
        (OSError("no route"), Line(first="FAILED validate: OSError: no route")),
        (AirflowSkipException("The champion stays."), NOTHING),
        (StillToCome("no file yet", DAY.end), NOTHING),
    ],
)
def test_an_error_leaves_its_text_before_it_is_raised(
    use_case: LoadedUseCase, left: Any, error: Exception, line: Line
) -> None:
    run, lines = left
    work = noted(verdict_lines.nothing)(work_that(error))
    with pytest.raises(type(error)):
        work(use_case, run, "")
    assert lines == ([] if line == NOTHING else [line])


def test_a_failure_in_a_run_about_all_use_cases_names_the_one(use_case: LoadedUseCase, left: Any) -> None:
    run, lines = left
    work = noted(verdict_lines.nothing)(work_that(OSError("no route")))
    with pytest.raises(OSError, match="no route"):
        work(use_case, replace(run, name="platform.maintenance/by_hand"), "")
    assert lines == [Line(first="FAILED flight_delays.validate: OSError: no route")]


def test_a_skip_is_said_where_no_other_task_would_say_it(use_case: LoadedUseCase, left: Any) -> None:
    run, lines = left
    work = noted(verdict_lines.nothing, tell_skips=True)(work_that(AirflowSkipException("no rows.")))
    with pytest.raises(AirflowSkipException):
        work(use_case, run, "")
    assert lines == [Line(then="no rows")]


def test_a_line_that_airflow_does_not_take_holds_no_task_up(
    use_case: LoadedUseCase, make_run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(line: Line) -> None:
        raise ConnectionError("the API server is gone")

    work = noted(lambda *_: Line(then="914 rows"))(work_that(None))
    assert work(use_case, replace(make_run(), leave=refuse), "done") == "done"
    assert "will lack this task's line" in caplog.text
    assert "the API server is gone" in caplog.text


def test_a_window_scored_by_two_models_says_so_and_a_challenger_that_failed_comes_first(
    use_case: LoadedUseCase,
) -> None:
    scored = Scored(DAY, 1, 900, "3", "m3", "d", changed=True, challenger="4", challenger_rows=45)
    assert said(verdict_lines.scored, use_case, scored).then == "scored by v3, and 45 rows by v4 in roll-out"
    failed = replace(scored, challenger_rows=0, failed="UntrustedModel: other bytes.")
    line = said(verdict_lines.scored, use_case, failed)
    assert line.first == "ALARM: v4 in roll-out could not predict: UntrustedModel: other bytes"
    assert line.then == "scored by v3"


def test_a_shadow_and_what_becomes_of_a_roll_out_are_said(use_case: LoadedUseCase) -> None:
    shadowed = Shadowed(DAY, ShadowOutcome.SCORED, "4", 0, 900)
    assert said(verdict_lines.shadowed, use_case, shadowed).then == "v4 predicted beside it"
    assert said(verdict_lines.shadowed, use_case, Shadowed(DAY, ShadowOutcome.NO_ROLLOUT)) == NOTHING
    assert said_of(verdict_lines.rolled_out, use_case, RolledOut(DAY.end, "no roll-out is under way")) == NOTHING
    held = RolledOut(DAY.end, "version 4 stays in the shadow", "4", 0, "hold", 9)
    assert said_of(verdict_lines.rolled_out, use_case, held) == Line(then="roll-out: version 4 stays in the shadow")
    for outcome, action in (
        ("version 4 stays in the shadow: not enough evidence", "hold"),
        ("version 4 leaves the shadow for the canary at 5%", "advance"),
    ):
        moved = replace(held, outcome=outcome, action=action)
        assert said_of(verdict_lines.rolled_out, use_case, moved) == Line(first=f"roll-out: {outcome}")
    again = replace(held, outcome="version 4 is rolled back from the canary at 5%", rescored=Rescored(8, (), 2.0))
    assert said_of(verdict_lines.rolled_out, use_case, again).then.endswith("; 8 windows scored again by the champion")
    begun = Deployed(7, "4", "m", DAY.end, "challenger", 0)
    line = said_of(verdict_lines.deployed, use_case, begun)
    assert line.then == "v4 is challenger in the shadow from 2013-03-09 05:00 UTC on"
