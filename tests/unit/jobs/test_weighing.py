"""Several candidates weighed at once: the best is tried first, and the next when it is refused for some."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from tests.unit.jobs.world import SPEC, START, World

from perennial.jobs.retrain.judging.decisions import Said, said
from perennial.jobs.retrain.judging.weigh import weigh
from perennial.policy.promotion import CandidateScore, decide_promotion
from perennial.records.training_set import WINDOW_COLUMN
from perennial.spec.load import load_use_case
from perennial.spec.models import UseCase
from perennial.window import Window

DAYS, ROWS = 14, 300
CHAMPION = CandidateScore("champion version 1", "digest", DAYS * ROWS, {"roc_auc": 0.7})


@pytest.fixture
def spec(world: World) -> UseCase:
    lines = "metric: roc_auc\n  slices: {columns: [service], margin: 0.02}\n  fairness: {columns: [service]}"
    (world.use_case.folder / "use_case.yaml").write_text(SPEC.replace("metric: roc_auc", lines))
    return load_use_case(world.use_case.folder).spec


def holdout() -> tuple[pa.Table, np.ndarray, np.ndarray, np.ndarray]:
    """The rows, who was sent by air, a signal of the outcome, and noise."""
    random = np.random.default_rng(4)
    n = DAYS * ROWS
    days = [Window(START + timedelta(days=day), START + timedelta(days=day + 1)).key for day in range(DAYS)]
    late, air = random.random(n) < 0.4, random.random(n) < 0.3
    rows = pa.table(
        {
            "parcel": np.arange(n),
            "service": np.where(air, "air", "road"),
            "late": late,
            WINDOW_COLUMN: np.repeat(days, ROWS).tolist(),
        }
    )
    return rows, air, late * 2.0 + random.normal(size=n), random.normal(size=n)


def chance(score: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(1 - score)))


def test_the_next_better_candidate_wins_when_the_best_is_worse_for_some(spec: UseCase) -> None:
    rows, air, signal, noise = holdout()
    says = {
        "champion version 1": chance(signal + 2 * noise),
        "blind": chance(np.where(air, 3 * noise, 20 * signal)),  # the best on the whole, and none at all by air
        "fair": chance(signal + 1.6 * noise),
        "useless": chance(noise),
    }
    found = {name: said(spec, rows, predictions, None) for name, predictions in says.items()}
    tested = {name: each for name, each in found.items() if not name.startswith("champion")}
    weighed = weigh(spec, rows, tested, CHAMPION.name, found[CHAMPION.name])
    assert not isinstance(weighed.judged, str)
    assert weighed.judged.winner == "blind"
    assert [(name, each.refused) for name, each in weighed.gates.items()] == [("blind", True), ("fair", False)]
    assert weighed.evidence is not None
    assert weighed.evidence.tested == "fair"
    assert weighed.evidence.fairness == weighed.gates["fair"].fairness
    scores = [CandidateScore(name, f"digest of {name}", len(air), {"roc_auc": 0.8}) for name in tested]
    decision = decide_promotion(spec.training, scores, CHAMPION, {"roc_auc": 0.5}, weighed.judged, weighed.gates)
    assert (decision.action, decision.numbers["winner"], decision.numbers["refused"]) == ("promote", "fair", "blind")
    assert any(each.startswith("blind is better on the whole, but worse for service air") for each in decision.reasons)
    assert any(each.startswith("service air: blind has ROC AUC") for each in decision.reasons)


def test_a_regression_has_no_decisions(spec: UseCase) -> None:
    values = spec.model_copy(update={"task": "regression"})
    rows, _, signal, _ = holdout()
    assert said(values, rows, signal, None) == Said(signal)
