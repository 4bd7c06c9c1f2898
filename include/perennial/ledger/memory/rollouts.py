"""What the ledger in memory keeps of roll-outs."""

from collections.abc import Sequence
from datetime import datetime

from perennial.lease import Lease
from perennial.ledger import rules
from perennial.ledger.entries import Batch, DeployedRole, Deployment, PairedGain, ShadowBatch
from perennial.ledger.memory.chain import ChainInMemory
from perennial.ledger.memory.entries import inside
from perennial.ledger.rows import as_stored


class RolloutsInMemory(ChainInMemory):
    """The part of `InMemoryLedger` that is about roll-outs."""

    def current_deployment(self, use_case: str, role: DeployedRole) -> Deployment | None:
        """The entry recorded last for the role."""
        return next(iter(self._of(Deployment, lambda e: (e.use_case, e.role) == (use_case, role))[::-1]), None)

    def deploy_together(self, deployments: Sequence[Deployment]) -> Sequence[Deployment]:
        """Append deployments of different roles, all of them or none."""
        now = self._clock()
        entries = [as_stored(each, now) for each in deployments]
        with self._lock:
            current = [self.current_deployment(each.use_case, each.role) for each in entries]
            if recorded := rules.recorded_before(entries, current):
                return recorded
            ends = [e.window.end for e in self._found(Batch, lambda batch: batch.use_case == entries[0].use_case)]
            return [self._append(each) for each in rules.together(entries, current, max(ends, default=None))]

    def record_shadow(self, shadow: ShadowBatch, lease: Lease | None = None) -> ShadowBatch:
        """Append the shadow, or return the one that is there."""
        return self._record(shadow, lease)

    def shadows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ShadowBatch]:
        """The shadows of the windows inside `[start, end)`, by window, in the order they were recorded."""
        found = self._of(ShadowBatch, lambda entry: entry.use_case == use_case)
        within = inside((entry.window for entry in found), start, end)
        return sorted((each for each in found if each.window in within), key=lambda entry: (entry.window, entry.id))

    def record_gain(self, gain: PairedGain) -> PairedGain:
        """Append the gain, or return the one that is there."""
        return self._record(gain)

    def gains_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        champion: str,
        challenger: str,
        last: int | None = None,
    ) -> Sequence[PairedGain]:
        """The gains of one model over another in the windows inside `[start, end)`, by window and `as_of`."""
        of_both = (use_case, champion, challenger)
        found = self._of(PairedGain, lambda e: (e.use_case, e.champion_digest, e.challenger_digest) == of_both)
        within = inside((entry.window for entry in found), start, end)
        known = sorted((each for each in found if each.window in within), key=lambda entry: (entry.window, entry.as_of))
        return known if last is None else known[max(0, len(known) - last) :]
