"""The files of a first use case: `use_case.yaml`, SQL where there is a database, `expectations.yaml`."""

import json
import math
import shutil
from dataclasses import dataclass
from datetime import time, timedelta
from pathlib import Path
from tempfile import mkdtemp
from zoneinfo import ZoneInfo

from perennial.errors import InvalidSettings
from perennial.scaffold.guess import ColumnGuess, Guess
from perennial.scaffold.names import with_ending
from perennial.scaffold.origin import Objects, Origin, Query
from perennial.sources.peek import Dialect
from perennial.spec.columns import Kind, Role
from perennial.spec.folder import SPEC_FILE, read_folder
from perennial.spec.names import Task
from perennial.spec.parameters import bound_names
from perennial.spec.problems import Violation
from perennial.window import Every, Grid

EXPECTATIONS_FILE, SOURCE_FILE, LABELS_FILE = "expectations.yaml", "source.sql", "labels.sql"
KNOWN_AT = "known_at"
_HISTORY = {
    Every.HOUR: ("14d", "3d", timedelta(hours=1)),
    Every.DAY: ("90d", "14d", timedelta(days=1)),
    Every.WEEK: ("52w", "8w", timedelta(weeks=1)),
    Every.MONTH: ("1096d", "184d", timedelta(days=30)),
    **{every: ("30d", "7d", timedelta(hours=every.hours)) for every in Every if every.hours is not None},
}


@dataclass(frozen=True)
class Plan:
    """Everything that the files are made from. `labels` is None when outcomes lie beside the rows."""

    name: str
    guess: Guess
    rows: Origin
    labels: Origin | None
    dialect: Dialect | None
    labels_dialect: Dialect | None
    timezone: str


def write(root: Path, plan: Plan) -> tuple[Path, tuple[Violation, ...]]:
    """Write the use case's folder into `root`, whole or not at all; the folder, and what is wrong in it.

    Errors: `InvalidSettings` when there is such a folder already.
    """
    folder = root / plan.name
    if folder.exists():
        raise InvalidSettings(
            f"{folder} is there already, and nothing in it was changed. Take another name, or remove it."
        )
    root.mkdir(parents=True, exist_ok=True)
    scratch = Path(mkdtemp(prefix=".new-", dir=root))
    try:
        draft = scratch / plan.name
        draft.mkdir()
        for file, text in texts(plan).items():
            (draft / file).write_text(text, "utf-8")
        draft.rename(folder)
    finally:
        shutil.rmtree(scratch)
    return folder, read_folder(folder).violations


def texts(plan: Plan) -> dict[str, str]:
    """The files' texts by name."""
    files = {SPEC_FILE: _spec(plan), EXPECTATIONS_FILE: _expectations(plan)}
    if isinstance(plan.rows, Query):
        columns = [_select(each, plan.timezone) for each in plan.guess.columns]
        files[SOURCE_FILE] = _sql("The rows of a window.", plan.rows, columns, plan.guess.event_time, plan.timezone)
    labels = plan.labels or plan.rows
    if isinstance(labels, Query):
        files[LABELS_FILE] = _labels_sql(plan, labels)
    return files


def _spec(plan: Plan) -> str:
    guess = plan.guess
    history, holdout, length = _HISTORY[guess.every]
    windows = _duration(history) / length
    rows = guess.rows_per_window[0] * windows / 4 if guess.rows_per_window else 1_000
    least = max(50, min(1_000, math.floor(rows)))
    metric = "roc_auc" if guess.task is Task.BINARY_CLASSIFICATION else "mae"
    remarks = "".join(f"#   - {remark}\n" for remark in guess.remarks)
    of_rows, of_labels = guess.columns, _label_columns(guess)
    if plan.labels is None:  # the same files, so they are written in the same way
        of_rows = of_labels = (*of_rows, *of_labels)
    return f"""\
# Written by `perennial new` from what the data look like. What is marked "guess" should be checked by somebody who
# knows them, and so should this: a column that is known only after the outcome must not be a feature.
{remarks}name: {plan.name}
title: {plan.name.replace("_", " ").capitalize()}
owner: nobody yet  # who answers for it
task: {guess.task}

schedule:
  every: {guess.every}  # guess: --every
  timezone: {plan.timezone}
  start: {_first_start(guess, plan.timezone)}  # guess: the window of the first row that was seen
{_last_end(guess, plan.timezone)}
source:
{_source(plan.rows, SOURCE_FILE, plan.dialect, of_rows, plan.timezone, "  ")}
columns:
{_columns(guess, renamed=isinstance(plan.rows, Query))}
labels:
  source:
{_source(plan.labels or plan.rows, LABELS_FILE, plan.labels_dialect, of_labels, plan.timezone, "    ")}\
  column: {_label_name(guess)}
  arrival_time: {_arrival_name(guess)}{"" if guess.arrival else "  # guess: known at the event time"}
{_labels_from(plan)}\
  mature_after: {guess.mature_after.days}d  # guess: 99 in 100 outcomes come within this time
{_dated_by(plan)}\

quality:
  expectations: {EXPECTATIONS_FILE}
  min_rows: 1

training:
  history: {history}
  holdout: {holdout}
  min_rows: {least}  # guess: a quarter of what the history would have
  metric: {metric}
  candidates:
    - name: boosting
      estimator: hist_gradient_boosting
    - name: linear
      estimator: linear
"""


