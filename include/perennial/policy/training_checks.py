"""Whether a training set may be trained on: enough of each outcome, a believable share of them, and nothing leaking."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from perennial.spec.training_checks import TrainingChecks
from perennial.wording import counted


class CheckFailure(StrEnum):
    """What a training set was refused for."""

    CLASS_BALANCE = "class balance"
    LABEL_RATE = "label rate"
    LEAKAGE = "leakage"


@dataclass(frozen=True)
class Problem:
    """One reason not to train, and what to do about it. `column` is the one that leaks."""

    failure: CheckFailure
    text: str
    column: str | None = None


@dataclass(frozen=True)
class LabelCounts:
    """The labels of one part of the training set, by its name: how many rows, and how many of them are positive."""

    part: str
    rows: int
    positive: int


def label_problems(checks: TrainingChecks, parts: Sequence[LabelCounts]) -> list[Problem]:
    """What is wrong with the labels of a classification."""
    problems = []
    for each in parts:
        rarer = min(each.positive, each.rows - each.positive)
        if rarer < checks.min_class_rows:
            name = "positive" if each.positive == rarer else "negative"
            text = (
                f"The {each.part} has {counted(rarer, f'{name} row')} of {each.rows:,}; training.checks.min_class_rows "
                f"asks for {checks.min_class_rows:,}. Lengthen training.history or training.holdout."
            )
            problems.append(Problem(CheckFailure.CLASS_BALANCE, text))
    if checks.label_rate is not None:
        low, high = checks.label_rate
        rows, positive = sum(each.rows for each in parts), sum(each.positive for each in parts)
        rate = positive / rows if rows else 0.0
        if not low <= rate <= high:
            text = (
                f"{rate:.1%} of {counted(rows, 'label')} are positive; training.checks.label_rate allows {low:.1%} to "
                f"{high:.1%}. Find out what happened to the labels, or change the bounds if the world did change."
            )
            problems.append(Problem(CheckFailure.LABEL_RATE, text))
    return problems


def leakage_problems(use_case: str, leaking: Mapping[str, str], allowed: Mapping[str, str]) -> list[Problem]:
    """Columns that alone predict the outcome nearly perfectly (with how well, in words) and that nobody allowed."""
    return [
        Problem(
            CheckFailure.LEAKAGE,
            f"{column} alone predicts the holdout nearly perfectly ({skill}), as a column does that is only known "
            "after the outcome. Take it out of the columns; or, if it is known in time, say so on the record: "
            f'perennial allow-feature {use_case} {column} --reason "…"',
            column,
        )
        for column, skill in leaking.items()
        if column not in allowed
    ]
