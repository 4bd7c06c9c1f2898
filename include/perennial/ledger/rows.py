"""Entries as they are stored: one form for every ledger, and its rows in tables.

Everything here works off the dataclass fields, so an entry gains a fact by gaining a field and a column.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import UTC, datetime
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from perennial.errors import InvalidWindow
from perennial.ledger.entries import (
    AlertDelivery,
    AlertNotice,
    Approval,
    ApprovalRequest,
    Backtest,
    Batch,
    Deployment,
    DriftReport,
    HumanLabel,
    Intervention,
    LateRows,
    LedgerEntry,
    PairedGain,
    Performance,
    RecordedDecision,
    Redaction,
    ReviewMeasurement,
    ReviewSelection,
    ShadowBatch,
    Snapshot,
    ValidationResult,
)
from perennial.window import Window

Entry = TypeVar(
    "Entry",
    Snapshot,
    ValidationResult,
    Batch,
    DriftReport,
    LateRows,
    Performance,
    RecordedDecision,
    Deployment,
    Intervention,
    Backtest,
    AlertNotice,
    AlertDelivery,
    ApprovalRequest,
    Approval,
    ShadowBatch,
    PairedGain,
    ReviewSelection,
    HumanLabel,
    ReviewMeasurement,
    Redaction,
)

NATURAL_KEYS: dict[type[LedgerEntry], tuple[str, ...]] = {
    Snapshot: ("use_case", "window", "table", "version"),
    ValidationResult: ("use_case", "window", "snapshot_digest", "suite_digest", "number"),
    Batch: ("use_case", "window", "revision"),
    DriftReport: ("use_case", "window", "snapshot_digest", "model_digest", "number"),
    LateRows: ("use_case", "window", "version"),
    Performance: ("use_case", "window", "revision", "as_of", "labels_version"),
    RecordedDecision: ("use_case", "kind", "subject"),
    Deployment: ("use_case", "role", "supersedes"),
    Intervention: ("use_case", "kind", "subject", "run_id"),
    Backtest: ("use_case", "run_id"),
    AlertNotice: ("use_case", "route", "number"),
    AlertDelivery: ("use_case", "route", "number", "attempt"),
    ApprovalRequest: ("use_case", "subject"),
    Approval: ("use_case", "subject", "approver_id", "answer"),
    ShadowBatch: ("use_case", "window", "revision", "challenger_digest"),
    PairedGain: ("use_case", "window", "champion_digest", "challenger_digest", "as_of"),
    ReviewSelection: ("use_case", "window", "revision"),
    HumanLabel: ("use_case", "window", "entity", "author", "answered_at"),
    ReviewMeasurement: ("use_case", "as_of", "run_id"),
    Redaction: ("use_case", "window", "subject", "run_id"),
}

_CIRCUMSTANCES = {"id", "recorded_at", "run_id", "fencing_token", "code_version", "lock_digest"}
_EXACT = 2**53  # beyond it, JSON readers don't agree on integers (RFC 7493, section 2.2)


def as_stored(entry: Entry, recorded_at: datetime) -> Entry:
    """The entry as every ledger keeps it, without an id.

    Instants are in UTC. JSON holds what PostgreSQL can hold: NaN and infinities become None, integers beyond 2^53
    become floats, tuples become lists, keys become text; NUL and unpaired surrogates in text become U+FFFD.

    Errors: `InvalidWindow` for an instant without time zone, `TypeError` for a value that JSON has no form for.
    """
    values = {field.name: _as_stored(getattr(entry, field.name), field.name) for field in fields(entry)}
    return type(entry)(**values | {"id": None, "recorded_at": utc(recorded_at, "recorded_at")})


def natural_key(entry: LedgerEntry) -> tuple[Any, ...]:
    """The values that no two entries of the kind share."""
    return tuple(getattr(entry, name) for name in NATURAL_KEYS[type(entry)])


def same_content(one: LedgerEntry, other: LedgerEntry) -> bool:
    """Whether two stored entries state the same fact, whoever recorded it and when."""
    return type(one) is type(other) and all(
        getattr(one, field.name) == getattr(other, field.name)
        for field in fields(one)
        if field.name not in _CIRCUMSTANCES
    )


def to_row(entry: LedgerEntry) -> dict[str, Any]:
    """The column values of a stored entry; the id is the database's to give."""
    return _columns(entry, (field.name for field in fields(entry) if field.name != "id"))


