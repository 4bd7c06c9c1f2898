"""What the tasks of a use case do: from a DAG run to jobs, and from their results to small JSON for XCom.

Importing this module imports every adapter. DAG files do it inside their tasks only. A task imports its own job only:
its process is a new one, and all jobs together take it a tenth of a second. Those of the nightly maintenance stand in
`upkeep_tasks`.
"""

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial import clock
from perennial.encoding import as_json, from_json
from perennial.errors import EmptyWindow, NotReady
from perennial.ports import Ports
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial.verdict import REJECT, RETRAIN
from perennial.window import Window, parse_instant
from perennial.wiring import open_ports
from perennial_airflow import asset_extras, verdict_lines
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.each_window import each_window, windows_in
from perennial_airflow.ingest import StillToCome, next_look
from perennial_airflow.noted import leave, noted
from perennial_airflow.outcomes import airflow_outcomes
from perennial_airflow.run import Run, as_of, model_choice, windows_of
from perennial_airflow.trigger import done_already, run_id_of
from perennial_airflow.xcom import Json

if TYPE_CHECKING:
    from perennial.jobs.evaluate.rollout import RolledOut
    from perennial.jobs.predict.ingest import Ingested
    from perennial.review.preview import Preview

log = logging.getLogger(__name__)


@noted(verdict_lines.ingested, tell_skips=True, extra_of=asset_extras.ingested)
def ingest(use_case: LoadedUseCase, run: Run) -> list[Json]:
    """Ingest the run's windows; with the param `dry_run`, say what scoring them would do, and end the run there."""
    from perennial.records.model_choice import ModelChoice
    from perennial.review import preview as preview_job

    with airflow_outcomes(use_case):
        windows, ports = windows_of(use_case.spec, run), _open_ports()
        if run.params.get("dry_run"):
            model = ModelChoice.parse(model_choice(run.params))
            raise AirflowSkipException(_told(preview_job.run(use_case, windows, ports, model=model)))
        return each_window(use_case, windows, lambda window: _ingested_or_awaited(use_case, window, ports, run))


def _ingested_or_awaited(use_case: LoadedUseCase, window: Window, ports: Ports, run: Run) -> "Ingested":
    from perennial.jobs.predict import ingest as ingest_job

    spec = use_case.spec
    try:
        return ingest_job.run(use_case, window, ports, run.name)
    except (EmptyWindow, NotReady) as error:
        deadline = spec.deadline(window)
        again = next_look(spec.due(window), deadline, clock.now())
        if again is not None:
            raise StillToCome(str(error), again) from error
        if isinstance(error, EmptyWindow) and spec.allow_empty:
            ingest_job.note_empty(use_case, window, ports, run.name)
        if deadline is None:
            raise
        raise type(error)(f"{error} The deadline of the window, {deadline:%Y-%m-%d %H:%M} UTC, has passed.") from error


@noted(verdict_lines.validated, extra_of=asset_extras.validated)
def validate(use_case: LoadedUseCase, run: Run, ingested: Iterable[Json]) -> list[Json]:
    """Validate the windows that were ingested."""
    from perennial.jobs.predict import validate as validate_job

    with airflow_outcomes(use_case):
        windows, ports = windows_in(ingested), _open_ports()
        return each_window(use_case, windows, lambda window: validate_job.run(use_case, window, ports, run.name))


@noted(verdict_lines.scored, extra_of=asset_extras.scored)
def score(use_case: LoadedUseCase, run: Run, validated: Iterable[Json]) -> list[Json]:
    """Score the windows that passed, with the model that the run's params choose."""
    from perennial.jobs.predict import score as score_job
    from perennial.records.model_choice import ModelChoice

    with airflow_outcomes(use_case):
        model = ModelChoice.parse(model_choice(run.params))
        windows, ports = windows_in(validated), _open_ports()
        results = each_window(
            use_case, windows, lambda window: score_job.run(use_case, window, ports, run.name, model=model)
        )
        verdicts = {each["window"]["start"]: each["verdict"] for each in validated}  # for the asset's event
        return [{**each, "verdict": verdicts[each["window"]["start"]]} for each in results]


@noted(verdict_lines.monitored)
def monitor(use_case: LoadedUseCase, run: Run, scored: Iterable[Json]) -> list[Json]:
    """Monitor the windows that were scored."""
    from perennial.jobs.predict import monitor as monitor_job

    with airflow_outcomes(use_case):
        windows, ports = windows_in(scored), _open_ports()
        return each_window(use_case, windows, lambda window: monitor_job.run(use_case, window, ports, run.name))


@noted(verdict_lines.nothing)
def select_for_review(use_case: LoadedUseCase, run: Run, scored: Iterable[Json]) -> list[Json]:
    """Choose the rows that people are asked about, of the windows that were scored."""
    from perennial.jobs.predict import select_for_review as select_job

    with airflow_outcomes(use_case):
        windows, ports = windows_in(scored), _open_ports()
        return each_window(use_case, windows, lambda window: select_job.run(use_case, window, ports, run.name))


