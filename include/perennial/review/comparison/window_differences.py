"""What of two windows is different enough to be told, in sentences, the most important first."""

from collections.abc import Iterator
from dataclasses import dataclass

from perennial.review.comparison.checks import CheckCompared, RuleCompared
from perennial.review.comparison.columns import LEAST_WEIGHT, NOTICEABLE, ColumnCompared
from perennial.review.comparison.difference import Difference, Rank, ranked
from perennial.review.comparison.metrics import MetricCompared
from perennial.review.comparison.window_side import SchemaChange, WindowSide
from perennial.review.timeline import WindowState
from perennial.verdict import RETRAIN, Verdict
from perennial.wording import counted

FEW_ROWS = 0.2  # a change of the number of rows that is told
FEW_ORDINARY = 5  # columns that moved no more than between ordinary windows are told, too


@dataclass(frozen=True)
class Found:
    """What was found in detail, each about both windows; `deciding` names the metric that models are judged by.

    Other metrics are not told: log loss, Brier score and PR AUC move with the share of outcomes, however good a model.
    """

    schema: SchemaChange | None
    checks: tuple[CheckCompared, ...]
    rules: tuple[RuleCompared, ...]
    columns: tuple[ColumnCompared, ...]
    metrics: tuple[MetricCompared, ...]
    deciding: str


def differences(before: WindowSide, after: WindowSide, found: Found) -> tuple[Difference, ...]:
    """The differences that a person should hear of, the most important first."""
    return ranked(
        [
            *_outcomes(before, after),
            *_of_schema(after.name, found.schema),
            *_of_drift(before, after),
            *_of_metrics(before, after, found.metrics, found.deciding),
            *_of_columns(before, after, found.columns),
            *_of_checks(before, after, found.checks, found.rules),
            *_of_rows(before, after),
        ]
    )


def _outcomes(before: WindowSide, after: WindowSide) -> Iterator[Difference]:
    became = _became(before.state), _became(after.state)
    if became[0] != became[1]:
        yield Difference(Rank.OUTCOME, f"{before.name} {became[0]}; {after.name} {became[1]}.", "validation")
    elif before.state.validation != after.state.validation:
        words = _VALIDATION[before.state.validation], _VALIDATION[after.state.validation]
        yield Difference(Rank.CHECKS, f"{before.name} {words[0]}; {after.name} {words[1]}.", "validation", 1.0)
    if before.state.scored and after.state.scored and before.state.model_version != after.state.model_version:
        said = f"{before.name} was scored by version {before.state.model_version}, {after.name} by version "
        yield Difference(Rank.MADE_OF, f"{said}{after.state.model_version}.", "predictions")
    actions = [{each.kind: each.action for each in side.decisions} for side in (before, after)]
    for kind in sorted(actions[0].keys() & actions[1].keys()):
        if actions[0][kind] != actions[1][kind]:
            said = f"The decision to {kind.replace('_', ' ')} was {actions[0][kind]} after {before.name}"
            rank = Rank.OUTCOME if RETRAIN in (actions[0][kind], actions[1][kind]) else Rank.DECISION
            yield Difference(rank, f"{said} and {actions[1][kind]} after {after.name}.", "decisions")


def _became(state: WindowState) -> str:
    if state.scored:
        return "was scored"
    if state.validation is Verdict.FAIL:
        return "was refused by validation"
    if state.missing:
        return "is missing"
    if state.empty:
        return "had no rows"
    return "was not scored"


def _of_schema(after: str, schema: SchemaChange | None) -> Iterator[Difference]:
    if schema is None:
        return
    for names, said in (
        (schema.gone, f"{after} lacks columns: "),
        (schema.changed, f"In {after}, columns are of another kind: "),
        (schema.new, f"{after} has new columns: "),
    ):
        if names:
            yield Difference(Rank.COLUMNS, f"{said}{', '.join(names)}.", "rows", len(names))


def _of_drift(before: WindowSide, after: WindowSide) -> Iterator[Difference]:
    drifted = [side.name for side in (before, after) if side.state.drift is Verdict.FAIL]
    if len(drifted) == 1 and before.state.drift and after.state.drift:
        calm = after.name if drifted[0] == before.name else before.name
        yield Difference(
            Rank.DRIFT, f"{drifted[0]} drifted from what its model considers normal; {calm} did not.", "drift"
        )


