"""What a use case's columns are, told from some of its rows: kinds, key, event time, outcome, ranges.

Pure. Everything that was guessed and not said by a person is in `remarks`, for the person to check.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from perennial.errors import InvalidSettings
from perennial.review.lenient import understand
from perennial.scaffold.names import identifier, identifiers
from perennial.sources.peek import Peek
from perennial.spec.columns import Kind, Role
from perennial.spec.names import Task
from perennial.spec.problems import listed, nearest, shown_name
from perennial.window import Every, Grid

MOST_CATEGORIES = 20
LIKE_TEXT = 0.5  # of a text column's values different: names or notes, not categories
_KEY_LIKE = re.compile(r"(^|_)(id|key|no|nr|number|code|uuid)$", re.IGNORECASE)
_LATER = re.compile(r"arriv|known|updat|chang|clos|end|deliver|paid|finish|resolv|label", re.IGNORECASE)
_ZEROS = r"0\d+"
_WHOLE = r"[-+]?\d+"
_DATE = r"\d{4}-\d{2}-\d{2}.*|\d{1,2}[./]\d{1,2}[./]\d{4}.*"


@dataclass(frozen=True)
class ColumnGuess:
    """One column: `name` is what the spec calls it, `written` what the source does.

    `low` and `high` bound its numbers generously, `categories` are its values where there are few, `why` is a remark.
    """

    name: str
    written: str
    kind: Kind
    role: Role
    naive: bool = False
    decimal_comma: bool = False
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True)
class Said:
    """What the person said; None where it is to be guessed. Columns by the source's names."""

    label: str | None = None
    arrival: str | None = None
    key: str | None = None
    event_time: str | None = None
    every: Every | None = None
    timezone: str = "UTC"


@dataclass(frozen=True)
class Guess:
    """A use case as far as its data tell. `remarks` are what a person should check.

    `rows_per_window` is the fewest and the most, None where only a part of the rows was seen. `by_arrival` says that
    outcomes come without their row's event time, so that files of them can only be dated by arrival.
    """

    columns: tuple[ColumnGuess, ...]
    key: ColumnGuess
    event_time: ColumnGuess
    label: ColumnGuess
    arrival: ColumnGuess | None
    task: Task
    every: Every
    first: datetime
    last: datetime
    rows_per_window: tuple[float, float] | None
    mature_after: timedelta
    by_arrival: bool
    remarks: tuple[str, ...] = field(default=())


def guess(rows: Peek, labels: Peek | None, said: Said) -> Guess:
    """What the use case is. `labels` are the rows of a source of their own; None when they lie beside the features.

    Errors: `InvalidSettings`, which says what to add, when something can't be guessed.
    """
    remarks: list[str] = []
    outcome_names = labels.rows.column_names if labels is not None else rows.rows.column_names
    label_name = _named(said.label, outcome_names, "label", _label_candidates(labels or rows))
    names = identifiers(dict.fromkeys(rows.rows.column_names))
    columns = {there: replace(_column(rows, there, said.timezone), name=name) for there, name in names.items()}
    others = {name: column for name, column in columns.items() if labels is not None or name != label_name}
    event_time = _event_time(rows, others, said, remarks)
    key = _key(rows, others, said, event_time, labels, remarks)
    theirs = {name: _column(labels, name, said.timezone) for name in labels.rows.column_names} if labels else columns
    arrival = _arrival(theirs, said, event_time, beside=labels is None, remarks=remarks)
    label = _typed_label(theirs[label_name], labels or rows, label_name, remarks)
    task = Task.BINARY_CLASSIFICATION if label.kind is Kind.BOOLEAN else Task.REGRESSION
    times = _values(rows, event_time, said.timezone).drop_null()
    if len(times) == 0:
        raise InvalidSettings(f"{event_time.written} holds no time that can be read; say --event-time.")
    remarks += _odd_times(rows, event_time, said.timezone)
    if arrival is not None:
        remarks += _odd_times(labels or rows, arrival, said.timezone)
    every = said.every or Every.DAY
    first, last = (pc.min_max(times)[end].as_py().astimezone(UTC) for end in ("min", "max"))
    left_out = {label_name, arrival.written if arrival else None} if labels is None else set()
    features = [_role(rows, each, key, event_time, remarks) for name, each in others.items() if name not in left_out]
    if not any(each.role is Role.FEATURE for each in features):
        remarks.append("no column looks like a feature: give one its role")
    return Guess(
        columns=tuple(features),
        key=next(each for each in features if each.role is Role.KEY),
        event_time=next(each for each in features if each.role is Role.EVENT_TIME),
        label=label,
        arrival=arrival,
        task=task,
        every=every,
        first=first,
        last=last,
        rows_per_window=_rows_per_window(times, Grid(every, said.timezone)) if rows.whole else None,
        mature_after=_delay(rows, labels, key, event_time, arrival, said.timezone),
        by_arrival=labels is not None and arrival is not None and event_time.written not in outcome_names,
        remarks=tuple(remarks),
    )