@noted(verdict_lines.shadowed)
def shadow(use_case: LoadedUseCase, run: Run, scored: Iterable[Json]) -> list[Json]:
    """Let champion and challenger predict each other's rows of the windows that were scored."""
    from perennial.jobs.predict import shadow as shadow_job

    with airflow_outcomes(use_case):
        windows, ports = windows_in(scored), _open_ports()
        return each_window(use_case, windows, lambda window: shadow_job.run(use_case, window, ports, run.name))


@noted(verdict_lines.late_data)
def late_data(use_case: LoadedUseCase, run: Run) -> Json:
    """Look again at the windows before the run's, where rows may have come late.

    A run by hand or of a backfill leaves that to the scheduled ones: it reads its own windows anyway.
    """
    from perennial.jobs.predict import late as late_job

    with airflow_outcomes(use_case):
        if run.interval is None or run.is_backfill:
            raise AirflowSkipException("Only scheduled runs look for late data.")
        (window,) = windows_of(use_case.spec, run)
        found = late_job.run(use_case, window, _open_ports(), run.name)
        if found.failed:
            raise AirflowFailException("Late data that can't be scored: " + "; ".join(found.failed))
        return as_json(found)


@noted(verdict_lines.labels_collected, extra_of=asset_extras.labels_collected)
def collect_labels(use_case: LoadedUseCase, run: Run) -> Json:
    """Collect the labels that had arrived by the run's moment."""
    from perennial.jobs.evaluate import collect_labels as collect_labels_job

    with airflow_outcomes(use_case):
        return as_json(collect_labels_job.run(use_case, as_of(use_case.spec, run), _open_ports(), run.name))


@noted(verdict_lines.measured)
def measure(use_case: LoadedUseCase, run: Run, collected: Json) -> Json:
    """Measure every scored window that waits for labels; then fail, if labels of some could not be used.

    Without stages in the spec the run has no task `rollout`. A roll-out that is under way all the same, because the key
    was taken out, is ended here.
    """
    from perennial.jobs.evaluate import collect_labels as collect_labels_job
    from perennial.jobs.evaluate import measure as measure_job

    with airflow_outcomes(use_case):
        ports = _open_ports()
        measured = measure_job.run(use_case, as_of(use_case.spec, run), ports, run.name)
        if not has_stages(use_case.spec.rollout):
            leave(run, verdict_lines.rolled_out(use_case, as_json(_rolled_out(use_case, run, ports))))
        collect_labels_job.require_all(use_case, collected["refused"])
        return as_json(measured)


@noted(verdict_lines.rolled_out)
def rollout(use_case: LoadedUseCase, run: Run) -> Json:
    """Decide about the stage of the roll-out under way, and do what was decided."""
    with airflow_outcomes(use_case):
        return as_json(_rolled_out(use_case, run, _open_ports()))


def _rolled_out(use_case: LoadedUseCase, run: Run, ports: Ports) -> "RolledOut":
    from perennial.jobs.evaluate import rollout as rollout_job
    from perennial.jobs.evaluate.rescore import require_all

    found = rollout_job.run(use_case, as_of(use_case.spec, run), ports, run.name, actor=run.actor)
    require_all(use_case, found.rescored)
    return found


@noted(verdict_lines.assembled, extra_of=asset_extras.assembled)
def assemble(use_case: LoadedUseCase, run: Run) -> Json:
    """Assemble the training set as of the run's moment."""
    from perennial.jobs.retrain import assemble as assemble_job

    with airflow_outcomes(use_case):
        moment, ports = as_of(use_case.spec, run), _open_ports()
        _skip_what_is_done(use_case, run, moment, ports)
        return as_json(assemble_job.run(use_case, moment, ports, run.name))


def _skip_what_is_done(use_case: LoadedUseCase, run: Run, moment: datetime, ports: Ports) -> None:
    """End the run of a decision that another retraining has answered while this run was queued.

    Errors: `AirflowSkipException`.
    """
    from perennial.jobs.upkeep.unstarted import ASKING
    from perennial.records.retraining import answer_to

    asked = [each for kind in ASKING for each in ports.ledger.decisions(use_case.name, kind, moment)]
    for decision in asked:
        if decision.action != RETRAIN or run.name.rpartition("/")[2] != run_id_of(as_json(decision)):
            continue
        answer = answer_to(decision, ports.ledger, run.name)
        if answer is not None:
            raise AirflowSkipException(done_already(as_json(answer)))


@noted(verdict_lines.nothing)
def check(use_case: LoadedUseCase, run: Run, assembled: Json) -> Json:
    """Check the assembled set before anything is trained on it."""
    from perennial.jobs.retrain import check as check_job

    with airflow_outcomes(use_case):
        return as_json(check_job.run(use_case, assembled["training_id"], _open_ports(), run.name))


