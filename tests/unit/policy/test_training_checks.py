import pytest
from pydantic import ValidationError

from perennial.policy.training_checks import CheckFailure, LabelCounts, label_problems, leakage_problems
from perennial.spec.training_checks import TrainingChecks


@pytest.mark.parametrize(
    ("checks", "parts", "failures"),
    [
        ({}, [("training part", 100, 10), ("holdout", 100, 90)], []),
        ({}, [("training part", 100, 9)], [CheckFailure.CLASS_BALANCE]),
        ({}, [("training part", 100, 91)], [CheckFailure.CLASS_BALANCE]),
        ({"min_class_rows": 30}, [("training part", 100, 40), ("holdout", 100, 29)], [CheckFailure.CLASS_BALANCE]),
        ({"label_rate": [0.2, 0.4]}, [("training part", 100, 20), ("holdout", 100, 20)], []),
        ({"label_rate": [0.2, 0.4]}, [("training part", 100, 15), ("holdout", 100, 20)], [CheckFailure.LABEL_RATE]),
        ({"label_rate": [0.2, 0.4]}, [("training part", 100, 60), ("holdout", 100, 30)], [CheckFailure.LABEL_RATE]),
    ],
)
def test_labels(checks: dict, parts: list[tuple[str, int, int]], failures: list[CheckFailure]) -> None:
    found = label_problems(TrainingChecks.model_validate(checks), [LabelCounts(*each) for each in parts])
    assert [each.failure for each in found] == failures


def test_texts_say_what_was_found_and_what_to_do() -> None:
    checks = TrainingChecks(min_class_rows=5, label_rate=(0.3, 0.6))
    balance, rate = label_problems(checks, [LabelCounts("holdout", 1_000, 4)])
    assert balance.text.startswith(
        "The holdout has 4 positive rows of 1,000; training.checks.min_class_rows asks for 5."
    )
    assert rate.text.startswith("0.4% of 1,000 labels are positive; training.checks.label_rate allows 30.0% to 60.0%.")


def test_a_column_that_leaks_is_a_problem_until_it_is_allowed() -> None:
    leaking = {"fare": "ROC AUC 0.998"}
    (problem,) = leakage_problems("flights", leaking, {})
    assert (problem.failure, problem.column) == (CheckFailure.LEAKAGE, "fare")
    assert "fare alone predicts the holdout nearly perfectly (ROC AUC 0.998)" in problem.text
    assert 'perennial allow-feature flights fare --reason "…"' in problem.text
    assert leakage_problems("flights", leaking, {"weight": "allowed by ada: known"}) == [problem]
    assert leakage_problems("flights", leaking, {"fare": "allowed by ada: known"}) == []


@pytest.mark.parametrize("bounds", [[0.4, 0.2], [0.2, 0.2], [-0.1, 0.5], [0.5, 1.5]])
def test_bounds_that_make_no_sense_are_refused(bounds: list[float]) -> None:
    with pytest.raises(ValidationError, match="two shares from 0 to 1"):
        TrainingChecks.model_validate({"label_rate": bounds})
