"""`perennial models`: the family tree of a use case's models."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from perennial.cli.session import Session, show
from perennial.cli.steps import AsJson, UseCaseName
from perennial.cli.tables import print_line
from perennial.wording import counted, date

if TYPE_CHECKING:
    from perennial.review.models import ModelFamily, ModelVersion, Service


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command()(models)


def models(use_case: UseCaseName, json: AsJson = False) -> None:
    """Show each version that was deployed: what it replaced and why, its data, how it was judged, its roles."""
    from perennial.review import models as job

    session = Session()
    loaded = session.use_case(use_case)
    family = job.run(loaded.spec, session.ports)
    if json:
        show([family], as_json_lines=True)
        return
    for line in tree(family, loaded.spec.training.metric, loaded.spec.schedule.timezone):
        print_line(line)


def tree(family: "ModelFamily", metric: str, zone: str) -> list[str]:
    """The family as lines, the oldest first, with dates in the zone. A version stands below the one that it replaced.

    The last version that replaced another goes on in its column; those before it, which were rolled back, branch off.
    """
    if not family.versions:
        return ["No model was deployed yet."]
    children: dict[str | None, list[ModelVersion]] = defaultdict(list)
    known = {each.version for each in family.versions}
    for each in reversed(family.versions):
        children[each.parent if each.parent in known else None].append(each)
    lines = []
    for first in children[None]:
        lines += _branch(first, children, metric, zone)
    if family.rejected:
        lines.append(f"{counted(len(family.rejected), 'retraining')} after which the champion stayed; the last ones:")
        lines += [f"  {date(each.as_of, zone)}  {' '.join(each.reasons[:1])}" for each in family.rejected[:3]]
    return lines


def _branch(
    version: "ModelVersion", children: "dict[str | None, list[ModelVersion]]", metric: str, zone: str
) -> list[str]:
    lines: list[str] = []
    at: ModelVersion | None = version
    while at is not None:
        following = children[at.version]
        own = list(_told(at, metric, zone))
        lines += [own[0], *(f"{'│' if following else ' '}   {line}" for line in own[1:])]
        for each in following[:-1]:
            head, *rest = _branch(each, children, metric, zone)
            lines += [f"├─ {head}", *(f"│  {line}" for line in rest)]
        at = following[-1] if following else None
    return lines


def _told(each: "ModelVersion", metric: str, zone: str) -> Iterator[str]:
    yield f"● version {each.version}{' (champion)' if each.champion else ''}  {each.digest[:12]}"
    yield f"replaced version {each.parent}" if each.parent else "the first"
    yield f"because  {each.services[0].reason}"
    if each.first_window and each.last_window and each.windows is not None and each.rows is not None:
        span = f"{date(each.first_window.start, zone)} to {date(each.last_window.end, zone)}"
        yield f"data     {span}, {each.rows:,} rows of {counted(each.windows, 'window')}"
    else:
        yield "data     no evidence"
    yield f"verdict  {_verdict(each, metric)}"
    yield from _roles(each.services, zone)


def _verdict(each: "ModelVersion", metric: str) -> str:
    if each.value is None:
        return "no evidence"
    told = f"{metric} {each.value:.4g}"
    if each.rival is not None and each.rival_value is not None:
        told += f" against {each.rival} {each.rival_value:.4g}"
    if each.verdict is None or each.gain is None or each.low is None or each.high is None:
        return told
    return f"{each.verdict}: gain {each.gain:+.3g} ({each.low:+.3g} to {each.high:+.3g}); {told}"


def _roles(services: "Sequence[Service]", zone: str) -> Iterator[str]:
    for each in services:
        ended = f"to {date(each.until, zone)}" if each.until else "on"
        who = f"approved by {each.approved_by}" if each.approved_by else f"by {each.actor}"
        again = f", rolled back to: {each.reason}" if each.again else ""
        yield f"{each.role.value:<8} {date(each.since, zone)} {ended}, {who}{again}"
