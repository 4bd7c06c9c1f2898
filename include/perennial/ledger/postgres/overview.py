"""What a page over all use cases asks of the ledger in PostgreSQL."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Double,
    FromClause,
    Row,
    Select,
    Table,
    TableValuedAlias,
    Text,
    cast,
    column,
    func,
    literal,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on

from perennial.ledger.entries import (
    IN_SERVICE,
    DecisionKind,
    DeployedRole,
    Deployment,
    InterventionKind,
    RecordedDecision,
)
from perennial.ledger.entries.rollout import challengers_share
from perennial.ledger.parts.overview import REMEMBERED, Champions, Span, WindowFacts
from perennial.ledger.postgres.entries import EntriesInPostgres
from perennial.ledger.postgres.queries import key_bounds, on_latest_snapshot
from perennial.ledger.postgres.schema.measurements import performance
from perennial.ledger.postgres.schema.tables import (
    batches,
    decisions,
    deployments,
    drift_reports,
    interventions,
    late_rows,
    snapshots,
    validations,
)
from perennial.ledger.rows import utc
from perennial.performance.maturity import Maturity
from perennial.verdict import Verdict
from perennial.window import Window

_INSTANT = DateTime(timezone=True)

_NOTHING: tuple[Any, ...] = (None,) * 6

Key = tuple[str, datetime, datetime]
Part = Sequence[Any] | None


class PostgresOverview(EntriesInPostgres):
    """The part of `PostgresLedger` that answers about several use cases at once."""

    def last_ingested_of(self, use_cases: Sequence[str]) -> Mapping[str, Window]:
        """The last window of each use case that has a snapshot."""
        asked = use_cases_asked(use_cases)
        last = (
            select(snapshots.c.window_start, snapshots.c.window_end)
            .where(snapshots.c.use_case == asked.c.use_case)
            .order_by(snapshots.c.window_start.desc())
            .limit(1)
        )
        return {row.use_case: Window(row.window_start, row.window_end) for row in self._beside(asked, last)}

    def champions_of(self, use_cases: Sequence[str]) -> Mapping[str, Champions]:
        """The champions of each use case. Effective times never go back, so that their index has them in order."""
        asked = use_cases_asked(use_cases)
        told = ("model_version", "effective_from", "recorded_at", "metrics")
        in_service = deployments.c.training[IN_SERVICE].label(IN_SERVICE)
        of_use_case = select(*(deployments.c[name] for name in told), in_service).where(
            deployments.c.use_case == asked.c.use_case, deployments.c.role == DeployedRole.CHAMPION.value
        )
        order = (deployments.c.effective_from, deployments.c.id)
        first = self._beside(asked, of_use_case.order_by(*order).limit(1))
        newest = of_use_case.order_by(*(each.desc() for each in order)).limit(REMEMBERED)
        recorded: defaultdict[str, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
        for row in self._beside(asked, newest):
            recorded[row.use_case].append(row)
        begun = {row.use_case: row.effective_from.astimezone(UTC) for row in first}
        return {name: _champions(begun[name], rows) for name, rows in recorded.items()}

    def challengers_of(self, use_cases: Sequence[str]) -> Mapping[str, Deployment]:
        """The entry recorded last for the challenger's role of each use case; see `champions_of`."""
        asked = use_cases_asked(use_cases)
        last = (
            select(deployments)
            .where(deployments.c.use_case == asked.c.use_case, deployments.c.role == DeployedRole.CHALLENGER.value)
            .order_by(deployments.c.effective_from.desc(), deployments.c.id.desc())
            .limit(1)
        )
        return {each.use_case: each for each in self._entries(Deployment, _only(asked, last))}

    def last_decisions_of(self, use_cases: Sequence[str], kind: DecisionKind) -> Mapping[str, RecordedDecision]:
        """Of each use case the decision of the kind with the latest `as_of`, which its index has at its end."""
        asked = use_cases_asked(use_cases)
        last = (
            select(decisions)
            .where(decisions.c.use_case == asked.c.use_case, decisions.c.kind == kind.value)
            .order_by(decisions.c.as_of.desc(), decisions.c.id.desc())
            .limit(1)
        )
        return {each.use_case: each for each in self._entries(RecordedDecision, _only(asked, last))}

    def facts_of(self, spans: Sequence[Span]) -> Mapping[str, Sequence[WindowFacts]]:
        """The windows of each span that have any record but a snapshot, by window."""
        asked = spans_asked(spans)
        parts = [self._beside(asked, each(asked)) for each in (_validated, _scored, _monitored, _measured, _late)]
        facts: dict[Key, list[Part]] = {}
        for position, rows in enumerate(parts):
            for row in rows:  # thousands of them
                key = row[:3]
                told = facts.get(key)
                if told is None:
                    told = facts[key] = [None] * len(parts)
                told[position] = row[3:]
        found: defaultdict[str, list[WindowFacts]] = defaultdict(list)
        for key in sorted(facts):
            found[key[0]].append(_facts(key, *facts[key]))
        return found

    def unscored_of(self, spans: Sequence[Span]) -> Mapping[str, Sequence[tuple[datetime, datetime]]]:
        """The intervals that no scored window covers, of each use case that has such."""
        asked = spans_asked([span for span in spans if span.start < span.end])
        scored = (
            select(asked.c.use_case, batches.c.window_start, batches.c.window_end)
            .join_from(asked, batches, (batches.c.use_case == asked.c.use_case) & inside(batches, asked))
            .distinct()
        )
        ends = [select(asked.c.use_case, asked.c[end], asked.c[end]) for end in ("first", "last")]
        name, begun, ended = scored.union_all(*ends).subquery().c
        following = func.lead(begun).over(partition_by=name, order_by=(begun, ended))
        pairs = select(name, ended.label("begun"), following.label("ended")).subquery()
        gaps = select(pairs).where(pairs.c.ended > pairs.c.begun).order_by(pairs.c.begun)
        found: defaultdict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
        for row in self._rows(gaps):
            found[row.use_case].append((row.begun.astimezone(UTC), row.ended.astimezone(UTC)))
        return found

    def noted_empty_of(self, spans: Sequence[Span]) -> Mapping[str, frozenset[Window]]:
        """The windows of each span that are known to be empty."""
        asked = func.unnest(
            literal([span.use_case for span in spans], ARRAY(Text)),
            *(literal([key_bounds(span.start, span.end)[end] for span in spans], ARRAY(Text)) for end in (0, 1)),
        ).table_valued(column("use_case", Text), column("first", Text), column("last", Text), name="asked")
        asked = asked.render_derived()
        noted = select(interventions.c.subject).where(
            interventions.c.use_case == asked.c.use_case,
            interventions.c.kind == InterventionKind.WINDOW_EMPTY.value,
            interventions.c.subject.collate("C").between(asked.c.first, asked.c.last),
        )
        ends = {span.use_case: (utc(span.start, "start"), utc(span.end, "end")) for span in spans}
        found: defaultdict[str, set[Window]] = defaultdict(set)
        for row in self._beside(asked, noted):
            window, (first, last) = Window.parse(row.subject), ends[row.use_case]
            if first <= window.start and window.end <= last:
                found[row.use_case].add(window)
        return {name: frozenset(windows) for name, windows in found.items()}

    def _beside(self, asked: TableValuedAlias, each: Select[Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        """The rows of `each`, which names a row of `asked`, with the use case that they are of."""
        found = each.lateral()
        return self._rows(select(asked.c.use_case, *found.c).join_from(asked, found, true()))

    def _rows(self, query: Select[Any]) -> Sequence[Row[*tuple[Any, ...]]]:
        with self._database.transaction() as connection:
            return connection.execute(query).all()


_VERDICTS: dict[str, Verdict] = {each.value: each for each in Verdict}
_MATURITIES: dict[str, Maturity] = {each.value: each for each in Maturity}


def use_cases_asked(names: Iterable[str]) -> TableValuedAlias:
    """The use cases as a table to ask about each of them."""
    given = func.unnest(literal(list(names), ARRAY(Text)))
    return given.table_valued(column("use_case", Text), name="asked").render_derived()


def _only(asked: TableValuedAlias, each: Select[Any]) -> Select[Any]:
    """The rows of `each`, which names a row of `asked`."""
    found = each.lateral()
    return select(found).join_from(asked, found, true())


def spans_asked(spans: Sequence[Span]) -> TableValuedAlias:
    """The spans as a table to ask about each of them."""
    given = func.unnest(
        literal([span.use_case for span in spans], ARRAY(Text)),
        literal([utc(span.start, "start") for span in spans], ARRAY(_INSTANT)),
        literal([utc(span.end, "end") for span in spans], ARRAY(_INSTANT)),
        literal([span.metric for span in spans], ARRAY(Text)),
    )
    named = (column("use_case", Text), column("first", _INSTANT), column("last", _INSTANT), column("metric", Text))
    return given.table_valued(*named, name="asked").render_derived()


def inside(table: Table, asked: FromClause) -> ColumnElement[bool]:
    """Whether an entry's window lies inside the span."""
    return (table.c.window_start >= asked.c.first) & (table.c.window_end <= asked.c.last)


def _validated(asked: FromClause) -> Select[Any]:
    told = ("verdict", "rows", "rows_quarantined", "run_id", "recorded_at")
    age = (on_latest_snapshot(), validations.c.id)
    return _newest(validations, age, asked, *(validations.c[name] for name in told))


def _scored(asked: FromClause) -> Select[Any]:
    told = ("revision", "model_version", "parts", "rows", "run_id", "recorded_at")
    return _newest(batches, (batches.c.revision,), asked, *(batches.c[name] for name in told))


def _monitored(asked: FromClause) -> Select[Any]:
    told = ("verdict", "p_value", "run_id", "recorded_at")
    return _newest(drift_reports, (drift_reports.c.id,), asked, *(drift_reports.c[name] for name in told))


def _measured(asked: FromClause) -> Select[Any]:
    interval = performance.c.intervals.op("->")(asked.c.metric)
    return _newest(
        performance,
        [performance.c[name] for name in ("as_of", "revision", "id")],
        asked,
        performance.c.verdict,
        performance.c.maturity,
        performance.c.completeness,
        cast(performance.c.metrics.op("->>")(asked.c.metric), Double).label("value"),
        cast(interval.op("->>")("low"), Double).label("low"),
        cast(interval.op("->>")("high"), Double).label("high"),
    )


def _newest(
    table: Table, age: Sequence[ColumnElement[Any]], asked: FromClause, *told: ColumnElement[Any]
) -> Select[Any]:
    """Of each window the entry that is greatest by `age`, the most important first."""
    window = (table.c.window_start, table.c.window_end)
    return (
        select(*window, *told)
        .where(table.c.use_case == asked.c.use_case, inside(table, asked))
        .ext(distinct_on(*window))
        .order_by(*window, *(each.desc() for each in age))
    )


def _late(asked: FromClause) -> Select[Any]:
    window = (late_rows.c.window_start, late_rows.c.window_end)
    changes = func.sum(late_rows.c.new + late_rows.c.gone + late_rows.c.changed, type_=BigInteger)
    return (
        select(*window, changes.label("rows_late"))
        .where(late_rows.c.use_case == asked.c.use_case, inside(late_rows, asked))
        .group_by(*window)
    )


def _facts(key: Key, validated: Part, scored: Part, monitored: Part, measured: Part, late: Part) -> WindowFacts:
    verdict, rows, quarantined, *_ = validated or _NOTHING
    revision, version, parts, rows_scored, *_ = scored or _NOTHING
    challenger, share = challengers_share(parts or (), rows_scored or 0)
    drift, p_value, *_ = monitored or _NOTHING
    performed, maturity, completeness, value, low, high = measured or _NOTHING
    run_id, recorded_at = None, None
    for part in (validated, scored, monitored):
        if part is not None and (recorded_at is None or part[-1] > recorded_at):
            run_id, recorded_at = part[-2:]
    return WindowFacts(
        window=Window(key[1], key[2]),
        validation=_VERDICTS.get(verdict),
        rows=rows,
        rows_quarantined=quarantined,
        revision=revision,
        model_version=version,
        challenger=challenger,
        challenger_share=share,
        drift=_VERDICTS.get(drift),
        drift_p_value=p_value,
        performance=_VERDICTS.get(performed),
        maturity=_MATURITIES.get(maturity),
        completeness=completeness,
        value=value,
        low=low,
        high=high,
        rows_late=int(late[0]) if late else 0,
        run_id=run_id,
        recorded_at=recorded_at.astimezone(UTC) if recorded_at else None,
    )


def _champions(first_from: datetime, newest: Sequence[Row[*tuple[Any, ...]]]) -> Champions:
    """`newest` are the last deployments, the newest first."""
    last = newest[0]
    return Champions(
        first_from=first_from,
        version=last.model_version,
        effective_from=last.effective_from.astimezone(UTC),
        recorded_at=last.recorded_at.astimezone(UTC),
        metrics={row.model_version: {**row.metrics, **(row.in_service or {})} for row in reversed(newest)},
    )
