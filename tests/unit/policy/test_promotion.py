import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from perennial.judgement.candidates import CandidatesJudged, judge_candidates
from perennial.judgement.comparison import Comparison, comparison_of
from perennial.judgement.rows import Scored, Unit, Units
from perennial.judgement.slices import SliceJudgement, SlicesJudged, SliceStanding, judge_slices
from perennial.performance.gain import gain
from perennial.policy.promotion import (
    WITHOUT_SKILL,
    CandidateScore,
    Gates,
    decide_promotion,
    in_turn,
    leading,
    not_comparable,
)
from perennial.spec.training import Training
from perennial.verdict import Decision

CASES = yaml.safe_load((Path(__file__).parents[2] / "golden" / "promotion.yaml").read_text())
WINDOWS = 14


def training(metric: str, min_gain: float = 0.0, margin: float = 0.0) -> Training:
    return Training.model_validate(
        {
            "history": "P60D",
            "holdout": "P14D",
            "metric": metric,
            "min_gain": min_gain,
            "margin": margin,
            "candidates": [{"name": "trees", "estimator": "hist_gradient_boosting"}],
        }
    )


def score(values: list[Any], digest: str | None = None) -> CandidateScore:
    name, rows, metrics = values
    return CandidateScore(name, digest or f"digest of {name}", rows, metrics)


def compared(metric: str, mine: float, other: float, rows: int, error: float) -> Comparison:
    units = Units(Unit.WINDOW, np.zeros(rows, dtype=np.intp), WINDOWS, WINDOWS - 1, WINDOWS)
    return comparison_of(metric, (other, mine), gain(metric, mine, other), error, units, rows, "mean of windows")


def decided(
    recipe: Training,
    candidates: Sequence[CandidateScore],
    champion: CandidateScore | None,
    baseline: dict[str, float],
    error: float,
    slices: SlicesJudged | None = None,
) -> Decision:
    """As the judge does it, with the standard error given."""
    name, metric = champion.name if champion else WITHOUT_SKILL, recipe.metric
    judged: CandidatesJudged | str = not_comparable(recipe, candidates, champion, baseline)
    if not judged:
        other = (champion.metrics if champion else baseline)[metric]
        found = {each.name: compared(metric, each.metrics[metric], other, each.rows, error) for each in candidates}
        judged = judge_candidates(found, recipe.min_gain, recipe.margin, name)
    gates = {each.name: Gates(slices) for each in candidates[:1]}
    return decide_promotion(recipe, candidates, champion, baseline, judged, gates)


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_golden(case: dict[str, Any]) -> None:
    candidates = [score(values) for values in case["candidates"]]
    twin = candidates[0].digest if case.get("same_model") else None
    champion = score(case["champion"], twin) if "champion" in case else None
    recipe = training(case["metric"], case.get("min_gain", 0.0), case.get("margin", 0.0))
    for order in itertools.permutations(candidates):
        decision = decided(recipe, order, champion, case["baseline"], case.get("error", 0.0))
        assert decision.action == case["action"]
        assert decision.numbers["winner"] == case.get("winner")
        assert decision.numbers["winner_digest"] == (f"digest of {case['winner']}" if "winner" in case else None)
        assert decision.numbers["verdict"] == case.get("verdict")
    decision = decided(recipe, candidates, champion, case["baseline"], case.get("error", 0.0))
    if "needed" in case:
        needed = decision.numbers["needed_labels"]
        assert isinstance(needed, int)
        assert needed >= case["needed"]
        assert "not enough labels to tell" in decision.reasons[0]
        assert "labelled rows in " in decision.reasons[0]
    elif "reasons" in case:
        assert list(decision.reasons) == case["reasons"]


def test_the_numbers_hold_every_score_and_what_was_found() -> None:
    decision = decided(
        training("roc_auc", 0.125),
        [score(["trees", 300, {"roc_auc": 0.75, "brier": 0.2}]), score(["linear", 300, {"roc_auc": 0.5}])],
        score(["champion version 3", 300, {"roc_auc": 0.625}]),
        {"roc_auc": 0.5},
        error=0.02,
    )
    numbers = decision.numbers
    scores = {"trees.roc_auc": 0.75, "trees.brier": 0.2, "linear.roc_auc": 0.5, "champion version 3.roc_auc": 0.625}
    asked = {"metric": "roc_auc", "min_gain": 0.125, "margin": 0.0, "no_skill.roc_auc": 0.5}
    found = {"verdict": "better", "tested": "trees", "tested_value": 0.75, "rival_value": 0.625, "gain": 0.125}
    rows = {"rows": 300, "rows_compared": 300, "windows": 14, "unit": "window", "method": "mean of windows"}
    won = {"winner": "trees", "winner_digest": "digest of trees", "needed_labels": None, "needed_windows": None}
    for name, value in {**scores, **asked, **found, **rows, **won}.items():
        assert numbers[name] == value, name
    low, high, confidence, p_value = (numbers[name] for name in ("low", "high", "confidence", "p_value"))
    assert isinstance(low, float)
    assert isinstance(high, float)
    assert 0 < low < 0.125 < high
    assert confidence == 0.975  # of two candidates
    assert isinstance(p_value, float)
    assert p_value < 0.001
    assert decision.reasons[0].startswith("trees has ROC AUC 0.750")  # the winner first


