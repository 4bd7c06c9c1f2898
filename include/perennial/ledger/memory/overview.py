"""What a page over all use cases asks of the ledger in memory: the same as of one use case, one after the other."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from perennial.ledger import rules
from perennial.ledger.entries import IN_SERVICE, DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.ledger.entries.rollout import challengers_share
from perennial.ledger.parts.overview import REMEMBERED, Champions, Span, WindowFacts
from perennial.ledger.port import Ledger
from perennial.window import Window


class InMemoryOverview:
    """The part of `InMemoryLedger` that answers about several use cases at once."""

    def last_ingested_of(self: Ledger, use_cases: Sequence[str]) -> Mapping[str, Window]:
        """The last window of each use case that has a snapshot."""
        found = {name: self.last_ingested(name) for name in use_cases}
        return {name: window for name, window in found.items() if window is not None}

    def champions_of(self: Ledger, use_cases: Sequence[str]) -> Mapping[str, Champions]:
        """The champions of each use case."""
        found = {}
        for name in use_cases:
            champions = [entry for entry in self.deployments(name) if entry.role is DeployedRole.CHAMPION]
            if champions:
                last = champions[-1]
                found[name] = Champions(
                    first_from=champions[0].effective_from,
                    version=last.model_version,
                    effective_from=last.effective_from,
                    recorded_at=rules.recorded_at(last),
                    metrics={
                        e.model_version: {**e.metrics, **e.training.get(IN_SERVICE, {})}
                        for e in champions[-REMEMBERED:]
                    },
                )
        return found

    def challengers_of(self: Ledger, use_cases: Sequence[str]) -> Mapping[str, Deployment]:
        """The entry recorded last for the challenger's role of each use case."""
        found = {name: self.current_deployment(name, DeployedRole.CHALLENGER) for name in use_cases}
        return {name: entry for name, entry in found.items() if entry is not None}

    def last_decisions_of(self: Ledger, use_cases: Sequence[str], kind: DecisionKind) -> Mapping[str, RecordedDecision]:
        """Of each use case the decision of the kind with the latest `as_of`."""
        found = {name: self.decisions(name, kind) for name in use_cases}
        return {
            name: max(each, key=lambda decision: (decision.as_of, rules.recorded_order(decision)))
            for name, each in found.items()
            if each
        }

    def facts_of(self: Ledger, spans: Sequence[Span]) -> Mapping[str, Sequence[WindowFacts]]:
        """The windows of each span that have any record but a snapshot, by window."""
        found = {span.use_case: _facts_of(self, span) for span in spans}
        return {name: facts for name, facts in found.items() if facts}

    def unscored_of(self: Ledger, spans: Sequence[Span]) -> Mapping[str, Sequence[tuple[datetime, datetime]]]:
        """The intervals that no scored window covers, of each use case that has such."""
        asked = [span for span in spans if span.start < span.end]
        found = {span.use_case: self.unscored_between(span.use_case, span.start, span.end) for span in asked}
        return {name: intervals for name, intervals in found.items() if intervals}

    def noted_empty_of(self: Ledger, spans: Sequence[Span]) -> Mapping[str, frozenset[Window]]:
        """The windows of each span that are known to be empty."""
        found = {span.use_case: self.windows_noted_empty(span.use_case, span.start, span.end) for span in spans}
        return {name: windows for name, windows in found.items() if windows}


def _facts_of(ledger: Ledger, span: Span) -> list[WindowFacts]:
    ends = (span.use_case, span.start, span.end)
    facts: dict[Window, WindowFacts] = {}

    def add(window: Window, **known: object) -> None:
        facts[window] = replace(facts.get(window, WindowFacts(window)), **known)  # type: ignore[arg-type]

    for verdict in ledger.validations_between(*ends):
        add(
            verdict.window,
            validation=verdict.verdict,
            rows=verdict.rows,
            rows_quarantined=verdict.rows_quarantined,
            run_id=verdict.run_id,
            recorded_at=verdict.recorded_at,
        )
    for batch in ledger.batches_between(*ends):
        challenger, share = challengers_share(batch.parts, batch.rows)
        add(
            batch.window,
            revision=batch.revision,
            model_version=batch.model_version,
            challenger=challenger,
            challenger_share=share,
        )
        _by_the_later(facts, batch.window, batch.run_id, rules.recorded_at(batch))
    for report in ledger.drift_between(*ends):
        add(report.window, drift=report.verdict, drift_p_value=report.p_value)
        _by_the_later(facts, report.window, report.run_id, rules.recorded_at(report))
    for measured in ledger.performance_between(*ends):
        interval = measured.intervals.get(span.metric, {})
        add(
            measured.window,
            performance=measured.verdict,
            maturity=measured.maturity,
            completeness=measured.completeness,
            value=measured.metrics.get(span.metric),
            low=interval.get("low"),
            high=interval.get("high"),
        )
    for late in ledger.late_rows_between(*ends):
        before = facts.get(late.window, WindowFacts(late.window)).rows_late
        add(late.window, rows_late=before + late.new + late.gone + late.changed)
    return [facts[window] for window in sorted(facts)]


def _by_the_later(facts: dict[Window, WindowFacts], window: Window, run_id: str, at: datetime) -> None:
    known = facts[window].recorded_at
    if known is None or at > known:
        facts[window] = replace(facts[window], run_id=run_id, recorded_at=at)
