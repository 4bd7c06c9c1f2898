"""Commands that do something: the jobs, one command each."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from perennial import clock
from perennial.cli.evaluated import print_measured, print_rescored, print_rolled_back, print_rolled_out
from perennial.cli.outcomes import of_ingest, of_monitor, of_score, of_validate, print_outcome
from perennial.cli.progress import progress, stages
from perennial.cli.retrained import print_retrained
from perennial.cli.session import Session, show, windows_of
from perennial.cli.tables import console, print_line
from perennial.ledger.entries import RecordedDecision
from perennial.log_context import about
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial.window import Window, parse_instant

UseCaseName = Annotated[str, typer.Argument(help="Name of the use case.")]
ModelOption = Annotated[str, typer.Option(help="Which model scores: as_was, as_known, as_now or pinned:VERSION.")]
WindowStart = Annotated[str | None, typer.Option("--window", help="Start of one window, e.g. 2013-03-01.")]
From = Annotated[str | None, typer.Option("--from", help="Start of the first of several windows.")]
To = Annotated[str | None, typer.Option("--to", help="End of the last of several windows.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Use what was known at this time. Default: now.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")]

Result = TypeVar("Result")
WindowJob = Callable[[LoadedUseCase, Window, Ports, str], Any]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (ingest, validate, score, monitor, evaluate, retrain, rollback):
        app.command()(command)


def ingest(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Take windows of the source into the lake."""
    from perennial.jobs.predict import ingest as job

    def run(loaded: LoadedUseCase, each: Window, ports: Ports, run_id: str) -> Any:
        ingested = job.run(loaded, each, ports, run_id)
        if not json:
            print_outcome(each, "ingest", of_ingest(ingested))
            for remark in ingested.remarks:
                print_line(f"  {remark}", "yellow")
        return ingested

    _for_each_window(run, use_case, window, start, end, json)


