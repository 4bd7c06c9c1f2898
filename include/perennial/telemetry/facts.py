"""What the ledger knows of the use cases now, read for all gauges at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from perennial.ledger.entries import ApprovalRequest
from perennial.ledger.parts.latest import LastDecisions, LastScored, Stage
from perennial.ledger.parts.overview import Span
from perennial.ledger.port import Ledger
from perennial.records.human_labels import answers_of, questions_of
from perennial.review import recent
from perennial.review.airflow_state import DagState
from perennial.review.matters import Matter, found
from perennial.review.recent import Recent
from perennial.spec.models import UseCase
from perennial.telemetry.catalogue import RECENT
from perennial.window import Window

SELECTIONS = 60  # the last ones, whose questions are counted


@dataclass(frozen=True)
class Facts:
    """A use case as the ledger knows it. `dags` are as Airflow sees them, none where it was not asked.

    `first_scored` says when each recent window was scored first. `questions` is None without `review`, `messages`
    without `alerts`.
    """

    spec: UseCase
    recent: Recent
    last: LastScored | None
    first_scored: Mapping[Window, datetime]
    decisions: Sequence[LastDecisions]
    stage: Stage | None
    request: ApprovalRequest | None
    questions: int | None
    messages: int | None
    matters: Sequence[Matter]
    dags: Mapping[str, DagState] = field(default_factory=dict)


def read(specs: Sequence[UseCase], now: datetime, ledger: Ledger, dags: Mapping[str, DagState]) -> list[Facts]:
    """The facts of each use case, by name.

    The number of questions to the ledger does not grow with the history, and not with the number of use cases but for
    those with `review` (two each) or `alerts` (one for each route). Errors: `StoreUnavailable`.
    """
    names = [spec.name for spec in specs]
    known = recent.run(specs, now, ledger, RECENT)
    spans = [
        Span(name, windows[0].window.start, windows[-1].window.end)
        for name, each in known.items()
        if (windows := each.windows)
    ]
    last, first = ledger.last_scored_of(names), ledger.first_scored_of(spans)
    decisions, stages = ledger.recent_decisions_of(names), ledger.stages_of(names)
    requests = ledger.open_requests_of(names)
    told = []
    for spec in sorted(specs, key=lambda each: each.name):
        name = spec.name
        own = {dag_id: state for dag_id, state in dags.items() if dag_id.rpartition(".")[0] == name}
        told.append(
            Facts(
                spec=spec,
                recent=known[name],
                last=last.get(name),
                first_scored=first.get(name, {}),
                decisions=decisions.get(name, ()),
                stage=stages.get(name),
                request=requests.get(name),
                questions=_unanswered(name, ledger) if spec.review else None,
                messages=sum(len(ledger.undelivered(name, route.name)) for route in spec.alerts)
                if spec.alerts
                else None,
                matters=found(spec, known[name], own, now),
                dags=own,
            )
        )
    return told


def _unanswered(name: str, ledger: Ledger) -> int:
    """Rows that people were asked about and nobody answered. Which outcomes came since would take reading the lake."""
    selections = ledger.last_selections(name, SELECTIONS)
    if not selections:
        return 0
    ends = min(each.window.start for each in selections), max(each.window.end for each in selections)
    answered = answers_of(ledger.human_labels_between(name, *ends))
    asked = {(each.window, each.entity) for each in questions_of(selections)}
    return len(asked - set(answered))
