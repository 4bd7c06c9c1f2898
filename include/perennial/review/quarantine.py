"""Rows that were set aside: which rule caught how many of a window's rows, for which cells, and the rows themselves."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from perennial.encoding import json_digest
from perennial.ledger.entries import Snapshot
from perennial.ports import Ports
from perennial.quality.caught import CaughtCell, caught_by_rule, cells_caught
from perennial.quality.outcome import JsonValue, json_safe
from perennial.quality.setting_aside import RULE_COLUMN, RULE_SEPARATOR, named_rules
from perennial.quality.unread import BAD_CELLS, UnreadCell, unread_cells
from perennial.records.gate import is_by_rules_of, quarantined_rows
from perennial.spec.expectations import Expectation
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.problems import shown
from perennial.window import Window
from perennial.wording import WITHHELD

SAMPLES = 5
LONGEST_NAME = 300  # characters of a key in an address, each of which may take twelve bytes there


@dataclass(frozen=True)
class QuarantinedRow:
    """A row that was set aside, with every rule that caught it.

    `entity` is its key as text, None where it has none, or where the spec took another column for the key since.
    `values` are those of the other columns, `withheld` of those that are personal. Of the cells that could not be read
    they have None, and `unread` says what was delivered. `fingerprint` names a row that its key can't name: the start
    of a digest of all this before anything was withheld.
    """

    entity: str | None
    values: dict[str, JsonValue]
    unread: tuple[UnreadCell, ...]
    rules: tuple[str, ...]
    fingerprint: str = ""


@dataclass(frozen=True)
class RuleCatch:
    """The rows of a window that one rule caught.

    `rows` counts all of them, `entities` are the first few keys and `examples` the first few rows. `cells` are the most
    frequent values that the rule did not accept.
    """

    window: Window
    rule: str
    rows: int
    entities: tuple[str | None, ...]
    cells: tuple[CaughtCell, ...]
    examples: tuple[QuarantinedRow, ...]


def run(use_case: LoadedUseCase, windows: Iterable[Window], ports: Ports, *, most: int = SAMPLES) -> list[RuleCatch]:
    """What is in quarantine of the windows' latest snapshots, by window and rule.

    Of each rule at most `most` keys, cells and rows are given. Errors: `StoreUnavailable`.
    """
    found = []
    for window in windows:
        snapshot = ports.ledger.latest_snapshot(use_case.name, window)
        if snapshot is None:
            continue
        rows = quarantined_rows(snapshot, ports.lake)
        if rows.num_rows == 0:
            continue
        expectations = rules_in_force(use_case, snapshot, ports)
        for rule, caught in caught_by_rule(rows).items():
            found.append(_catch(use_case.spec, window, rule, rows.filter(pa.array(caught)), expectations, most))
    return found


def rules_in_force(use_case: LoadedUseCase, snapshot: Snapshot, ports: Ports) -> Mapping[str, Expectation]:
    """The expectations that set rows of the latest snapshot aside, by the rule's name; none, where they have changed
    since.
    """
    verdict = ports.ledger.counting_verdict(use_case.name, snapshot.window)
    if verdict is None or verdict.snapshot_digest != snapshot.digest or not is_by_rules_of(use_case, verdict):
        return {}
    return dict(named_rules(use_case.expectations))


def is_named_by_key(row: QuarantinedRow) -> bool:
    """Whether an address can name the row by its key: there is one, it is not long, and all of it can be seen."""
    text = "" if row.entity in (None, WITHHELD) else row.entity or ""
    return 0 < len(text) <= LONGEST_NAME and text.isprintable()


def spelt(entity: str) -> str:
    """A key that can't be seen as it is: on one line, cut where it is long, in quotes where it is empty."""
    return shown(entity) or "''"


def _fingerprint(entity: Any, values: Mapping[str, JsonValue], unread: Sequence[UnreadCell]) -> str:
    told: dict[str, Any] = {"values": values, "unread": [(each.column, each.text) for each in unread]}
    return json_digest(told if entity is None else {**told, "entity": entity})[:16]


def _catch(
    spec: UseCase, window: Window, rule: str, rows: pa.Table, expectations: Mapping[str, Expectation], most: int
) -> RuleCatch:
    examples = rows.slice(0, most).to_pylist()
    return RuleCatch(
        window=window,
        rule=rule,
        rows=rows.num_rows,
        entities=tuple(spec.shown_entity(each.get(spec.key)) for each in examples),
        cells=cells_caught(spec, rule, rows, expectations, most),
        examples=tuple(quarantined_row(spec, row) for row in examples),
    )


def quarantined_row(spec: UseCase, row: dict[str, Any]) -> QuarantinedRow:
    """The row of the quarantine's table, with what may be shown of it."""
    private = spec.private_columns
    entity, unread = row.get(spec.key), unread_cells(row.get(BAD_CELLS))
    values = {name: json_safe(row[name]) for name in spec.columns if name in row and name != spec.key}
    return QuarantinedRow(
        entity=spec.shown_entity(entity),
        values={name: value if value is None or name not in private else WITHHELD for name, value in values.items()},
        unread=tuple(replace(cell, text=WITHHELD) if cell.column in private else cell for cell in unread),
        rules=tuple(row[RULE_COLUMN].split(RULE_SEPARATOR)) if RULE_COLUMN in row else (),
        fingerprint=_fingerprint(entity, values, unread),
    )