def validate(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Check snapshots against the use case's expectations."""
    from perennial.jobs.predict import validate as job

    def run(loaded: LoadedUseCase, each: Window, ports: Ports, run_id: str) -> Any:
        validated = job.run(loaded, each, ports, run_id)
        if not json:
            print_outcome(each, "validate", of_validate(validated))
        return validated

    _for_each_window(run, use_case, window, start, end, json)


def score(
    use_case: UseCaseName,
    window: WindowStart = None,
    start: From = None,
    end: To = None,
    model: ModelOption = "as_was",
    json: AsJson = False,
) -> None:
    """Score validated windows and publish the predictions."""
    from perennial.jobs.predict import score as job
    from perennial.records.model_choice import ModelChoice

    choice = ModelChoice.parse(model)

    def run(loaded: LoadedUseCase, each: Window, ports: Ports, run_id: str) -> Any:
        scored = job.run(loaded, each, ports, run_id, model=choice)
        if not json:
            print_outcome(each, "score", of_score(scored))
        return scored

    _for_each_window(run, use_case, window, start, end, json)


def monitor(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Measure the drift of scored windows: how far they are from what is normal for their model."""
    from perennial.jobs.predict import monitor as job

    def run(loaded: LoadedUseCase, each: Window, ports: Ports, run_id: str) -> Any:
        monitored = job.run(loaded, each, ports, run_id)
        if not json:
            print_outcome(each, "monitor", of_monitor(monitored))
        return monitored

    results = _for_each_window(run, use_case, window, start, end, json)
    _say_how_to_retrain(use_case, [each.decision for each in results], json)


def evaluate(use_case: UseCaseName, as_of: AsOf = None, json: AsJson = False) -> None:
    """Collect the labels that had arrived, and measure every scored window that waits for them."""
    from perennial.jobs.evaluate import collect_labels, measure, rollout

    session = Session()
    loaded = session.use_case(use_case)
    moment = parse_instant(as_of, loaded.spec.schedule.timezone) if as_of else clock.now()
    with stages() as stage:
        collected = collect_labels.run(loaded, moment, session.ports, session.run_id, stage("windows asked for labels"))
        measured = measure.run(loaded, moment, session.ports, session.run_id, stage("windows measured"))
    _tell(measured, print_measured, json)
    decided = rollout.run(loaded, moment, session.ports, session.run_id, actor=session.actor)
    if has_stages(loaded.spec.rollout) or decided.challenger is not None:
        _tell(decided, print_rolled_out, json)
    _say_how_to_retrain(use_case, [measured.decision], json)
    collect_labels.require_all(loaded, collected.refused)


def retrain(use_case: UseCaseName, as_of: AsOf = None, reason: Reason = "by hand", json: AsJson = False) -> None:
    """Train the candidates, judge them against the champion, and deploy the winner if it is better."""
    from perennial.jobs.retrain import chain as job

    session = Session()
    loaded = session.use_case(use_case)
    moment = parse_instant(as_of, loaded.spec.schedule.timezone) if as_of else clock.now()
    with stages() as stage:
        result = job.run(
            loaded,
            moment,
            session.ports,
            session.run_id,
            actor=session.actor,
            reason=reason,
            on_window=stage("windows of the training set"),
            on_model=stage("steps of training"),
        )
    if not json:
        print_retrained(result.judged, result.deployed, result.awaits)
        return
    show([result.judged, *([result.deployed] if result.deployed else [])], as_json_lines=True)
    if result.awaits:
        print_line(result.awaits, "yellow", screen=Console(stderr=True))


def rollback(
    use_case: UseCaseName,
    version: Annotated[
        str | None,
        typer.Argument(help="A version that was in service before. Default: the champion before the present one."),
    ] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")] = "",
    effective_from: Annotated[
        str | None,
        typer.Option(
            "--from", help="From when on the version serves. Default: the next window that is not scored yet."
        ),
    ] = None,
    rescore_from: Annotated[
        str | None,
        typer.Option(help="Score windows from this time on again that are scored already. Default: score none again."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Give an earlier version the champion's role again."""
    from perennial.jobs.evaluate import rescore
    from perennial.jobs.retrain import rollback as job

    if not reason.strip():
        raise typer.BadParameter("say why: --reason TEXT")
    session = Session()
    loaded = session.use_case(use_case)
    moment, since = (
        parse_instant(given, loaded.spec.schedule.timezone) if given else None
        for given in (effective_from, rescore_from)
    )
    result = job.run(
        loaded,
        version,
        session.ports,
        session.run_id,
        actor=session.actor,
        reason=reason,
        effective_from=moment,
        rescore_from=since,
    )
    _tell(result, print_rolled_back, json)
    with stages() as stage:
        again = rescore.run(
            loaded, session.ports, session.run_id, actor=session.actor, on_window=stage("windows scored again")
        )
    if again is not None:
        _tell(again, print_rescored, json)
        rescore.require_all(loaded, again)


def _for_each_window(
    job: WindowJob, use_case: str, window: str | None, start: str | None, end: str | None, as_json_lines: bool
) -> list[Any]:
    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    results = []
    with progress("windows", len(windows)) as advance:
        for each in windows:
            with about(window=each.key):
                results.append(job(loaded, each, session.ports, session.run_id))
            advance(rows=getattr(results[-1], "rows", 0))
    if as_json_lines:
        show(results, as_json_lines=True)
    return results


def _tell(result: Result, in_words: Callable[[Result], None], as_json_lines: bool) -> None:
    if as_json_lines:
        show([result], as_json_lines=True)
    else:
        in_words(result)


def _say_how_to_retrain(use_case: str, decisions: list[RecordedDecision], as_json_lines: bool) -> None:
    from perennial.cli.next_steps import after_decisions

    screen = Console(stderr=True) if as_json_lines else console
    for line in after_decisions(use_case, decisions, Session().ports.ledger):
        print_line(line, screen=screen)