def _last_end(guess: Guess, timezone: str) -> str:
    """A line for data that have ended, to be taken in by the person who knows; nothing where only some were seen."""
    if guess.rows_per_window is None:
        return ""
    end = Grid(guess.every, timezone).containing(guess.last).end.astimezone(ZoneInfo(timezone))
    end = end if end.time() == time() else end + timedelta(days=1)
    return (
        f"  # end: {end:%Y-%m-%d}  # if no more rows will come; without it, every window since then counts as missing\n"
    )


def _first_start(guess: Guess, timezone: str) -> str:
    # Hours may start at any hour, but a schedule starts on a day.
    every = Every.DAY if guess.every is Every.HOUR else guess.every
    start = Grid(every, timezone).containing(guess.first).start
    return f"{start.astimezone(ZoneInfo(timezone)):%Y-%m-%d}"


def _source(
    origin: Origin, file: str, dialect: Dialect | None, columns: tuple[ColumnGuess, ...], timezone: str, indent: str
) -> str:
    if isinstance(origin, Query):
        lines = ["type: postgres", f"connection: {origin.connection}", f"query: {file}"]
        return "".join(f"{indent}{line}\n" for line in lines)
    if isinstance(origin, Objects):
        lines = ["type: s3", f"connection: {origin.connection}", f"bucket: {_text(origin.bucket)}"]
        lines.append(f"prefix: {_text(origin.prefix)}")
    else:
        lines = ["type: files", f"path: {_text(origin.path)}", f"pattern: {_text(origin.pattern)}"]
    lines.append(f"format: {origin.format}")
    if any(each.naive for each in columns):
        lines.append(f"timezone: {timezone}  # guess: the zone of times without an offset (--timezone)")
    options = {}
    if dialect is not None and not dialect.plain:
        plain = Dialect()
        options = {
            name: getattr(dialect, name)
            for name in ("delimiter", "escape", "encoding")
            if getattr(dialect, name) != getattr(plain, name)
        }
    if any(each.decimal_comma for each in columns):
        options["decimal"] = ","
    if options:
        lines.append("csv: {" + ", ".join(f"{name}: {json.dumps(value)}" for name, value in options.items()) + "}")
    return "".join(f"{indent}{line}\n" for line in lines)


def _columns(guess: Guess, *, renamed: bool) -> str:
    """The columns; `renamed` says that the query gives them their names already."""
    lines = []
    for each in guess.columns:
        parts = [f"kind: {each.kind}"]
        if each.role is not Role.FEATURE:
            parts.append(f"role: {each.role}")
        if each.role is Role.EVENT_TIME and guess.every is not Every.MONTH:
            parts.append("derive: [hour, weekday]" if guess.every is not Every.WEEK else "derive: [hour]")
        if each.written != each.name and not renamed:
            parts.append(f"from: {json.dumps(each.written, ensure_ascii=False)}")
        why = f"  # {each.why}" if each.why else "  # guess" if each.role in (Role.KEY, Role.EVENT_TIME) else ""
        lines.append(f"  {each.name}: {{{', '.join(parts)}}}{why}\n")
    return "".join(lines)


def _label_columns(guess: Guess) -> tuple[ColumnGuess, ...]:
    return (guess.label, *((guess.arrival,) if guess.arrival else (guess.event_time,)))


def _label_name(guess: Guess) -> str:
    taken = {each.name for each in guess.columns}
    return guess.label.name if guess.label.name not in taken else with_ending(guess.label.name, "_outcome")


def _arrival_name(guess: Guess) -> str:
    taken = {each.name for each in guess.columns}
    name = guess.arrival.name if guess.arrival else KNOWN_AT
    return name if name not in taken else with_ending(name, "_of_outcome")


def _labels_from(plan: Plan) -> str:
    """What files call the label's columns, where that is something else."""
    if isinstance(plan.labels or plan.rows, Query):
        return ""
    guess = plan.guess
    written = {
        _label_name(guess): guess.label.written,
        _arrival_name(guess): (guess.arrival or guess.event_time).written,
    }
    if guess.key.written != guess.key.name:
        written[guess.key.name] = guess.key.written
    pairs = [f"{name}: {json.dumps(there, ensure_ascii=False)}" for name, there in written.items() if name != there]
    return f"  from: {{{', '.join(pairs)}}}\n" if pairs else ""


def _dated_by(plan: Plan) -> str:
    """How files of outcomes are dated, where that is not by their rows' event time."""
    if not plan.guess.by_arrival or isinstance(plan.labels or plan.rows, Query):
        return ""
    return "  dated_by: arrival_time  # guess: outcomes come without their row's event time\n"


