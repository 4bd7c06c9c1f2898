"""Retrain in one go, without Airflow: assemble, check, train every candidate, judge, deploy a winner, and show all.

Where the risk tier asks for people, nothing is deployed: only Airflow knows who answers.
"""

from dataclasses import dataclass
from datetime import datetime

from perennial.jobs.retrain import approval, assemble, check, deploy, judge, show, train
from perennial.jobs.retrain.assemble import Assembled
from perennial.jobs.retrain.deploy import Deployed
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.train import Outcome
from perennial.ports import Ports
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.spec.load import LoadedUseCase


@dataclass(frozen=True)
class Retrained:
    """What came of it; `deployed` is None when the champion stays. `awaits` says why a winner was not deployed."""

    assembled: Assembled
    judged: Judged
    deployed: Deployed | None
    awaits: str | None = None


def run(
    use_case: LoadedUseCase,
    as_of: datetime,
    ports: Ports,
    run_id: str,
    *,
    actor: str,
    reason: str,
    on_window: OnWindow = nobody,
    on_model: OnWindow = nobody,
) -> Retrained:
    """The steps of the retrain DAG, one after the other. Errors: those of the steps.

    `on_window` hears how far the training set is, `on_model` how many of the candidates, and of the judge after them,
    are done.
    """
    assembled = assemble.run(use_case, as_of, ports, run_id, on_window)
    check.run(use_case, assembled.training_id, ports, run_id)
    candidates = use_case.spec.training.candidates
    trained: list[Outcome] = []
    for candidate in candidates:
        on_model(WindowsDone(len(trained), len(candidates) + 1, assembled.rows))
        trained.append(train.run(use_case, assembled.training_id, candidate.name, ports, run_id))
    on_model(WindowsDone(len(trained), len(candidates) + 1, assembled.rows))
    judged = judge.run(use_case, assembled.training_id, trained, ports, run_id)
    awaits = approval.awaited(use_case) if judged.winner else None
    winner = None
    if judged.winner and not awaits:
        winner = deploy.run(use_case, judged, ports, run_id, actor=actor, reason=reason)
    show.run(use_case, judged, trained, ports, run_id)
    return Retrained(assembled, judged, winner, awaits)