def _column(peek: Peek | None, name: str, timezone: str) -> ColumnGuess:
    assert peek is not None
    values = peek.rows.column(peek.rows.column_names.index(name))
    kind, comma = _kind(peek, name, values)
    naive = name in peek.naive
    if kind is Kind.TIMESTAMP and not naive:
        found = understand(kind, values, zone=timezone, naive_allowed=False, text=False)
        naive = any("without a time zone" in problem for problem in found.problems)
    return ColumnGuess(identifier(name), name, kind, Role.FEATURE, naive, comma)


def _kind(peek: Peek, name: str, values: pa.ChunkedArray) -> tuple[Kind, bool]:
    kind = values.type
    if pa.types.is_boolean(kind):
        return Kind.BOOLEAN, False
    if pa.types.is_integer(kind):
        return Kind.INTEGER, False
    if pa.types.is_floating(kind):
        return Kind.NUMERIC, False
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return Kind.TIMESTAMP, False
    if name in peek.texts:
        return Kind.CATEGORICAL, False
    return _kind_of_text(values)


def _kind_of_text(values: pa.ChunkedArray) -> tuple[Kind, bool]:
    cells = pd.Series(values.to_pylist(), dtype="string").str.strip()
    present = cells[cells.notna() & ~cells.str.lower().isin(["", "na", "n/a", "nan", "null", "none"])]
    if present.empty:
        return Kind.CATEGORICAL, False
    if present.str.lower().isin(["true", "false"]).all():
        return Kind.BOOLEAN, False
    if present.str.fullmatch(_WHOLE).all():
        too_long = present.str.len().max() > 18  # noqa: PLR2004 - digits that 64 bits always hold
        zeros = present.str.fullmatch(_ZEROS).any()
        return (Kind.CATEGORICAL if zeros or too_long else Kind.INTEGER), False
    if pd.to_numeric(present, errors="coerce").notna().all():
        return Kind.NUMERIC, False
    if present.str.fullmatch(r"[-+]?(\d{1,3}(\.\d{3})+|\d+)(,\d+)?").all():
        return Kind.NUMERIC, True
    return (Kind.TIMESTAMP if present.str.fullmatch(_DATE).all() else Kind.CATEGORICAL), False


def _named(said: str | None, names: Sequence[str], option: str, candidates: Iterable[str]) -> str:
    if said is None:
        some = listed(candidates)
        raise InvalidSettings(
            f"Say --{option}: the column that holds the outcome. "
            + (f"It could be {some}." if some else f"There are {listed(names, 40)}.")
        )
    if said not in names:
        near = nearest(said, names)
        raise InvalidSettings(
            f"--{option} {said}: there is no such column; "
            + (f"did you mean {shown_name(near)}?" if near else f"there are {listed(names, 40)}.")
        )
    return said


def _label_candidates(peek: Peek) -> list[str]:
    """Columns of two values."""
    rows = peek.rows
    two = 2
    return [n for n in dict.fromkeys(rows.column_names) if len(pc.unique(rows.column(n).drop_null())) == two]