def test_a_better_candidate_that_is_worse_for_some_is_refused_and_they_are_named() -> None:
    random = np.random.default_rng(1)
    rows, days = 4000, 20
    truth = (random.random(rows) < 0.4).astype(float)
    signal = truth + random.normal(size=rows)
    at_night = random.random(rows) < 0.3
    challenger = np.where(at_night, random.normal(size=rows), 3 * signal)
    champion = signal + random.normal(size=rows)
    scored = Scored(truth, champion, challenger, np.repeat(np.arange(days), rows // days))
    slices = judge_slices("roc_auc", scored, {"shift": np.where(at_night, "night", "day").tolist()}, {"shift": 0.02})
    assert slices.refused
    candidates = [score(["trees", rows, {"roc_auc": 0.8}])]
    against = score(["champion version 1", rows, {"roc_auc": 0.7}])
    decision = decided(training("roc_auc"), candidates, against, {"roc_auc": 0.5}, 0.01, slices)
    assert decision.action == "reject"
    assert decision.numbers["verdict"] == "better"
    assert (decision.numbers["slices"], decision.numbers["slices_worse"]) == (2, 1)
    assert decision.numbers["winner"] is None
    told = "trees is better on the whole, but worse for shift night, by more than the margin: not promoted."
    assert decision.reasons[0] == told
    assert any(each.startswith("shift night: the challenger has ROC AUC 0.") for each in decision.reasons)


def refusing() -> SlicesJudged:
    worse = SliceJudgement("shift", "night", 300, SliceStanding.WORSE, 0.02, None, 0.001, "shift night is worse.")
    return SlicesJudged((worse,), ("shift night is worse.",))


SEVERAL = [score([name, 300, {"roc_auc": value}]) for name, value in (("trees", 0.80), ("linear", 0.78), ("no", 0.5))]
AGAINST = score(["champion version 1", 300, {"roc_auc": 0.7}])


def judged_with(gates: dict[str, Gates]) -> Decision:
    found = {each.name: compared("roc_auc", each.metrics["roc_auc"], 0.7, 300, 0.01) for each in SEVERAL}
    judged = judge_candidates(found, champion="champion version 1")
    return decide_promotion(training("roc_auc"), SEVERAL, AGAINST, {"roc_auc": 0.5}, judged, gates)


def test_when_the_best_is_refused_the_next_better_one_takes_over() -> None:
    decision = judged_with({"trees": Gates(refusing()), "linear": Gates()})
    assert (decision.action, decision.numbers["winner"], decision.numbers["tested"]) == ("promote", "linear", "linear")
    assert decision.numbers["winner_digest"] == "digest of linear"
    assert decision.numbers["refused"] == "trees"
    assert decision.numbers["confidence"] == pytest.approx(1 - 0.05 / 3)  # the confidence is spent on all of them once
    assert decision.reasons[0].startswith("linear has ROC AUC 0.78")
    assert "trees is better on the whole, but worse for shift night, by more than the margin: not promoted." in (
        decision.reasons
    )
    assert any(each.startswith("linear was tried next: it is better beyond chance, too") for each in decision.reasons)
    assert "shift night is worse." in decision.reasons


def test_when_all_better_ones_are_refused_the_champion_stays() -> None:
    decision = judged_with({"trees": Gates(refusing()), "linear": Gates(refusing())})
    assert (decision.action, decision.numbers["winner"], decision.numbers["tested"]) == ("reject", None, "trees")
    assert decision.numbers["refused"] == "trees, linear"
    assert [each.partition(" is ")[0] for each in decision.reasons[:2]] == ["trees", "linear"]


def test_candidates_that_are_not_better_are_never_tried() -> None:
    found = {each.name: compared("roc_auc", each.metrics["roc_auc"], 0.7, 300, 0.01) for each in SEVERAL}
    assert in_turn(judge_candidates(found)) == ["trees", "linear"]
    assert leading(judge_candidates({"no": found["no"]}), {}) == "no"


def test_what_could_not_be_judged_is_rejected_with_the_reason() -> None:
    candidates = [score(["trees", 300, {"roc_auc": 0.8}])]
    decision = decide_promotion(training("roc_auc"), candidates, None, {"roc_auc": 0.5}, "1 outcome is 1.")
    assert (decision.action, decision.reasons) == ("reject", ("1 outcome is 1.",))
    assert (decision.numbers["verdict"], decision.numbers["winner"]) == (None, None)
