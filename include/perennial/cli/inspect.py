"""Commands that only look."""

import json as jsonlib
import logging
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perennial import clock
from perennial.cli.session import Session, one_window, show, start_of
from perennial.cli.tables import print_line, print_table
from perennial.encoding import as_json
from perennial.errors import InvalidSpec, PerennialError
from perennial.lake.port import raw_table
from perennial.ledger.port import Ledger
from perennial.spec.load import check_all, load_use_case, remarks_on_all, use_case_names
from perennial.spec.schema import use_case_schema
from perennial.wording import counted

if TYPE_CHECKING:
    import pyarrow as pa

    from perennial.jobs.upkeep.gaps import Gaps
    from perennial.ledger.parts.overview import Status
    from perennial.sources.peek import Peek
    from perennial.spec.sources import Source

log = logging.getLogger(__name__)
EXIT_VIOLATIONS = 5
STATUS = ("use case", "windows", "scored", "missing", "rows", "failed", "alarms", "retrains", "last", "champion")
LEVELS = {"error": "red", "warning": "yellow", "note": "dim"}
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command()(check)
    app.command()(status)
    app.command("use-cases")(use_cases)
    app.command()(schema)


def check(
    use_case: Annotated[str | None, typer.Argument(help="Name of one use case. Default: all.")] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample", metavar="WINDOW", help="Read this window, e.g. 2013-03-01, and report everything that is odd."
        ),
    ] = None,
    json: AsJson = False,
) -> None:
    """Report every error in all specs at once; with --sample also everything in one window that does not fit them."""
    session = Session()
    root = session.settings.use_cases
    names = [session.existing(use_case)] if use_case else use_case_names(root)
    violations, remarks = check_all(root), remarks_on_all(root)
    if use_case:
        violations, remarks = (
            [each for each in found if root / use_case in each.file.parents] for found in (violations, remarks)
        )
    if json:
        for level, found in (("error", violations), ("warning", remarks)):
            for each in found:
                print(jsonlib.dumps({"level": level} | as_json(each), default=str))
    else:
        for violation in violations:
            print_line(str(violation))
        for remark in remarks:
            print_line(f"warning: {remark}", "yellow")
        print_line(f"{counted(len(names), 'use case')} in {root}, {counted(len(violations), 'error')}")
    broken = bool(violations)
    if sample is not None:
        readable = [name for name in names if not any(root / name in each.file.parents for each in violations)]
        for name in readable:
            broken = not _sampled(session, name, sample, json) or broken
    if broken:
        raise typer.Exit(EXIT_VIOLATIONS)


def _sampled(session: Session, name: str, start: str, as_json_lines: bool) -> bool:
    """Look at one window of a use case; whether it would come through."""
    from perennial.review import sample as job
    from perennial.sources.peek import peek_source

    loaded = session.use_case(name)
    window, now = one_window(loaded, start), clock.now()

    def look(source: "Source", as_of: datetime) -> "Peek | None":
        return peek_source(loaded, source, window, as_of, session.connections)

    found = job.run(loaded, window, now, session.source, look, _stored(session, name))
    if as_json_lines:
        show([found], as_json_lines=True)
        return found.ready
    print_line(f"{name} {start_of(window)}")
    for reading in found.readings:
        print_line(f"  {reading.what}: {reading.rows:,} rows, {reading.bytes:,} bytes, {reading.seconds:.2f} s")
    windows = loaded.spec.training.history / (window.end - window.start)
    seconds = windows * sum(reading.seconds for reading in found.readings)
    print_line(f"  a training set of {windows:.0f} such windows would take about {seconds:.0f} s to read")
    for finding in found.findings:
        print_line(str(finding), LEVELS[finding.level])
    errors = sum(finding.level == "error" for finding in found.findings)
    others = len(found.findings) - errors
    print_line(f"{counted(errors, 'error')}, {others:,} {'warning or note' if others == 1 else 'warnings and notes'}")
    if found.ready:
        print_line(f"Next: perennial run {name} --window {start_of(window)}")
    return found.ready


def _stored(session: Session, name: str) -> "pa.Schema | None":
    """The columns of the windows that are stored; None, with a warning, where the lake can't be asked."""
    try:
        return session.lake.read(raw_table(name), "").schema
    except PerennialError as error:
        log.warning("%s: the sample was not compared with the windows that are stored: %s", name, error)
        return None


def use_cases(json: AsJson = False) -> None:
    """List the use cases."""
    root = Session().settings.use_cases
    specs = [load_use_case(root / name).spec for name in use_case_names(root)]
    if json:
        for spec in specs:
            print(jsonlib.dumps({"name": spec.name, "title": spec.title, "task": spec.task, "owner": spec.owner}))
        return
    print_table(
        ("use case", "title", "task", "every", "owner"),
        [(spec.name, spec.title, str(spec.task), str(spec.schedule.every), spec.owner) for spec in specs],
    )


def status(json: AsJson = False) -> None:
    """Show every use case at a glance: windows, those that are missing, alarms, retrainings, the champion."""
    session = Session()
    root = session.settings.use_cases
    names = use_case_names(root)
    found = [session.ledger.status(name) for name in names]
    missing = [_gaps(root / name, session.ledger) for name in names]
    if json:
        for each, gap in zip(found, missing, strict=True):
            ranges = [as_json(each_range) for each_range in gap.ranges] if gap else None
            gaps = {"windows_missing": gap.missing if gap else None, "missing": ranges}
            print(jsonlib.dumps(as_json(each) | gaps, default=str))
        return
    rows = []
    for each, gap in zip(found, missing, strict=True):
        champion = each.champion
        rows.append(
            (
                each.use_case,
                *(f"{n:,}" for n in (each.windows_ingested, each.windows_scored)),
                f"{gap.missing:,}" if gap else "?",
                *(f"{n:,}" for n in (each.rows_scored, each.windows_failed, each.alarms, each.retrains)),
                _last(each, root),
                champion.model_version if champion else "none",
            )
        )
    print_table(STATUS, rows)
    for each in found:
        if each.windows_overdue:
            told = f"labels of {counted(each.windows_overdue, 'window')} are overdue (perennial performance says which)"
            print_line(f"{each.use_case}: {told}", "yellow")
        if each.retrains_rejected:
            told = f"{counted(each.retrains_rejected, 'retraining')} brought no better model, and the champion stayed"
            print_line(f"{each.use_case}: {told}")
    for gap in missing:
        if gap and gap.missing:
            print_line(str(gap))


def _last(status: "Status", root: Path) -> str:
    """The last window as `--window` takes it; with hour and zone where the spec, which knows the grid, is wrong."""
    if status.last_window is None:
        return ""
    try:
        return load_use_case(root / status.use_case).spec.grid.name_of(status.last_window)
    except InvalidSpec:
        return start_of(status.last_window)


def _gaps(folder: Path, ledger: Ledger) -> "Gaps | None":
    """The use case's windows that are missing; None where its spec is wrong, which `check` explains."""
    from perennial.jobs.upkeep.gaps import find

    try:
        spec = load_use_case(folder).spec
    except InvalidSpec:
        return None
    return find(spec, clock.now(), ledger)[0]


def schema() -> None:
    """Print the JSON Schema of use_case.yaml, for editors."""
    print(jsonlib.dumps(use_case_schema(), indent=2))