def _event_time(rows: Peek, columns: dict[str, ColumnGuess], said: Said, remarks: list[str]) -> ColumnGuess:
    if said.event_time is not None:
        return columns[_named(said.event_time, list(columns), "event-time", ())]
    times = [each for each in columns.values() if each.kind is Kind.TIMESTAMP and each.written != said.arrival]
    if not times:
        raise InvalidSettings(
            "No column holds times, so nothing says which rows belong to a window. Say --event-time, if one does; "
            f"there are {listed(columns, 40)}."
        )
    whole = [each for each in times if rows.rows.column(each.written).null_count == 0] or times
    chosen = next((each for each in whole if not _LATER.search(each.written)), whole[0])
    if len(times) > 1:
        others = listed(each.written for each in times if each is not chosen)
        remarks.append(f"{chosen.written} is taken for the event time (--event-time); other times are {others}")
    return chosen


def _key(
    rows: Peek,
    columns: dict[str, ColumnGuess],
    said: Said,
    event_time: ColumnGuess,
    labels: Peek | None,
    remarks: list[str],
) -> ColumnGuess:
    if said.key is not None:
        return columns[_named(said.key, list(columns), "key", ())]
    found = []
    for each in columns.values():
        values = rows.rows.column(each.written)
        suits = each.kind in (Kind.INTEGER, Kind.CATEGORICAL) and each is not event_time
        if suits and values.null_count == 0 and len(pc.unique(values)) == len(values):
            found.append(each)
    if labels is not None:
        found = [each for each in found if each.written in labels.rows.column_names] or found
    if not found:
        raise InvalidSettings(
            "No column identifies each row: none has a value in every row that is different from all others. Say "
            f"--key, or make one in the query; there are {listed(columns, 40)}."
        )
    chosen = next((each for each in found if _KEY_LIKE.search(each.written)), found[0])
    remarks.append(f"{chosen.written} is taken for the key: it is different in each of the rows seen (--key)")
    return chosen


def _arrival(
    columns: dict[str, ColumnGuess], said: Said, event_time: ColumnGuess, *, beside: bool, remarks: list[str]
) -> ColumnGuess | None:
    if said.arrival is not None:
        return columns[_named(said.arrival, list(columns), "arrival", ())]
    times = [each for each in columns.values() if each.kind is Kind.TIMESTAMP and each.written != event_time.written]
    found = [each for each in times if _LATER.search(each.written)] or ([] if beside else times)
    if found:
        remarks.append(f"{found[0].written} is taken for when the outcome became known (--arrival)")
        return found[0]
    remarks.append(
        "no column says when the outcome became known (--arrival): it counts as known at the event time. If outcomes "
        "come later, models would be trained on what nobody knew then"
    )
    return None


def _typed_label(column: ColumnGuess, peek: Peek, name: str, remarks: list[str]) -> ColumnGuess:
    """The outcome: true or false, or a number."""
    values = pc.unique(peek.rows.column(name).drop_null()).to_pylist()
    words = {str(value).strip().lower() for value in values}
    low, high = min(map(str, values), default=""), max(map(str, values), default="")
    if column.kind is Kind.BOOLEAN or words <= {"0", "1", "0.0", "1.0", "true", "false"}:
        kind = Kind.BOOLEAN
    elif column.kind in (Kind.INTEGER, Kind.NUMERIC):
        kind = Kind.NUMERIC
        if len(values) == 2:  # noqa: PLR2004 - so few numbers are likely names
            remarks.append(
                f"{name} holds only {low} and {high}, and is taken for a number (task: regression). If they stand for "
                f"no and yes, start again with values that say so: {name} = {high} AS outcome in a query, or 0 and 1 "
                "in files"
            )
    else:
        raise InvalidSettings(
            f"--label {name}: an outcome is true or false (1 or 0), or a number; this column holds "
            f"{listed(sorted(words), 5)}. In files, write 1 and 0 for them. In a query, make one, such as "
            f"{name} = '{high}' AS outcome, and give the query as --from or --labels-from."
        )
    return ColumnGuess(column.name, column.written, kind, Role.CARRY, column.naive, column.decimal_comma)


