"""What there is to alert of: the matters that need a person, as the pages show them, and events beside them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from perennial.alerting.facts import Facts
from perennial.ledger.entries import ApprovalRequest
from perennial.policy.rollout import ROLL_BACK
from perennial.records.rollout import stage_name
from perennial.review import matters
from perennial.review.airflow_state import DagState
from perennial.review.matters import Concern, Matter, Place
from perennial.review.recent import Recent
from perennial.spec.alerts import Severity
from perennial.spec.models import UseCase
from perennial.verdict import REJECT
from perennial.wording import counted

RETRAINING_REJECTED = "retraining_rejected"
STORES_DIFFERED = "stores_differed"
ROLLOUT_ENDED = "rollout_ended"
NAMED = 3  # reasons, or repairs

SEVERITIES: dict[str, Severity] = {
    Concern.BROKEN_FILE: Severity.CRITICAL,
    Concern.RUN_FAILED: Severity.CRITICAL,
    Concern.WINDOWS_REFUSED: Severity.CRITICAL,
    Concern.WINDOWS_MISSING: Severity.CRITICAL,
    Concern.QUESTIONS: Severity.WARNING,
    Concern.DRIFT: Severity.WARNING,
    Concern.PERFORMANCE: Severity.WARNING,
    Concern.LABELS_LATE: Severity.WARNING,
    Concern.ROLLOUT_OVERDUE: Severity.WARNING,
    Concern.STANDBY_NOT_READY: Severity.WARNING,
    ROLLOUT_ENDED: Severity.WARNING,
    STORES_DIFFERED: Severity.WARNING,
    Concern.NO_MODEL: Severity.INFO,
    RETRAINING_REJECTED: Severity.INFO,
}

CAUSES: dict[str, str] = {
    Concern.QUESTIONS: "A run asked people, and nobody has answered yet.",
    Concern.RUN_FAILED: "A task failed on its last try, or its process was killed, perhaps for lack of memory.",
    Concern.WINDOWS_REFUSED: "The source's rows break an expectation.",
    Concern.WINDOWS_MISSING: "Airflow was not running, the run failed, or the source's rows did not come in time.",
    Concern.DRIFT: "The world, or how the source measures it, has changed.",
    Concern.PERFORMANCE: "The relation between features and label has changed, or the labels themselves have.",
    Concern.LABELS_LATE: "Whoever supplies the labels is late.",
    Concern.NO_MODEL: "The use case is new.",
    Concern.ROLLOUT_OVERDUE: "Both models are about as good, or too few windows have final labels.",
    Concern.STANDBY_NOT_READY: "The environment, the registry's file, or the source's columns have changed.",
}


@dataclass(frozen=True)
class Alert:
    """One thing to be told: what happened, where, since when, the likely cause, and what to do next.

    `key` names it within its use case, for as long as it stands. `subjects` are the windows, runs or records that it is
    about, at most the last 60 of them: with more of them it is news again. `link` is relative to the address of
    Airflow. What is `lasting` ends by itself, which is told too; the rest are events.
    """

    use_case: str
    key: str
    severity: Severity
    what: str
    where: str
    since: datetime | None
    cause: str
    next_step: str
    link: str
    subjects: tuple[str, ...] = ()
    lasting: bool = True

    @property
    def asks_people(self) -> bool:
        """Whether it is that a question to people waits for an answer."""
        return self.key.partition(":")[0] == Concern.QUESTIONS


def standing(
    spec: UseCase, recent: Recent, dags: Mapping[str, DagState], facts: Facts, now: datetime
) -> tuple[Alert, ...]:
    """Everything that stands now, the most severe first. `dags` are as Airflow sees them, {} where it was not asked."""
    found = matters.found(spec, recent, dags, now)
    alerts = [*(_of_matter(spec, matter, facts) for matter in found), *_of_events(spec, facts)]
    order = list(Severity)
    return tuple(sorted(alerts, key=lambda alert: order.index(alert.severity)))


def _of_matter(spec: UseCase, matter: Matter, facts: Facts) -> Alert:
    concern = matter.concern
    reasons = facts.reasons.get(matter.window, ()) if matter.window is not None else ()
    told = reasons if concern in (Concern.WINDOWS_REFUSED, Concern.DRIFT) else facts.of_concern.get(concern, ())
    asked = facts.question if concern is Concern.QUESTIONS and matter.run_id is not None else None
    if asked is not None:
        told = asked.shown["reasons"]
    of_dag = f":{matter.dag_id}" if concern in (Concern.RUN_FAILED, Concern.QUESTIONS) else ""
    return Alert(
        use_case=spec.name,
        key=f"{concern}{of_dag}",
        severity=SEVERITIES[concern],
        what=matter.what,
        where=_where(spec, matter),
        since=asked.recorded_at if asked is not None else matter.since,
        cause=_sentences(told) or CAUSES[concern],
        next_step=matter.to_do if asked is None else f"{matter.to_do} {_who_answers(spec, asked)}",
        link=link_of(spec.name, matter),
        subjects=matter.subjects,
    )


def _who_answers(spec: UseCase, asked: ApprovalRequest) -> str:
    """Whose answer counts, and what becomes of it without any."""
    people = "One person" if asked.approvers == 1 else f"{asked.approvers} different people"
    but = f", {asked.requester}, who asked for it, not among them" if asked.requester else ""
    within = f" within {spec.risk.answer_within / timedelta(hours=1):g} h" if spec.risk is not None else ""
    return f"{people} must approve{but}. Without an answer{within} the champion stays."


def _where(spec: UseCase, matter: Matter) -> str:
    name = spec.grid.name_of
    if matter.run_id is not None:
        return f"run {matter.run_id} of {matter.dag_id}"
    if matter.window is not None:
        return f"window {name(matter.window)}"
    if matter.first is not None:
        return f"window {matter.first}" if matter.first == matter.last else f"windows {matter.first} to {matter.last}"
    return matter.dag_id or spec.name


def link_of(use_case: str, matter: Matter) -> str:
    """The address, relative to Airflow's, of the page where the matter is seen to."""
    dag = quote(matter.dag_id or f"{use_case}.predict", safe="")
    if matter.place is Place.WINDOW and matter.window is not None:
        return f"perennial/dags/{use_case}.predict/windows/{quote(matter.window.key, safe='')}"
    if matter.place in (Place.ROLLOUT, Place.GOING_BACK):
        return f"perennial/dags/{use_case}.predict#{matter.place}"
    if matter.place is Place.BACKFILL:
        asked = urlencode({"from": matter.first or "", "to": matter.last or ""})
        return f"perennial/dags/{dag}/preview?{asked}"
    if matter.place is Place.RUN and matter.run_id is not None:
        return f"dags/{dag}/runs/{quote(matter.run_id, safe='')}"
    if matter.place is Place.QUESTIONS:
        known = matter.run_id is not None and matter.task_id is not None
        of_task = f"/runs/{quote(matter.run_id or '', safe='')}/tasks/{matter.task_id}" if known else ""
        return f"dags/{dag}{of_task}/required_actions"
    return f"dags/{dag}"


