"""The gauges about windows: the last ones together, and the last that was scored with its rows and times."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from perennial.jobs.upkeep.gaps import STILL_RUNNING
from perennial.performance.maturity import Maturity
from perennial.review import matters
from perennial.review.timeline import WindowState
from perennial.telemetry.catalogue import MOST_COLUMNS
from perennial.telemetry.facts import Facts
from perennial.telemetry.samples import Sample, at, states
from perennial.verdict import Verdict

SCORED, SCORED_LATE, REFUSED, EMPTY, MISSING, NOT_SCORED = (
    *("scored", "scored_late", "refused", "empty", "missing", "not_scored"),
)
STATES = (SCORED, SCORED_LATE, REFUSED, EMPTY, MISSING, NOT_SCORED)
STEPS = ("ingest", "validate", "score", "monitor")
RECORDS = dict(zip(STEPS, ("snapshots", "validations", "batches", "drift_reports"), strict=True))


def samples(facts: Facts) -> Iterator[Sample]:
    """All of them, of a use case."""
    name, windows = facts.spec.name, facts.recent.windows
    yield Sample("windows_missing", (name,), len(matters.missing(facts.recent)))
    became = Counter(_state(each, facts) for each in windows)
    yield from (Sample("recent_windows", (name, state), became[state]) for state in STATES)
    yield Sample("recent_windows_drifted", (name,), sum(each.drift is Verdict.FAIL for each in windows))
    overdue = sum(each.maturity is Maturity.OVERDUE for each in windows)
    yield Sample("recent_windows_labels_overdue", (name,), overdue)
    aside = sum(each.rows_quarantined or 0 for each in windows)
    yield Sample("recent_rows", (name, "clean"), sum(each.rows or 0 for each in windows) - aside)
    yield Sample("recent_rows", (name, "quarantined"), aside)
    yield Sample("recent_rows_late", (name,), sum(each.rows_late for each in windows))
    yield from _verdicts(name, windows)
    yield from _last_scored(facts)


def _state(window: WindowState, facts: Facts) -> str:
    if window.scored:
        spec, first = facts.spec, facts.first_scored.get(window.window)
        until = spec.deadline(window.window) or spec.due(window.window)
        return SCORED_LATE if first is not None and first > until + STILL_RUNNING else SCORED
    if window.validation is Verdict.FAIL:
        return REFUSED
    if window.empty:
        return EMPTY
    return MISSING if window.missing or window.window in facts.recent.missing else NOT_SCORED


def _verdicts(name: str, windows: Sequence[WindowState]) -> Iterator[Sample]:
    for check in ("validation", "drift", "performance"):
        told: list[Verdict] = [verdict for each in windows if (verdict := getattr(each, check)) is not None]
        if told:
            yield from states("last_verdict", (name, check), Verdict, told[-1])


def _last_scored(facts: Facts) -> Iterator[Sample]:
    name, last = facts.spec.name, facts.last
    if last is None:
        return
    recorded = {step: last.recorded[table] for step, table in RECORDS.items() if table in last.recorded}
    yield at("last_scored_window_end_timestamp_seconds", last.window.end, name)
    yield at("last_scored_timestamp_seconds", recorded["score"], name)
    delay = recorded["score"] - facts.spec.due(last.window)
    yield Sample("last_scored_delay_seconds", (name,), max(delay, timedelta(0)).total_seconds())
    yield Sample("last_scored_rows", (name,), last.rows)
    for before, step in pairwise(STEPS):
        if before in recorded and step in recorded:
            took = (recorded[step] - recorded[before]).total_seconds()
            yield Sample("last_scored_step_seconds", (name, step), max(took, 0.0))
    for column, p_value in sorted(last.p_values.items())[:MOST_COLUMNS]:
        yield Sample("drift_column_p_value", (name, column), p_value)
    monitored = [each.drift_p_value for each in facts.recent.windows if each.drift is not None]
    if monitored and monitored[-1] is not None:
        yield Sample("drift_p_value", (name,), monitored[-1])
