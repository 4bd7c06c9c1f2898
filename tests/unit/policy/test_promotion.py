import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.policy.promotion import CandidateScore, decide_promotion
from perennial.spec.training import Training

CASES = yaml.safe_load((Path(__file__).parents[2] / "golden" / "promotion.yaml").read_text())


def training(metric: str, min_gain: float = 0.0) -> Training:
    return Training.model_validate(
        {
            "history": "P60D",
            "holdout": "P14D",
            "metric": metric,
            "min_gain": min_gain,
            "candidates": [{"name": "trees", "estimator": "hist_gradient_boosting"}],
        }
    )


def score(values: list[Any], digest: str | None = None) -> CandidateScore:
    name, rows, metrics = values
    return CandidateScore(name, digest or f"digest of {name}", rows, metrics)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_golden(case: dict[str, Any]) -> None:
    candidates = [score(values) for values in case["candidates"]]
    twin = candidates[0].digest if case.get("same_model") else None
    champion = score(case["champion"], twin) if "champion" in case else None
    recipe = training(case["metric"], case.get("min_gain", 0.0))
    for order in itertools.permutations(candidates):
        decision = decide_promotion(recipe, order, champion, case["baseline"])
        assert decision.action == case["action"]
        assert decision.numbers["winner"] == case.get("winner")
        assert decision.numbers["winner_digest"] == (f"digest of {case['winner']}" if "winner" in case else None)
    decision = decide_promotion(recipe, candidates, champion, case["baseline"])
    assert decision.reasons == (case["reason"],)


def test_the_numbers_hold_every_score_and_the_gain() -> None:
    decision = decide_promotion(
        training("roc_auc", 0.125),
        [score(["trees", 300, {"roc_auc": 0.75, "brier": 0.2}]), score(["linear", 300, {"roc_auc": 0.5}])],
        score(["champion version 3", 300, {"roc_auc": 0.625}]),
        {"roc_auc": 0.5},
    )
    assert decision.numbers == {
        "metric": "roc_auc",
        "min_gain": 0.125,
        "gain": 0.125,
        "rows": 300,
        "winner": "trees",
        "winner_digest": "digest of trees",
        "trees.roc_auc": 0.75,
        "trees.brier": 0.2,
        "linear.roc_auc": 0.5,
        "champion version 3.roc_auc": 0.625,
        "no_skill.roc_auc": 0.5,
    }