def key_columns(entry: LedgerEntry) -> dict[str, Any]:
    """The natural key of a stored entry, as column values."""
    return _columns(entry, NATURAL_KEYS[type(entry)])


def from_row(kind: type[Entry], row: Any) -> Entry:
    """The entry that a row mapping holds."""
    values: dict[str, Any] = {name: row[name] for name in _PLAIN[kind]}
    for name, reader in _READERS[kind].items():
        values[name] = Window(row["window_start"], row["window_end"]) if reader is Window else reader(row[name])
    return kind(**values)


def utc(instant: datetime, name: str) -> datetime:
    """The instant in UTC. Errors: `InvalidWindow` when it has no time zone."""
    if instant.tzinfo is None:
        raise InvalidWindow(f"The ledger got {name}={instant} without a time zone; give it one, preferably UTC.")
    return instant.astimezone(UTC)


def utc_or_none(instant: datetime | None, name: str) -> datetime | None:
    """`utc` of an instant that may not be given."""
    return None if instant is None else utc(instant, name)


def loads(text: str) -> Any:
    """JSON as the database writes it: it spells 1e23 as an integer of 24 digits, which was a float before."""
    return _DECODER.decode(text)


def _number(digits: str) -> int | float:
    exact = int(digits)
    return exact if abs(exact) <= _EXACT else float(digits)


_DECODER = json.JSONDecoder(parse_int=_number)


def _columns(entry: LedgerEntry, names: Iterable[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in names:
        value = getattr(entry, name)
        if isinstance(value, Window):
            row |= {f"{name}_start": value.start, f"{name}_end": value.end}
        elif isinstance(value, StrEnum):
            row[name] = value.value
        else:
            row[name] = list(value) if isinstance(value, tuple) else value
    return row


def _as_stored(value: Any, name: str) -> Any:
    if isinstance(value, Window | StrEnum):
        return value
    if isinstance(value, datetime):
        return utc(value, name)
    if isinstance(value, tuple):
        return tuple(_json(item, name) for item in value)
    return _json(value, name)


def _json(value: Any, path: str) -> Any:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, dict):
        return {_text(str(key)): _json(item, f"{path}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return _json_number(value, path)


def _json_number(value: Any, path: str) -> int | float | None:
    if isinstance(value, (int, Integral)):  # numpy's integers too
        exact = int(value)
        return exact if abs(exact) <= _EXACT else float(exact)
    if isinstance(value, (float, Real)):
        number = float(value)
        return number if math.isfinite(number) else None
    raise TypeError(
        f"The ledger can't keep {path}: {type(value).__name__} has no form in JSON. "
        "Give text, numbers, booleans, None, or lists and dicts of them."
    )


def _text(value: str) -> str:
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _reader(hint: Any) -> Callable[[Any], Any] | None:
    """What makes a field of this type of a column's value, if it is not the value itself; `Window` for the one field
    that is two columns.
    """
    if isinstance(hint, type) and issubclass(hint, StrEnum | Window):
        return hint
    if tuple in (get_origin(hint), *map(get_origin, get_args(hint))):  # also of `tuple[str, ...] | None`
        return _as_tuple
    return _in_utc if datetime in (hint, *get_args(hint)) else None


def _as_tuple(value: Any) -> Any:
    return value if value is None else tuple(value)


def _in_utc(value: Any) -> Any:
    return value if value is None else value.astimezone(UTC)


# Found out once: thousands of rows are read for a page.
_ALL_READERS = {kind: {name: _reader(hint) for name, hint in get_type_hints(kind).items()} for kind in NATURAL_KEYS}
_READERS = {kind: {name: each for name, each in of.items() if each is not None} for kind, of in _ALL_READERS.items()}
_PLAIN = {kind: [name for name, each in of.items() if each is None] for kind, of in _ALL_READERS.items()}
