"""The roll-out under way, as people ask for it: which stage, since when, and its evidence so far."""

from dataclasses import dataclass
from datetime import datetime

from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ports import Ports
from perennial.records.rollout import current_stage, stage_name
from perennial.spec.models import UseCase
from perennial.wording import counted


@dataclass(frozen=True)
class WindowEvidence:
    """One final window of the stage: the metric of both models on the same `rows`, and the challenger's gain."""

    start: datetime
    champion: float | None
    challenger: float | None
    gain: float | None
    rows: int


@dataclass(frozen=True)
class RolloutState:
    """A roll-out that is under way.

    `sentence` says all in one: "shadow since 3 March, 9 of about 20 windows". `share` is the challenger's percentage of
    rows, 0 in the shadow; `shares` are all stages. `about` is how many windows the stage will probably take, None where
    that can't be told. `decision` is the last about this stage, None before the first. `windows` are the last that are
    final.
    """

    challenger: str
    champion: str | None
    metric: str
    share: int
    shares: tuple[int, ...]
    since: datetime
    windows_final: int
    about: int | None
    sentence: str
    decision: RecordedDecision | None
    windows: tuple[WindowEvidence, ...]


MOST_WINDOWS = 30


def run(spec: UseCase, ports: Ports) -> RolloutState | None:
    """The roll-out under way; None where there is none. Errors: `StoreUnavailable`."""
    ledger = ports.ledger
    stage = current_stage(spec.name, ledger)
    if stage is None:
        return None
    champion = ledger.current_deployment(spec.name, DeployedRole.CHAMPION)
    decision = ledger.last_decisions_of([spec.name], DecisionKind.ROLLOUT).get(spec.name)
    if decision is not None and not decision.subject.startswith(f"{stage.id}/"):  # about the stage before
        decision = None
    more = decision.numbers.get("more_windows") if decision else None
    final = int(decision.numbers.get("windows", 0)) if decision else 0
    about = final + int(more) if more is not None else None
    return RolloutState(
        challenger=stage.model_version,
        champion=champion.model_version if champion else None,
        metric=spec.training.metric,
        share=stage.share or 0,
        shares=spec.rollout.shares if spec.rollout else (),
        since=stage.effective_from,
        windows_final=final,
        about=about,
        sentence=_sentence(stage, final, about),
        decision=decision,
        windows=_windows(stage, champion, decision, ports) if champion else (),
    )


def _windows(
    stage: Deployment, champion: Deployment, decision: RecordedDecision | None, ports: Ports
) -> tuple[WindowEvidence, ...]:
    if decision is None:
        return ()
    both = {"champion": champion.model_digest, "challenger": stage.model_digest}
    found = ports.ledger.gains_between(stage.use_case, stage.effective_from, decision.as_of, **both, last=MOST_WINDOWS)
    return tuple(
        WindowEvidence(each.window.start, each.champion, each.challenger, each.gain, each.rows) for each in found
    )


def _sentence(stage: Deployment, final: int, about: int | None) -> str:
    where = f"Version {stage.model_version} is in {stage_name(stage.share)} since {stage.effective_from:%Y-%m-%d %H:%M}"
    if not final:
        return f"{where} UTC. None of its windows has final labels yet."
    of = f"{final:,} of about {about:,} windows" if about is not None else counted(final, "window")
    return f"{where} UTC: {of} with final labels."
