"""What the clean rows of a window were like, as JSON that is kept with the verdict on them.

Whoever validates a window has its rows at hand. What is kept of them is a few kilobytes, holds no value of a column
that is private, and says under which columns and row rules it was told: under others it does not count.
"""

from typing import Any

from perennial.quality.outcome import GateOutcome
from perennial.quality.proposals.seen import ColumnSeen, WindowSeen, look
from perennial.quality.proposals.shapes import Shape
from perennial.quality.texts import EXACT
from perennial.quality.validate import CheckedRows
from perennial.spec.columns import Kind
from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial.window import Window

SEEN, GATES = "seen", "gates"  # the parts of a validation's result that are read here
SEEN_FORMAT = 1


def with_seen(
    use_case: LoadedUseCase, window: Window, checked: CheckedRows, accepted: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The result of the validation, with what its clean rows were like; `accepted` rules set no rows aside."""
    seen = checked.seen or look(use_case.spec, window, checked.clean)
    return checked.result | {
        SEEN: {
            "format": SEEN_FORMAT,
            "row_rules": use_case.row_rules_digest,
            "accepted": sorted(accepted),
            "rows": seen.rows,
            "columns": {name: _column_as_json(column) for name, column in seen.columns.items()},
        }
    }


def seen_in(use_case: LoadedUseCase, window: Window, result: dict[str, Any]) -> WindowSeen | str | None:
    """What the rows of the window were like, or why they can't be looked at.

    None where that is not kept, or was told under other columns or row rules than today's or after rows were let in.
    """
    kept = result.get(SEEN)
    wanted = {"format": SEEN_FORMAT, "row_rules": use_case.row_rules_digest, "accepted": []}
    if kept is None or any(kept.get(name) != value for name, value in wanted.items()):
        return None
    schema = GateOutcome(**result[GATES][0])
    if schema.verdict == Verdict.FAIL:
        return f"does not fit the columns in use_case.yaml: {_problems(schema.reason or '')}"
    if not kept["rows"]:
        return "every row of it is set aside by row rules"
    kinds = {name: column.kind for name, column in use_case.spec.columns.items()}
    columns = {name: _column_from_json(kinds[name], column) for name, column in kept["columns"].items()}
    return WindowSeen(window, kept["rows"], columns)


def _problems(mismatch: str) -> str:
    """What stands between the first and the last line of a `SchemaMismatch`, on one."""
    return "; ".join(line.strip(" -") for line in mismatch.splitlines()[1:-1])


def _column_as_json(column: ColumnSeen) -> dict[str, Any]:
    told: dict[str, Any] = {"present": column.present, "missing": column.missing}
    if column.different:
        told["different"] = column.different
    if column.low is not None:
        told |= {"low": _exactly(column.low), "high": _exactly(column.high)}
    if column.values:
        told["values"] = dict(column.values)
    if column.shape is not None:
        positions = column.shape.positions
        told["shape"] = {
            "runs": None if column.shape.runs is None else [list(run) for run in column.shape.runs],
            "positions": None if positions is None else ["".join(sorted(kinds)) for kinds in positions],
            "longest": column.shape.longest,
        }
    return told


def _exactly(number: float | None) -> float | str | None:
    """The number; in digits where the ledger, which keeps JSON's numbers as doubles, would lose the last of them."""
    return str(number) if isinstance(number, int) and abs(number) > EXACT else number


def _column_from_json(kind: Kind, told: dict[str, Any]) -> ColumnSeen:
    # JSON in a database keeps the value of a number, and not whether it was written as a whole one.
    number = int if kind is Kind.INTEGER else float
    low, high = (None if told.get(end) is None else number(told[end]) for end in ("low", "high"))
    return ColumnSeen(
        told["present"], told["missing"], told.get("different", 0), low, high,
        told.get("values", {}), _shape(told["shape"]) if "shape" in told else None,
    )  # fmt: skip


def _shape(told: dict[str, Any]) -> Shape:
    runs, positions = told["runs"], told["positions"]
    return Shape(
        None if runs is None else tuple((kind, length) for kind, length in runs),
        None if positions is None else tuple(frozenset(kinds) for kinds in positions),
        told["longest"],
    )
