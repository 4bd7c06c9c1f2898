"""How old rows of windows must be at least before they go, so that a use case does not starve its own work."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from perennial.spec.problems import Problem
from perennial.spec.retirement import RowClass
from perennial.spec.training import Labels, Training, in_days

# What explains, restores or judges rows stays as long as they do.
_AFTER = {
    RowClass.PREDICTIONS: (RowClass.PUBLISHED, "published rows are compared with the lake, and restored from there"),
    RowClass.LABELS: (RowClass.PREDICTIONS, "a prediction is explained with its outcome"),
}


def age_problems(
    ages: Mapping[RowClass, timedelta], labels: Labels, training: Training, open_for: timedelta
) -> list[Problem]:
    """Ages that are shorter than what scoring, measuring and retraining need, or than what is explained by the rows.

    `open_for` is how long after its end rows of a window may come.
    """
    waited = labels.mature_after + labels.give_up_after
    late = (open_for, "until then rows of a window may come late, and it is scored again")
    measured = (waited, "labels are waited for until mature_after and give_up_after have passed, and are measured then")
    learnt = (training.history, "training.history reaches so far back")
    needs = {
        RowClass.PUBLISHED: (late,),
        RowClass.PREDICTIONS: (measured, late),
        RowClass.QUARANTINE: (learnt, late),
        RowClass.LABELS: (learnt, measured),
        RowClass.RAW: (learnt, measured, late),
    }
    problems = []
    for name, age in ages.items():
        least, why = max(needs[name], key=lambda need: need[0])
        if age < least:
            text = f"is shorter than {in_days(least)}: {why}. Give at least that"
            problems.append(Problem(("retention", name.value), text))
    return [*problems, *_out_of_order(ages)]


def _out_of_order(ages: Mapping[RowClass, timedelta]) -> Iterator[Problem]:
    for name, (other, why) in _AFTER.items():
        if name not in ages:
            continue
        stays = ages.get(other)
        if stays is None or stays > ages[name]:
            kept = "for ever" if stays is None else in_days(stays)
            text = f"ends before {other.value}, which stay {kept}: {why}. Let {other.value} stay no longer"
            yield Problem(("retention", name.value), text)
