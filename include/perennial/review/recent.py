"""The last windows of several use cases, and which are missing: asked in questions whose number is always the same."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from perennial.jobs.upkeep.gaps import expected_since, windows_in
from perennial.ledger.entries import DecisionKind, RecordedDecision
from perennial.ledger.parts.overview import Champions, Span, WindowFacts
from perennial.ledger.port import Ledger
from perennial.performance.standing import standing_of
from perennial.records.rollout import NOT_READY
from perennial.review.timeline import WindowState
from perennial.spec.models import UseCase
from perennial.spec.rollout import has_stages, keeps_standby
from perennial.verdict import HOLD
from perennial.window import Grid, Window


@dataclass(frozen=True)
class Recent:
    """A use case's champion, its last windows up to the last that was read, oldest first, and all that are missing.

    A window is missing that should have been scored by now, was not, and is not known to be empty. Estimates of the
    windows are left out. `overdue` is the last decision about a roll-out that waits for a person, and `not_ready` the
    last one about the version that stands by, where that can't take over.
    """

    champion: Champions | None
    windows: tuple[WindowState, ...]
    missing: tuple[Window, ...]
    overdue: RecordedDecision | None = None
    not_ready: RecordedDecision | None = None


def run(specs: Sequence[UseCase], now: datetime, ledger: Ledger, count: int) -> dict[str, Recent]:
    """Each use case with at most `count` windows, by name. Errors: `StoreUnavailable`."""
    names = [spec.name for spec in specs]
    last, champions = ledger.last_ingested_of(names), ledger.champions_of(names)
    shown = {spec.name: _last_windows(spec, last[spec.name].end, count) for spec in specs if spec.name in last}
    expected = {
        spec.name: ends
        for spec in specs
        if (known := champions.get(spec.name)) and (ends := expected_since(spec, now, known.first_from))
    }
    spans = [
        Span(spec.name, windows[0].start, windows[-1].end, spec.training.metric)
        for spec in specs
        if (windows := shown.get(spec.name))
    ]
    due = [Span(name, *ends) for name, ends in expected.items()]
    facts, gaps, empty = ledger.facts_of(spans), ledger.unscored_of(due), ledger.noted_empty_of(_around(spans, due))
    overdue, not_ready = _overdue(specs, ledger), _not_ready(specs, champions, ledger)
    found = {}
    for spec in specs:
        name = spec.name
        by_window = _ByWindow(spec, champions.get(name), expected.get(name), empty.get(name, frozenset()))
        told = {each.window: each for each in facts.get(name, ())}
        states = tuple(by_window.state(told.get(window) or WindowFacts(window)) for window in shown.get(name, ()))
        missing = windows_in(spec.grid, gaps.get(name, ()), by_window.empty)
        found[name] = Recent(by_window.champion, states, tuple(missing), overdue.get(name), not_ready.get(name))
    return found


def _overdue(specs: Sequence[UseCase], ledger: Ledger) -> dict[str, RecordedDecision]:
    """The last decisions about stages under way, where they say that a person is asked; nothing is asked without such.

    A decision that was followed by another stage is over.
    """
    names = [spec.name for spec in specs if has_stages(spec.rollout)]
    if not names:
        return {}
    stages = ledger.challengers_of(names)
    said = ledger.last_decisions_of([name for name, each in stages.items() if each.in_rollout], DecisionKind.ROLLOUT)
    of_stage = {name: each for name, each in said.items() if each.subject.startswith(f"{stages[name].id}/")}
    return {name: each for name, each in of_stage.items() if each.action == HOLD and each.numbers.get("overdue")}


def _not_ready(
    specs: Sequence[UseCase], champions: Mapping[str, Champions], ledger: Ledger
) -> dict[str, RecordedDecision]:
    """The last trials of who stands by beside the present champion, where they failed."""
    names = [spec.name for spec in specs if keeps_standby(spec.rollout) and spec.name in champions]
    if not names:
        return {}
    said = ledger.last_decisions_of(names, DecisionKind.STANDBY)
    of_champion = {n: each for n, each in said.items() if each.numbers.get("champion") == champions[n].version}
    return {name: each for name, each in of_champion.items() if each.action == NOT_READY}


def _last_windows(spec: UseCase, until: datetime, count: int) -> tuple[Window, ...]:
    end = spec.grid.containing(until).start  # windows of an earlier schedule may end elsewhere
    return _last_between(spec.grid, spec.start, min(end, spec.end or end), count)


@lru_cache(maxsize=256)  # the same from one page to the next, and for all use cases of one rhythm
def _last_between(grid: Grid, start: datetime, end: datetime, count: int) -> tuple[Window, ...]:
    return tuple(grid.between(max(start, grid.back(end, count)), end)) if end > start else ()


def _around(*spans: Iterable[Span]) -> list[Span]:
    """One span of each use case, from the first start to the last end."""
    around: dict[str, Span] = {}
    for span in (each for part in spans for each in part):
        known = around.get(span.use_case, span)
        around[span.use_case] = Span(span.use_case, min(known.start, span.start), max(known.end, span.end))
    return list(around.values())


@dataclass(frozen=True)
class _ByWindow:
    spec: UseCase
    champion: Champions | None
    expected: tuple[datetime, datetime] | None
    empty: frozenset[Window]

    def state(self, facts: WindowFacts) -> WindowState:
        window, scored = facts.window, facts.revision is not None
        metric, most = self.spec.training.metric, self.spec.monitoring.max_metric_loss
        of_version = self.champion.metrics.get(facts.model_version or "", {}) if self.champion else {}
        at_deployment = of_version.get(metric) if facts.value is not None else None
        due = self.expected is not None and self.expected[0] <= window.start and window.end <= self.expected[1]
        return WindowState(
            window=window,
            validation=facts.validation,
            drift=facts.drift,
            drift_p_value=facts.drift_p_value,
            performance=facts.performance,
            maturity=facts.maturity,
            value=facts.value,
            low=facts.low,
            high=facts.high,
            completeness=facts.completeness,
            rows=facts.rows,
            rows_quarantined=facts.rows_quarantined,
            rows_late=facts.rows_late,
            model_version=facts.model_version,
            revision=facts.revision,
            run_id=facts.run_id,
            recorded_at=facts.recorded_at,
            missing=due and facts.validation is None and not scored and window not in self.empty,
            empty=window in self.empty and not scored,
            expected=at_deployment,
            challenger=facts.challenger,
            challenger_share=facts.challenger_share,
            standing=standing_of(metric, at_deployment, (facts.value, facts.low, facts.high), most),
        )