def _expectations(plan: Plan) -> str:
    guess = plan.guess
    bounds = "min_value: 1"
    if guess.rows_per_window is not None:
        fewest, most = guess.rows_per_window
        bounds = f"min_value: {max(1, math.floor(fewest / 3))}, max_value: {math.ceil(most * 3)}"
    lines = [
        "# Guesses from some rows, so all of them only warn. Make what must hold `severity: critical`; where single\n"
        "# rows are to be set aside instead, say `quarantine: true`, and leave `mostly` out.\n"
        "expectations:\n"
        "  - type: expect_table_row_count_to_be_between\n"
        f"    kwargs: {{{bounds}}}\n"
        "    severity: warning\n"
    ]
    for each in guess.columns:
        if each.low is not None and each.high is not None:
            lines.append(
                "  - type: expect_column_values_to_be_between\n"
                f"    kwargs: {{column: {each.name}, min_value: {each.low:g}, max_value: {each.high:g}, "
                "mostly: 0.99}\n"
                "    severity: warning\n"
            )
        elif each.categories:
            values = ", ".join(json.dumps(value, ensure_ascii=False) for value in each.categories)
            lines.append(
                "  - type: expect_column_values_to_be_in_set\n"
                f"    kwargs: {{column: {each.name}, value_set: [{values}], mostly: 0.95}}\n"
                "    severity: warning\n"
            )
    return "".join(lines)


def _sql(title: str, origin: Query, columns: list[str], event_time: ColumnGuess, timezone: str) -> str:
    listed = ",\n".join(f"    {column}" for column in columns)
    at = _instant(event_time, timezone)
    cut = "" if _is_cut(origin) else f"\nWHERE {at} >= :start AND {at} < :end"
    return f"-- {title}\nSELECT\n{listed}\nFROM {_from(origin)}{cut}\n"


def _labels_sql(plan: Plan, origin: Query) -> str:
    guess = plan.guess
    known = _instant(guess.arrival or guess.event_time, plan.timezone)
    outcome = _quoted(guess.label.written)
    if guess.label.kind is Kind.BOOLEAN:
        outcome = f"CAST({outcome} AS integer) = 1"
    columns = [
        _aliased(_quoted(guess.key.written), guess.key),
        f"{outcome} AS {_quoted(_label_name(guess))}" if outcome != _quoted(_label_name(guess)) else outcome,
        f"{known} AS {_quoted(_arrival_name(guess))}" if known != _quoted(_arrival_name(guess)) else known,
    ]
    title = "The outcomes that had arrived by :as_of."
    if guess.arrival:
        title += " One that is null says that none will come."
    text = _sql(title, origin, columns, guess.event_time, plan.timezone)
    conditions = [] if "as_of" in bound_names(origin.sql) else [f"{known} <= :as_of"]
    if not guess.arrival:  # at the event time nothing is known yet
        conditions.append(f"{_quoted(guess.label.written)} IS NOT NULL")
    for position, condition in enumerate(conditions):
        word = "WHERE" if _is_cut(origin) and not position else "AND"
        text = f"{text.rstrip()}\n    {word} {condition}\n"
    return text


def _is_cut(origin: Query) -> bool:
    """Whether the query cuts its rows to the window by itself."""
    return {"start", "end"} <= bound_names(origin.sql).keys()


def _from(origin: Query) -> str:
    if origin.table:
        return origin.table
    inner = "\n".join(f"    {line}" for line in origin.sql.splitlines())
    return f"(\n{inner}\n) AS q"


def _select(column: ColumnGuess, timezone: str) -> str:
    if column.kind is Kind.TIMESTAMP and column.naive:
        return f"{_instant(column, timezone)} AS {_quoted(column.name)}"
    return _aliased(_quoted(column.written), column)


def _aliased(expression: str, column: ColumnGuess) -> str:
    return expression if column.written == column.name else f"{expression} AS {_quoted(column.name)}"


def _instant(column: ColumnGuess, timezone: str) -> str:
    if column.naive:
        return f"CAST({_quoted(column.written)} AS timestamp) AT TIME ZONE '{timezone}'"
    return _quoted(column.written)


def _quoted(name: str) -> str:
    """The name as SQL takes it, in quotes only where it must be."""
    plain = name.isascii() and name.isidentifier() and name == name.lower() and name not in _RESERVED
    return name if plain else '"' + name.replace('"', '""') + '"'


# The words of SQL that columns are most often called.
_RESERVED = {
    *("all", "and", "any", "as", "asc", "both", "case", "cast", "check"),
    *("column", "default", "desc", "distinct", "do", "else", "end", "false", "for"),
    *("foreign", "from", "grant", "group", "having", "in", "into", "limit", "not"),
    *("null", "offset", "on", "only", "or", "order", "primary", "references", "select"),
    *("some", "symmetric", "table", "then", "to", "true", "union", "unique", "user"),
    *("using", "when", "where", "window", "with"),
}


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _duration(text: str) -> timedelta:
    return timedelta(days=int(text[:-1]) * (7 if text.endswith("w") else 1))
