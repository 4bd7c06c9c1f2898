"""What is on record about a run's question to people, and how it is put to them."""

import re
from dataclasses import dataclass
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from perennial.encoding import from_json
from perennial.jobs.retrain import approval
from perennial.jobs.retrain.approval import CHAMPION_VERSION
from perennial.jobs.retrain.judge import Judged
from perennial.ledger.entries import ApprovalRequest
from perennial.performance.gain import METRIC_TITLES
from perennial.policy.promotion import text_of
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase
from perennial.verdict import LAPSE, REJECT, ApprovalAnswer
from perennial.wiring import open_ports
from perennial.wording import counted
from perennial_airflow.connections import AirflowConnections
from perennial_airflow.outcomes import airflow_outcomes
from perennial_airflow.report_link import report_link
from perennial_airflow.run import Run
from perennial_airflow.xcom import Json

MOST_REASONS = 12
_SPECIAL = re.compile(r"[\\`*_\[\]|<>#]")


@dataclass(frozen=True)
class Question:
    """`closed` says why there is nothing to answer (any more), "" where there is; `approved_by` who has approved."""

    run: str
    closed: str
    approved_by: tuple[str, ...] = ()
    request: ApprovalRequest | None = None


def question(use_case: LoadedUseCase, run: Run, judged: Json | None) -> Question:
    """What the run asks, as it stands. `judged` is what `judge` passed on.

    Errors: `AirflowFailException` when that is not what `judge` put on record.
    """
    with airflow_outcomes(use_case):
        if judged is None:
            raise AirflowFailException(f"{run.name}: `judge` has passed on no result. Clear that task.")
        found = from_json(Judged, judged)
        if found.winner is None:
            return Question(run.name, "the champion stays: there is nothing to approve")
        ledger = open_ports(Settings.from_environment(), AirflowConnections()).ledger
        request = ledger.approval_request(use_case.name, run.name)
        if request is None or request.subject != approval.subject_of(found, run.name):
            raise AirflowFailException(
                f"{run.name}: the result that `judge` passed on is not the one that it recorded, so nobody is asked "
                "and nothing is deployed. Somebody has changed its XCom, or the spec's risk tier has changed since. "
                "Clear the task `judge`."
            )
        standing = approval.standing(use_case, found, ledger, run.name)
        by = approval.approved_by(request, ledger)
        rejected = [each for each in approval.answers_to(request, ledger) if each.answer is ApprovalAnswer.REJECTED]
        if standing.action == LAPSE or (standing.action == REJECT and rejected):
            return Question(run.name, " ".join(standing.reasons), by, request)
        return Question(run.name, "", by, request)


def expire(use_case: LoadedUseCase, run: Run, place: str) -> None:
    """Put on record that nobody answered in time."""
    with airflow_outcomes(use_case):
        ledger = open_ports(Settings.from_environment(), AirflowConnections()).ledger
        approval.expire(use_case, run.name, ledger, place)


def texts(use_case: LoadedUseCase, asked: Question, number: int) -> tuple[str, str]:
    """The subject in a line, and the body in Markdown: all of it from the ledger."""
    request = asked.request
    assert request is not None, "an open question is on record"
    shown = request.shown
    dag_id, _, run_id = asked.run.partition("/")
    of = f" ({number} of {request.approvers})" if request.approvers > 1 else ""
    reasons = [f"- {_plain(each)}" for each in shown["reasons"][:MOST_REASONS]]
    rows = "\n".join(f"| {name} | {value} |" for name, value in _rows(request, asked.approved_by))
    return (
        f"{use_case.spec.title}: deploy {shown['candidate']}?{of}",
        f"**{_plain(shown['candidate'])}** would become the champion of *{_plain(use_case.spec.title)}*. "
        f"{report_link(dag_id, run_id)}: the whole comparison.\n\n"
        f"| | |\n| --- | --- |\n{rows}\n\n" + "\n".join(reasons) + "\n\n"
        "An answer needs a reason and one of the roles that may approve. An approval counts once from each person, and "
        "never from the one who asked for the retraining. Any other is refused: the page says *Access Denied*, and the "
        "API says why. "
        f"Without an answer the champion stays. Question `{request.subject[: approval.SHOWN]}`.",
    )


def _rows(request: ApprovalRequest, approved_by: tuple[str, ...]) -> list[tuple[str, str]]:
    shown = request.shown
    first = request.champion_id is None
    rival, whose = ("a prediction without skill", "without skill") if first else ("the champion", "the champion's")
    rows = [("verdict", f"{_plain(shown['verdict'])} than {rival}" if "verdict" in shown else "not on record")]
    if "gain" in shown:
        title, low, high = METRIC_TITLES[shown["metric"]], shown.get("low"), shown.get("high")
        between = (
            "" if low is None or high is None else f" ({text_of(low)} to {text_of(high)}, {shown['confidence']:.0%})"
        )
        rows.append((f"gain in {title}", f"{text_of(shown['gain'])}{between}"))
    if "tested_value" in shown:
        name = METRIC_TITLES.get(shown.get("metric", ""), "value")
        rows.append((name, f"{text_of(shown['tested_value'])}, {whose} {text_of(shown['rival_value'])}"))
    if "rows_compared" in shown:
        rows.append(
            ("compared on", f"{counted(shown['rows_compared'], 'row')} of {counted(shown['windows'], 'window')}")
        )
    if "slices" in shown:
        unknown = f", {shown['slices_not_judged']} not judged: see below" if shown.get("slices_not_judged") else ""
        worse = f"{shown['slices_worse'] or 'none'} worse by more than the margin"
        rows.append(("slices", f"{shown['slices']}, {worse}{unknown}"))
    people = "1 person" if request.approvers == 1 else f"{request.approvers} people"
    return [
        *rows,
        ("model", f"`{request.model_digest[: approval.SHOWN]}`"),
        ("instead of", _champion(request)),
        ("risk tier", f"{request.tier}: {people} must approve"),
        ("asked for by", _plain(request.requester) or "the policy"),
        *([("approved by", _plain(", ".join(approved_by)))] if approved_by else []),
    ]


def _champion(request: ApprovalRequest) -> str:
    if request.champion_id is None:
        return "none: it is the first"
    version = request.shown.get(CHAMPION_VERSION)
    return f"{f'version {version}, ' if version else ''}deployment {request.champion_id}"


def _plain(text: Any) -> str:
    """Text in which Markdown finds no link, picture, code or tag: reasons quote the data."""
    return _SPECIAL.sub(r"\\\g<0>", str(text))