def _of_events(spec: UseCase, facts: Facts) -> Iterator[Alert]:
    judged, repairs = facts.judged, facts.repairs
    if judged is not None and judged.action == REJECT:
        dag_id, _, run_id = judged.run_id.partition("/")
        yield Alert(
            use_case=spec.name,
            key=RETRAINING_REJECTED,
            severity=SEVERITIES[RETRAINING_REJECTED],
            what="A retraining brought no better model: the champion stays.",
            where=f"run {run_id} of {dag_id}" if run_id else f"run {dag_id}",
            since=judged.recorded_at,
            cause=_sentences(judged.reasons),
            next_step="Look at the comparison; nothing has to be done while the champion is good enough.",
            link=f"dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}" if run_id else "",
            subjects=(judged.subject,),
            lasting=False,
        )
    ended = facts.ended
    if ended is not None:
        back = ended.action == ROLL_BACK
        yield Alert(
            use_case=spec.name,
            key=ROLLOUT_ENDED,
            severity=SEVERITIES[ROLLOUT_ENDED],
            what=f"Version {ended.numbers.get('challenger')} {'was rolled back' if back else 'left its roll-out'}: the "
            "champion stays.",
            where=f"{spec.name}: {stage_name(ended.numbers.get('share'))}",
            since=ended.recorded_at,
            cause=_sentences(ended.reasons),
            next_step="Check that the champion has scored its windows again." if back else "Nothing has to be done.",
            link=f"perennial/dags/{spec.name}.predict#{Place.GOING_BACK if back else 'models'}",
            subjects=(ended.subject,),
            lasting=False,
        )
    if repairs:
        yield Alert(
            use_case=spec.name,
            key=STORES_DIFFERED,
            severity=SEVERITIES[STORES_DIFFERED],
            what=f"{counted(len(repairs), 'difference')} from the ledger {_was(len(repairs))} found and repaired.",
            where=f"{spec.name}: lake, published table or registry",
            since=repairs[0].recorded_at,
            cause=_sentences([each.reason for each in repairs]),
            next_step="Find out who or what changed the store without Perennial; the ledger keeps each repair.",
            link="dags/platform.maintenance",
            subjects=tuple(str(each.id) for each in repairs),
            lasting=False,
        )


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _sentences(reasons: Sequence[str]) -> str:
    told = [each.rstrip(".") for each in reasons[:NAMED]]
    more = f"; and {counted(len(reasons) - NAMED, 'more')}".replace("mores", "more") if len(reasons) > NAMED else ""
    return f"{'; '.join(told)}{more}." if told else ""