def _of_metrics(
    before: WindowSide, after: WindowSide, metrics: tuple[MetricCompared, ...], deciding: str
) -> Iterator[Difference]:
    for each in metrics:
        if each.name == deciding and each.told_apart and each.difference is not None:
            said = f"{each.name} is {abs(each.difference):.3g} {'higher' if each.difference > 0 else 'lower'}"
            reach = f"95% interval of the difference {each.low:.3g} to {each.high:.3g}"
            better = "better" if each.better else "worse"
            text = f"{after.name} has {better} predictions than {before.name}: {said} ({reach})."
            yield Difference(Rank.PERFORMANCE, text, "performance", abs(each.difference))


def _of_columns(before: WindowSide, after: WindowSide, compared: tuple[ColumnCompared, ...]) -> Iterator[Difference]:
    ordinary = 0
    for each in compared:
        noticed = each.moved is not None and each.moved >= NOTICEABLE
        if noticed and (each.stands_out or ordinary < FEW_ORDINARY):
            rank = Rank.VALUES if each.stands_out else Rank.ORDINARY
            ordinary += not each.stands_out
            said = f"{each.name}: {each.moved:.0%} of rows moved to other values{_unusual(each)}{_means(each)}."
            yield Difference(rank, said, "columns", each.weight)
        change = each.missing_change
        if each.missing_stands_out and change is not None and each.before and each.after:
            said = f"{each.name} is missing in {each.after.missing:.1%} of {after.name}"
            size = abs(change) * max(each.importance or 0.0, LEAST_WEIGHT)
            yield Difference(Rank.VALUES, f"{said}, {each.before.missing:.1%} of {before.name}.", "columns", size)


def _unusual(column: ColumnCompared) -> str:
    if column.share_closer is None:
        return f", chance alone moves {column.by_chance:.0%}" if column.by_chance is not None else ""
    if column.stands_out:
        return f", further apart than {column.share_closer:.0%} of pairs of ordinary windows"
    return f" ({column.share_closer:.0%} of pairs of ordinary windows are less far apart)"


def _means(column: ColumnCompared) -> str:
    one, other = column.before, column.after
    if one is None or other is None or one.mean is None or other.mean is None:
        return ""
    return f"; the mean is {other.mean:.4g} after {one.mean:.4g}"


def _of_checks(
    before: WindowSide, after: WindowSide, found: tuple[CheckCompared, ...], caught: tuple[RuleCompared, ...]
) -> Iterator[Difference]:
    for check in found:
        if check.changed:
            said = f"Check {check.name}: {check.before} in {before.name}, {check.after} in {after.name}."
            yield Difference(Rank.CHECKS, said, "validation", 0.5)
    for rule in caught:
        if rule.before is not None and rule.after is not None and rule.before != rule.after:
            said = f"{rule.rule} caught {counted(rule.before, 'row')} of {before.name} and {counted(rule.after, 'row')}"
            size = abs(rule.after - rule.before) / max(rule.after, rule.before) / 2
            yield Difference(Rank.CHECKS, f"{said} of {after.name}.", "validation", size)


def _of_rows(before: WindowSide, after: WindowSide) -> Iterator[Difference]:
    if before.snapshot is None or after.snapshot is None or not before.snapshot.rows:
        return
    change = after.snapshot.rows / before.snapshot.rows - 1
    if abs(change) >= FEW_ROWS:
        said = f"{after.name} has {abs(change):.0%} {'more' if change > 0 else 'fewer'} rows than {before.name}"
        text = f"{said}: {after.snapshot.rows:,} instead of {before.snapshot.rows:,}."
        yield Difference(Rank.ROWS, text, "rows", abs(change))


_VALIDATION = {
    None: "was not validated",
    Verdict.PASS: "passed validation",
    Verdict.WARN: "passed validation with warnings",
    Verdict.FAIL: "was refused by validation",
    Verdict.INSUFFICIENT: "had too little to be validated",
}
