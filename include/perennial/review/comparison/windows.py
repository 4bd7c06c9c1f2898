"""Two windows side by side: what came in, what was checked, how values moved, and how good the predictions were."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from perennial.errors import NotIngested, NotValidated
from perennial.ledger.entries import Performance
from perennial.ports import Ports
from perennial.review import validation
from perennial.review.comparison.checks import CheckCompared, RuleCompared, checks, rules
from perennial.review.comparison.columns import ColumnCompared, columns
from perennial.review.comparison.difference import Difference, sentence
from perennial.review.comparison.metrics import MetricCompared, of_separate_samples
from perennial.review.comparison.profiles import profiled
from perennial.review.comparison.window_differences import Found, differences
from perennial.review.comparison.window_side import SchemaChange, WindowSide, recorded_of, schema_change, side_of
from perennial.review.validation import ValidationReport
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


@dataclass(frozen=True)
class WindowsCompared:
    """Two windows. `sentence` says the most important of the `differences`, which are ranked.

    `columns` are counted in the bins of version `bins_of`; `remarks` say what could not be compared, and why.
    """

    use_case: str
    title: str
    before: WindowSide
    after: WindowSide
    sentence: str
    differences: tuple[Difference, ...]
    schema: SchemaChange | None
    checks: tuple[CheckCompared, ...]
    rules: tuple[RuleCompared, ...]
    columns: tuple[ColumnCompared, ...]
    bins_of: str | None
    deciding_metric: str
    metrics: tuple[MetricCompared, ...]
    remarks: tuple[str, ...]
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, before: Window, after: Window, now: datetime, ports: Ports) -> WindowsCompared:
    """Compare what is on record about two windows. Errors: `StoreUnavailable`."""
    spec = use_case.spec
    reports = _validation(use_case, before, ports), _validation(use_case, after, ports)
    recorded = recorded_of(use_case, before, ports), recorded_of(use_case, after, ports)
    sides = (
        side_of(use_case, before, recorded[0], reports[0], now, ports),
        side_of(use_case, after, recorded[1], reports[1], now, ports),
    )
    values = profiled(use_case, *recorded, ports)
    schema = schema_change(sides[0].snapshot, sides[1].snapshot)
    compared = columns(values.before, values.after, values.reference, values.drift)
    all_checks, all_rules = checks(*reports), rules(*reports)
    metrics = _metrics(sides[0].performance, sides[1].performance)
    found = differences(*sides, Found(schema, all_checks, all_rules, compared, metrics, spec.training.metric))
    return WindowsCompared(
        use_case=spec.name,
        title=spec.title,
        before=sides[0],
        after=sides[1],
        sentence=sentence(found, f"Nothing is out of the ordinary between {sides[0].name} and {sides[1].name}."),
        differences=found,
        schema=schema,
        checks=all_checks,
        rules=all_rules,
        columns=compared,
        bins_of=values.model_version,
        deciding_metric=spec.training.metric,
        metrics=metrics,
        remarks=values.remarks,
    )


def _validation(use_case: LoadedUseCase, window: Window, ports: Ports) -> ValidationReport | None:
    try:
        return validation.run(use_case, window, ports)
    except (NotIngested, NotValidated):
        return None


def _metrics(before: Performance | None, after: Performance | None) -> tuple[MetricCompared, ...]:
    empty: dict[str, float] = {}
    return of_separate_samples(
        before.metrics if before else empty,
        before.intervals if before else {},
        after.metrics if after else empty,
        after.intervals if after else {},
    )