def _role(
    peek: Peek, column: ColumnGuess, key: ColumnGuess, event_time: ColumnGuess, remarks: list[str]
) -> ColumnGuess:
    """The column with its role, and what its values are like."""
    values = peek.rows.column(column.written)
    role, why = Role.FEATURE, None
    low = high = None
    categories: tuple[str, ...] = ()
    distinct = len(pc.unique(values.drop_null()))
    if column.written == key.written:
        role = Role.KEY
    elif column.written == event_time.written:
        role = Role.EVENT_TIME
    elif column.kind is Kind.TIMESTAMP:
        role, why = Role.CARRY, "a time; to use it, give it derive: [hour, weekday]"
    elif distinct <= 1:
        role, why = Role.CARRY, "the same in every row seen"
    elif column.kind is Kind.CATEGORICAL and distinct > max(MOST_CATEGORIES, LIKE_TEXT * len(values)):
        role, why = Role.CARRY, f"{distinct:,} different texts in {len(values):,} rows"
    elif column.kind is Kind.CATEGORICAL and distinct <= MOST_CATEGORIES:
        categories = tuple(sorted(str(value) for value in pc.unique(values.drop_null()).to_pylist()))
    elif column.kind in (Kind.NUMERIC, Kind.INTEGER):
        low, high = _range(peek, column)
    if role is Role.CARRY:
        remarks.append(f"{column.written} is carried along, not a feature: {why}")
    kind = Kind.CATEGORICAL if role is Role.KEY and column.kind is Kind.NUMERIC else column.kind
    return ColumnGuess(
        column.name, column.written, kind, role, column.naive, column.decimal_comma, low, high, categories, why
    )


def _range(peek: Peek, column: ColumnGuess) -> tuple[float | None, float | None]:
    """Bounds that ordinary values stay far inside: three times the width of the middle 98% beyond it.

    What is never negative stays so.
    """
    values = understand(
        Kind.NUMERIC, peek.rows.column(column.written), zone="UTC", naive_allowed=True, text=False
    ).values.drop_null()
    if len(values) == 0:
        return None, None
    low, high = (float(each) for each in pc.quantile(values, q=[0.01, 0.99]).to_pylist())
    reach = 3 * max(high - low, abs(high) / 10, 1e-9)
    least = pc.min(values).as_py()
    return (0.0 if least >= 0 else _round(low - reach)), _round(high + reach)


def _round(value: float) -> float:
    """Two digits are enough of a guess."""
    return float(f"{value:.2g}")


def _values(peek: Peek, column: ColumnGuess, timezone: str) -> pa.Array:
    values = peek.rows.column(column.written)
    return understand(Kind.TIMESTAMP, values, zone=timezone, naive_allowed=True, text=False).values


def _odd_times(peek: Peek, column: ColumnGuess, timezone: str) -> list[str]:
    """What is to be said of times that steps will not read."""
    values = peek.rows.column(column.written)
    found = understand(Kind.TIMESTAMP, values, zone=timezone, naive_allowed=True, text=False)
    return [f"{column.written} {problem}" for problem in found.problems]


def _rows_per_window(times: pa.Array, grid: Grid) -> tuple[float, float]:
    """The fewest and the most rows of a window; the first and last one may not be whole."""
    starts = pd.Series([grid.containing(at).start for at in pd.Series(times.to_pylist()).dt.floor("h")])
    counts = starts.value_counts().sort_index()
    whole = counts.iloc[1:-1] if len(counts) > 2 else counts  # noqa: PLR2004
    return float(whole.min()), float(whole.max())


def _delay(
    rows: Peek,
    labels: Peek | None,
    key: ColumnGuess,
    event_time: ColumnGuess,
    arrival: ColumnGuess | None,
    timezone: str,
) -> timedelta:
    """After how many days 99% of the outcomes had come, where both times are at hand; else one day."""
    if arrival is None:
        return timedelta(days=1)
    outcomes = labels or rows
    known = _values(outcomes, arrival, timezone)
    if event_time.written in outcomes.rows.column_names:
        happened = _values(outcomes, event_time, timezone)
    else:  # the times of the rows that the outcomes are of
        theirs, ours = (
            pa.array(peek.rows.column(key.written).cast(pa.string()).to_pylist()) for peek in (outcomes, rows)
        )
        happened = _values(rows, event_time, timezone).take(pc.index_in(theirs, value_set=ours))
    seconds = pc.divide(pc.subtract(known, happened).cast(pa.int64()), 1_000_000).drop_null()
    if len(seconds) == 0:
        return timedelta(days=1)
    usual = pc.quantile(seconds, q=0.99, interpolation="higher")[0].as_py()
    return timedelta(days=max(1, math.ceil(usual / 86_400)))
