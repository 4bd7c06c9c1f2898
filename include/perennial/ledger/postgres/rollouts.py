"""What the ledger in PostgreSQL keeps of roll-outs."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select

from perennial.lease import Lease
from perennial.ledger import rules
from perennial.ledger.entries import Deployment, PairedGain, ShadowBatch
from perennial.ledger.postgres import queries
from perennial.ledger.postgres.appending import append, first_entry
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.locks import lock_use_case
from perennial.ledger.postgres.schema.rollout import paired_gains, shadow_batches
from perennial.ledger.rows import as_stored, utc


class PostgresRollouts(EntriesInPostgres):
    """The part of `PostgresLedger` that is about roll-outs."""

    def deploy_together(self, deployments: Sequence[Deployment]) -> Sequence[Deployment]:
        """Append deployments of different roles, all of them or none."""
        use_case = deployments[0].use_case
        with self._database.transaction() as connection:
            lock_use_case(connection, use_case, self._timeouts.lock)
            now = self._now(connection)
            entries = [as_stored(each, now) for each in deployments]
            roles = [queries.of_role(use_case, each.role).limit(1) for each in entries]
            current = [first_entry(connection, Deployment, query) for query in roles]
            if recorded := rules.recorded_before(entries, current):
                return recorded
            scored_until = connection.scalar(queries.scored_until(use_case))
            return [append(connection, each) for each in rules.together(entries, current, scored_until)]

    def record_shadow(self, shadow: ShadowBatch, lease: Lease | None = None) -> ShadowBatch:
        """Append the shadow, or return the one that is there."""
        return self._record(shadow, lease)

    def shadows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ShadowBatch]:
        """The shadows of the windows inside `[start, end)`, by window, in the order they were recorded."""
        columns = shadow_batches.c
        within = queries.inside(shadow_batches, utc(start, "start"), utc(end, "end"))
        query = select(shadow_batches).where(columns.use_case == use_case, within)
        return self._entries(ShadowBatch, query.order_by(columns.window_start, columns.window_end, columns.id))

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
        columns = paired_gains.c
        query = select(paired_gains).where(
            columns.use_case == use_case,
            columns.champion_digest == champion,
            columns.challenger_digest == challenger,
            queries.inside(paired_gains, utc(start, "start"), utc(end, "end")),
        )
        by_window = (columns.window_start, columns.window_end, columns.as_of)
        if last is None:
            return self._entries(PairedGain, query.order_by(*by_window))
        backwards = query.order_by(*(each.desc() for each in by_window)).limit(last)
        return self._entries(PairedGain, backwards)[::-1]
