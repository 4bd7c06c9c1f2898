"""The portfolio: every use case at a glance, and first of all what needs a person."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from perennial.ledger.port import Ledger
from perennial.performance.maturity import Maturity
from perennial.review import matters, recent
from perennial.review.airflow_state import DagState
from perennial.review.matters import Matter, Urgency
from perennial.review.recent import Recent
from perennial.review.timeline import WindowState
from perennial.spec.ended import Ended
from perennial.spec.models import UseCase
from perennial.verdict import Verdict

WINDOWS = 60
KINDS = ("predict", "evaluate", "retrain", "rollback")


@dataclass(frozen=True)
class Summary:
    """A use case at a glance. `windows` are the last ones up to the last that was read, oldest first.

    Of these windows `refused` failed validation, `warned` passed it with warnings, `drifted` drifted and `overdue` wait
    for labels that should have come; `quarantined` of their rows were set aside. Of all windows, `missing` should have
    been scored and were not. The champion has scored data since `champion_since`: `champion_age` days of it, up to the
    last window. `dags` are those that the reader may see, as Airflow sees them; none when it was not asked. `matters`
    are what needs a person, the urgent first; none of a use case that has `ended`, of which that is said in words.
    """

    use_case: str
    title: str
    owner: str
    tags: tuple[str, ...]
    metric: str
    urgency: Urgency
    champion: str | None
    champion_since: datetime | None
    champion_age: float | None
    windows: tuple[WindowState, ...]
    refused: int
    warned: int
    drifted: int
    quarantined: int
    missing: int
    overdue: int
    dags: tuple[DagState, ...]
    matters: tuple[Matter, ...]
    ended: str | None = None

    def dag(self, kind: str) -> DagState | None:
        """The DAG of this kind, such as `predict`; None when it was not asked about, or may not be seen."""
        return next((state for state in self.dags if state.dag_id == f"{self.use_case}.{kind}"), None)


@dataclass(frozen=True)
class Portfolio:
    """All use cases that the reader may see, those that need a person first, as of a moment."""

    as_of: datetime
    use_cases: tuple[Summary, ...]
    format: Literal[1] = 1


def _by_urgency(each: Summary) -> tuple[Any, ...]:
    return (list(Urgency).index(each.urgency), each.use_case)


def _by_last_window(each: Summary) -> tuple[Any, ...]:
    return (each.windows[-1].window.end.timestamp() if each.windows else 0.0, each.use_case)


ORDERS: dict[str, Callable[[Summary], tuple[Any, ...]]] = {
    "urgency": _by_urgency,
    "name": lambda each: (each.title.casefold(), each.use_case),
    "oldest last window": _by_last_window,
}


def run(
    specs: Sequence[UseCase],
    now: datetime,
    ledger: Ledger,
    dags: Mapping[str, DagState],
    ended: Mapping[str, Ended] | None = None,
) -> Portfolio:
    """The use cases as the ledger, and by `dags` Airflow, know them now; `ended` are those that were decommissioned.

    Errors: `StoreUnavailable`.
    """
    known = recent.run(specs, now, ledger, WINDOWS)
    found = [_summary(spec, known[spec.name], dags, now, (ended or {}).get(spec.name)) for spec in specs]
    return Portfolio(now, tuple(sorted(found, key=_by_urgency)))


def _summary(spec: UseCase, known: Recent, dags: Mapping[str, DagState], now: datetime, ended: Ended | None) -> Summary:
    champion, windows = known.champion, known.windows
    own = {dag_id: dags[dag_id] for kind in KINDS if (dag_id := f"{spec.name}.{kind}") in dags}
    needed = matters.found(spec, known, own, now) if ended is None else []
    calm = Urgency.FINE if ended is None else Urgency.ENDED
    return Summary(
        use_case=spec.name,
        title=spec.title,
        owner=spec.owner,
        tags=tuple(spec.tags),
        metric=spec.training.metric,
        urgency=needed[0].urgency if needed else calm,
        champion=champion.version if champion else None,
        champion_since=champion.effective_from if champion else None,
        champion_age=_age(known),
        windows=windows,
        refused=sum(each.validation is Verdict.FAIL for each in windows),
        warned=sum(each.validation is Verdict.WARN for each in windows),
        drifted=sum(each.drift is Verdict.FAIL for each in windows),
        quarantined=sum(each.rows_quarantined or 0 for each in windows),
        missing=len(matters.missing(known)) if ended is None else 0,
        overdue=sum(each.maturity is Maturity.OVERDUE for each in windows),
        dags=tuple(own.values()),
        matters=tuple(needed),
        ended=str(ended) if ended else None,
    )


def _age(known: Recent) -> float | None:
    """Days of data since the champion took over, up to the last window; 0 before it has scored any."""
    if known.champion is None:
        return None
    since = known.champion.effective_from
    until = known.windows[-1].window.end if known.windows else since
    return max(0.0, (until - since).total_seconds() / 86_400)