@noted(verdict_lines.nothing)
def train(use_case: LoadedUseCase, run: Run, assembled: Json, candidate: str) -> Json:
    """Train one candidate on the assembled set."""
    from perennial.jobs.retrain import train as train_job

    with airflow_outcomes(use_case):
        return as_json(train_job.run(use_case, assembled["training_id"], candidate, _open_ports(), run.name))


@noted(verdict_lines.judged)
def judge(use_case: LoadedUseCase, run: Run, assembled: Json, trained: Iterable[Json]) -> Json:
    """Judge the candidates against the champion on the same rows; ask people about a winner, where the tier says so."""
    from perennial.jobs.retrain import approval
    from perennial.jobs.retrain import judge as judge_job
    from perennial.jobs.retrain.train import outcomes_of

    with airflow_outcomes(use_case):
        candidates, ports = outcomes_of(trained), _open_ports()
        found = judge_job.run(use_case, assembled["training_id"], candidates, ports, run.name)
        if use_case.spec.risk_tier.approvers:
            as_of = parse_instant(assembled["as_of"])
            approval.ask(use_case, found, as_of, ports.ledger, run.name, requester=run.requester)
        return as_json(found)


@noted(verdict_lines.nothing)
def show(use_case: LoadedUseCase, run: Run, trained: Iterable[Json], judged: Json) -> Json:
    """Show the candidates in the registry."""
    from perennial.jobs.retrain import show as show_job
    from perennial.jobs.retrain.judge import Judged
    from perennial.jobs.retrain.train import outcomes_of

    with airflow_outcomes(use_case):
        done = show_job.run(use_case, from_json(Judged, judged), outcomes_of(trained), _open_ports(), run.name)
        return as_json(done)


@noted(verdict_lines.deployed)
def deploy(use_case: LoadedUseCase, run: Run, judged: Json) -> Json:
    """Deploy the winner; where the champion stays, the task is skipped with the judge's reasons, or people's."""
    from perennial.jobs.retrain import approval
    from perennial.jobs.retrain import deploy as deploy_job
    from perennial.jobs.retrain.judge import Judged

    with airflow_outcomes(use_case):
        decision = from_json(Judged, judged)
        if decision.winner is None:
            raise AirflowSkipException("The champion stays: " + " ".join(decision.reasons))
        ports = _open_ports()
        asked = approval.standing(use_case, decision, ports.ledger, run.name)
        if asked.action == REJECT:
            raise AirflowSkipException("The champion stays: " + " ".join(asked.reasons))
        return as_json(
            deploy_job.run(use_case, decision, ports, run.name, actor=run.actor, reason=run.params["reason"])
        )


@noted(verdict_lines.deployed)
def rollback(use_case: LoadedUseCase, run: Run) -> Json:
    """Deploy the earlier version that the run's params name, or the one that stands by."""
    from perennial.jobs.retrain import rollback as rollback_job

    with airflow_outcomes(use_case):
        zone = use_case.spec.schedule.timezone
        start, since = (run.params.get(name) for name in ("effective_from", "rescore_from"))
        deployed = rollback_job.run(
            use_case,
            run.params["version"],
            _open_ports(),
            run.name,
            actor=run.actor,
            reason=run.params["reason"],
            effective_from=parse_instant(start, zone) if start else None,
            rescore_from=parse_instant(since, zone) if since else None,
        )
        return as_json(deployed)


@noted(verdict_lines.scored_again)
def score_again(use_case: LoadedUseCase, run: Run) -> Json:
    """Score again the windows that the rollback took from another model."""
    from perennial.jobs.evaluate import rescore

    with airflow_outcomes(use_case):
        found = rescore.run(use_case, _open_ports(), run.name, actor=run.actor)
        if found is None:
            raise AirflowSkipException("No window is to be scored again.")
        rescore.require_all(use_case, found)
        return as_json(found)


def answer_to(use_case: LoadedUseCase, decision: Json) -> Json | None:
    """The judgement of another retraining that makes the one needless that was decided, if there is one."""
    from perennial.ledger.entries import RecordedDecision
    from perennial.records import retraining

    with airflow_outcomes(use_case):
        answer = retraining.answer_to(from_json(RecordedDecision, decision), _open_ports().ledger, run_id="")
        return None if answer is None else as_json(answer)


def _told(previews: "Iterable[Preview]") -> str:
    """A dry run's answer, which Airflow shows as the reason for skipping."""
    lines = [
        f"{each.window}: {each.would_be}, model {each.model or 'none'}, snapshot {each.snapshot}"
        + (f" ({each.why_not})" if each.why_not else "")
        for each in previews
    ]
    for line in lines:
        log.info("%s", line)
    return "A dry run changes nothing. " + "; ".join(lines)


def _open_ports() -> Ports:
    return open_ports(Settings.from_environment(), AirflowConnections())
