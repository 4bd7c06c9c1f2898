"""The portfolio: every use case at a glance, and first of all what needs a person."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from perennial.jobs.upkeep.gaps import expected_between, missing_between
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ledger.port import Ledger
from perennial.performance.maturity import Maturity
from perennial.review import timeline
from perennial.review.timeline import WindowState
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted

WINDOWS = 60


class Urgency(StrEnum):
    """How much a use case needs a person, the most first."""

    ACT = "act"
    LOOK = "look"
    NEW = "new"
    FINE = "fine"


@dataclass(frozen=True)
class Matter:
    """One thing that needs a person: what it is, what to do about it, and the window it is about, if it is one."""

    urgency: Urgency
    what: str
    to_do: str
    window: Window | None = None


@dataclass(frozen=True)
class Summary:
    """A use case at a glance. `windows` are the last ones up to the last that was read, oldest first.

    `quarantined` rows were set aside in these windows; of all windows, `missing` should have been scored and were not.
    `matters` are what needs a person, the urgent first.
    """

    use_case: str
    title: str
    owner: str
    tags: tuple[str, ...]
    metric: str
    urgency: Urgency
    champion: str | None
    champion_since: datetime | None
    windows: tuple[WindowState, ...]
    quarantined: int
    missing: int
    overdue: int
    matters: tuple[Matter, ...]


@dataclass(frozen=True)
class Portfolio:
    """All use cases that the reader may see, those that need a person first, as of a moment."""

    as_of: datetime
    use_cases: tuple[Summary, ...]
    format: Literal[1] = 1


def run(specs: Sequence[UseCase], now: datetime, ledger: Ledger) -> Portfolio:
    """The use cases as the ledger knows them now. Errors: `StoreUnavailable`."""
    order = list(Urgency)
    found = [_summary(spec, now, ledger) for spec in specs]
    return Portfolio(now, tuple(sorted(found, key=lambda each: (order.index(each.urgency), each.use_case))))


def _summary(spec: UseCase, now: datetime, ledger: Ledger) -> Summary:
    champion = ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    last = ledger.last_ingested(spec.name)
    shown = timeline.last_windows(spec, last.end, WINDOWS) if last else []
    windows = timeline.run(spec, shown, now, ledger).windows
    refused = {each.window for each in windows if each.validation is Verdict.FAIL and not each.scored}
    ends = expected_between(spec, now, ledger.deployments(spec.name))
    unscored = missing_between(spec, *ends, ledger) if ends else []
    missing = [window for window in unscored if window not in refused]
    order = list(Urgency)
    matters = sorted(_matters(spec, champion, windows, missing), key=lambda matter: order.index(matter.urgency))
    return Summary(
        use_case=spec.name,
        title=spec.title,
        owner=spec.owner,
        tags=tuple(spec.tags),
        metric=spec.training.metric,
        urgency=matters[0].urgency if matters else Urgency.FINE,
        champion=champion.model_version if champion else None,
        champion_since=champion.effective_from if champion else None,
        windows=windows,
        quarantined=sum(each.rows_quarantined or 0 for each in windows),
        missing=len(missing),
        overdue=sum(each.maturity is Maturity.OVERDUE for each in windows),
        matters=tuple(matters),
    )


def _matters(
    spec: UseCase, champion: Deployment | None, windows: Sequence[WindowState], missing: Sequence[Window]
) -> Iterator[Matter]:
    if champion is None:
        yield Matter(
            Urgency.NEW,
            "No model is in service, so nothing can be scored.",
            f"Start a run of {spec.name}.retrain: it trains the first one.",
        )
    refused = [each for each in windows if each.validation is Verdict.FAIL and not each.scored]
    if refused:
        yield Matter(
            Urgency.ACT,
            f"{counted(len(refused), 'window')} failed validation and {'was' if len(refused) == 1 else 'were'} not "
            "scored.",
            "Open the report, then mend the source and clear the run, or accept the rows.",
            refused[-1].window,
        )
    if missing:
        yield Matter(
            Urgency.ACT,
            f"{counted(len(missing), 'window')} should have been scored and {'was' if len(missing) == 1 else 'were'} "
            "not.",
            f"Backfill {spec.name}.predict from {missing[0].start:%Y-%m-%d} to {missing[-1].start:%Y-%m-%d}, or clear "
            "the runs that failed.",
            missing[-1],
        )
    yield from _quality(spec, windows)


def _quality(spec: UseCase, windows: Sequence[WindowState]) -> Iterator[Matter]:
    """What the last windows say about data and model."""
    scored = [each for each in windows if each.scored]
    if scored and scored[-1].drift is Verdict.FAIL:
        yield Matter(
            Urgency.LOOK,
            "The last window that was scored drifted from what the model considers normal.",
            "See which columns drifted; whether to retrain is decided by the evidence of several windows.",
            scored[-1].window,
        )
    overdue = [each for each in windows if each.maturity is Maturity.OVERDUE]
    if overdue:
        yield Matter(
            Urgency.ACT,
            f"The labels of {counted(len(overdue), 'window')} are overdue: far fewer came than usual.",
            f"Ask the source of the labels of {spec.name}; they are asked for again until they come.",
            overdue[-1].window,
        )
