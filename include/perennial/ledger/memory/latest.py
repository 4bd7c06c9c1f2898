"""What the gauges ask of the ledger in memory."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from perennial.ledger import rules
from perennial.ledger.entries import (
    ApprovalRequest,
    Batch,
    DecisionKind,
    DeployedRole,
    DriftReport,
    RecordedDecision,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.memory.entries import EntriesInMemory, Windowed, inside
from perennial.ledger.parts.latest import LAST_DECISIONS, LastDecisions, LastScored, Stage, p_values
from perennial.ledger.parts.overview import Span
from perennial.verdict import ApprovalAnswer
from perennial.window import Window

Step = Snapshot | ValidationResult | Batch | DriftReport


class InMemoryLatest(EntriesInMemory):
    """The part of `InMemoryLedger` that answers what is the latest of each of several use cases."""

    def last_scored_of(self, use_cases: Sequence[str]) -> Mapping[str, LastScored]:
        """The last window of each use case that has a batch."""
        found = {}
        for name in use_cases:
            batches = self._found(Batch, lambda entry, name=name: entry.use_case == name)  # type: ignore[misc]
            if not batches:
                continue
            last = max(batches, key=lambda each: (each.window.end, each.window.start, each.revision))
            reports = self._about(DriftReport, last)
            about: dict[str, Sequence[Step]] = {
                "snapshots": self._about(Snapshot, last),
                "validations": self._about(ValidationResult, last),
                "batches": self._about(Batch, last),
                "drift_reports": reports,
            }
            of_run = {table: [each for each in of if each.run_id == last.run_id] for table, of in about.items()}
            found[name] = LastScored(
                window=last.window,
                model_version=last.model_version,
                rows=last.rows,
                recorded={table: rules.recorded_at(of[-1]) for table, of in of_run.items() if of},
                p_values=p_values(reports[-1].columns) if reports else {},
            )
        return found

    def _about(self, kind: type[Windowed], last: Batch) -> list[Windowed]:
        return self._found(kind, lambda entry: (entry.use_case, entry.window) == (last.use_case, last.window))

    def first_scored_of(self, spans: Sequence[Span]) -> Mapping[str, Mapping[Window, datetime]]:
        """When the first revision of each window inside the spans was recorded."""
        found = {}
        for span in spans:
            batches = self._found(Batch, lambda entry, span=span: entry.use_case == span.use_case)  # type: ignore[misc]
            within = inside((each.window for each in batches), span.start, span.end)
            first: dict[Window, datetime] = {}
            for each in sorted(batches, key=lambda batch: (batch.window, batch.revision)):
                if each.window in within:
                    first.setdefault(each.window, rules.recorded_at(each))
            if first:
                found[span.use_case] = first
        return found

    def recent_decisions_of(self, use_cases: Sequence[str]) -> Mapping[str, Sequence[LastDecisions]]:
        """The last decisions of each use case, by kind and action."""
        found = {}
        for name in use_cases:
            of_all = [each for kind in sorted(DecisionKind) for each in self._last_decisions(name, kind)]
            if of_all:
                found[name] = of_all
        return found

    def _last_decisions(self, use_case: str, kind: DecisionKind) -> list[LastDecisions]:
        of_kind = self._found(RecordedDecision, lambda entry: (entry.use_case, entry.kind) == (use_case, kind))
        last = sorted(of_kind, key=lambda each: each.as_of)[-LAST_DECISIONS:]
        by_action: dict[str, list[datetime]] = {}
        for each in last:
            by_action.setdefault(each.action, []).append(rules.recorded_at(each))
        return [LastDecisions(kind, action, len(times), max(times)) for action, times in sorted(by_action.items())]

    def stages_of(self, use_cases: Sequence[str]) -> Mapping[str, Stage]:
        """The roll-out under way in each use case that has one."""
        found = {}
        for name in use_cases:
            last = self.current_deployment(name, DeployedRole.CHALLENGER)  # type: ignore[attr-defined]
            if last is not None and last.in_rollout:
                found[name] = Stage(last.model_version, last.share)
        return found

    def open_requests_of(self, use_cases: Sequence[str]) -> Mapping[str, ApprovalRequest]:
        """The last request for approval of each use case, if it is open."""
        found = {}
        for name in use_cases:
            requests = self._of(ApprovalRequest, lambda entry, name=name: entry.use_case == name)  # type: ignore[misc]
            if requests and self._is_open(requests[-1]):
                found[name] = requests[-1]
        return found

    def _is_open(self, request: ApprovalRequest) -> bool:
        answers = self.approvals(request.use_case, request.subject)  # type: ignore[attr-defined]
        agreed = {each.approver_id for each in answers if each.answer is ApprovalAnswer.APPROVED}
        closed = any(each.answer is not ApprovalAnswer.APPROVED for each in answers)
        return not closed and len(agreed) < request.approvers
