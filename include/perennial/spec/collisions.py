"""Names that are each allowed, but would collide in one table or one model."""

from collections.abc import Mapping

from perennial.spec.columns import Column
from perennial.spec.fields import PUBLISHED_EVENT_TIME, SYSTEM_COLUMNS
from perennial.spec.problems import Problem
from perennial.spec.training import Labels

_OTHER_NAME = "give it another name, and say in `from` what the source calls it"


def colliding_names(columns: Mapping[str, Column], labels: Labels | None) -> list[Problem]:
    """Columns, features, the outcome and published columns whose names would collide in one table or one model."""
    problems = []
    outcomes = [(("labels", each), getattr(labels, each)) for each in ("column", "arrival_time") if labels]
    lowered: dict[str, str] = {}
    for at, name in [*((("columns", name), name) for name in columns), *outcomes]:
        other = lowered.setdefault(name.lower(), name)
        if other != name:
            text = f"differs from {other} in case alone, which the lake can't tell apart; give one of them another name"
            problems.append(Problem(at, text))
    for name, column in columns.items():
        if column.role != "key":
            continue
        if name in SYSTEM_COLUMNS:
            text = "PostgreSQL has a column of this name in every table, so no key can; " + _OTHER_NAME
            problems.append(Problem(("columns", name), text))
        if name.lower() == PUBLISHED_EVENT_TIME:
            text = "predictions are published with the event time under this name; " + _OTHER_NAME
            problems.append(Problem(("columns", name), text))
    taken = {name: name for name in columns}
    for name, column in columns.items():
        for position, part in enumerate(column.derive):
            feature = f"{name}_{part}"
            if (other := taken.setdefault(feature, name)) != name:
                what = f"the column {other}" if other == feature else f"a feature derived from {other}"
                text = f"the feature would be named {feature}, as is {what}; rename one of the columns"
                problems.append(Problem(("columns", name, "derive", position), text))
    return problems
