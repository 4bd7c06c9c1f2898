"""A sample's values: what the rules of the use case, and good sense, say about them."""

from datetime import timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from perennial.features.build import LARGEST_FEATURE
from perennial.quality.labels import known_at_the_event, too_large_to_judge
from perennial.quality.row_rules import outside_window
from perennial.quality.schema import canonical_schema
from perennial.quality.validate import validate
from perennial.review.findings import Findings, Level
from perennial.review.matching import match_keys
from perennial.sources.naming import filled
from perennial.spec.columns import Kind, Role
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.problems import Location, shown
from perennial.spec.sources import PostgresSource, S3Source
from perennial.window import YEARS_BEGIN, YEARS_END, Window
from perennial.wording import counted


def rows_of_window(spec: UseCase, rows: pa.Table, window: Window, of_others: int, found: Findings) -> pa.Table | None:
    """The rows of the window in the spec's columns; what is not there is missing. So many are `of_others`: they are
    read by windows of their own, which is ordinary where files are cut by another clock than windows.
    """
    at: Location = ("columns", spec.event_time)
    schema = canonical_schema(spec)
    there = [
        rows.column(field.name) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    whole = pa.Table.from_arrays(there, schema=schema)
    if spec.event_time not in rows.column_names:
        return None
    timeless = whole.column(spec.event_time).null_count
    if timeless:
        found.add(Level.ERROR, at, f"{counted(timeless, 'row')} of {whole.num_rows:,} have no {spec.event_time}")
    outside = pa.array(outside_window(spec, whole, window))
    strays = pc.sum(outside).as_py() or 0
    ordinary = strays == of_others
    if not ordinary and 0 < strays < whole.num_rows:
        strays = _lost(spec, whole.filter(outside).column(spec.event_time), window)
    inside = whole.filter(pc.invert(outside))
    inside = inside.filter(pc.is_valid(inside.column(spec.event_time)))
    if strays and ordinary:
        text = f"{counted(strays, 'row')} of {whole.num_rows:,} belong to other windows, which read these files, too"
        found.add(Level.NOTE, at, text)
    elif strays:
        span = pc.min_max(whole.column(spec.event_time))
        none = inside.num_rows == 0
        found.add(
            Level.ERROR if none or isinstance(spec.source, PostgresSource) else Level.WARNING,
            at,
            f"{counted(strays, 'row')} of {whole.num_rows:,} lie outside the window {window}; they reach from "
            f"{span['min'].as_py():%Y-%m-%dT%H:%M:%SZ} to {span['max'].as_py():%Y-%m-%dT%H:%M:%SZ}. "
            + (
                "Cut them in the query: >= :start and < :end."
                if isinstance(spec.source, PostgresSource)
                else "Is the schedule's time zone the one that the files are cut by? Where rows lie in the file of a "
                "day before or after theirs, set `reach: 1d` in the source"
            ),
        )
    return inside


def _lost(spec: UseCase, times: pa.ChunkedArray, window: Window) -> int:
    """How many of the rows outside the window no other one finds, because it reads none of the files of this one."""
    if isinstance(spec.source, PostgresSource):
        return len(times)
    pattern = spec.source.prefix if isinstance(spec.source, S3Source) else f"{spec.source.path}\n{spec.source.pattern}"
    reach = spec.source.reach or timedelta(0)
    read = set(filled(pattern, window.start - reach, window.end + reach))
    known = pc.drop_null(times).to_pylist()
    left = [time for time in known if YEARS_BEGIN <= time < YEARS_END]
    lost = len(known) - len(left)
    while left:
        other = spec.grid.containing(left[0])
        outside = [time for time in left if not other.start <= time < other.end]
        if read.isdisjoint(filled(pattern, other.start - reach, other.end + reach)):
            lost += len(left) - len(outside)
        left = outside
    return lost


def judge_rules(use_case: LoadedUseCase, rows: pa.Table, window: Window, found: Findings) -> None:
    """What validation would say."""
    spec = use_case.spec
    checked = validate(use_case, rows, window)
    total = max(rows.num_rows, 1)
    most = spec.quality.max_quarantined_share
    rules = iter(found.places.row_rules)
    for rule in checked.result["row_rules"]:
        name = rule["rule"]
        file, at = next(rules) if name.startswith("expect_") else (None, _column_of(name))
        if rule["error"]:
            found.add(Level.ERROR, at, f"{name} can't be evaluated: {rule['error']}", file)
        elif rule["rows"]:
            share = rule["rows"] / total
            level = Level.ERROR if share > most else Level.WARNING
            found.add(
                level,
                at,
                f"{name} catches {counted(rule['rows'], 'row')} of {total:,} ({share:.2%}; a window with more than "
                f"{most:.2%}, quality.max_quarantined_share, fails)",
                file,
            )
    # Where no row is clean, expectations were not judged.
    for outcome, (file, at) in zip(checked.result["expectations"], found.places.expectations, strict=False):
        if not outcome["met"]:
            level = Level.ERROR if outcome["severity"] == "critical" else Level.WARNING
            found.add(level, at, _unmet(outcome), file)
    for gate in checked.result["gates"]:
        if gate["reason"] and gate["gate"] == "row_count":
            found.add(Level.ERROR, ("quality", "min_rows"), gate["reason"])


def judge_features(spec: UseCase, rows: pa.Table, found: Findings) -> None:
    """Features that tell nothing."""
    for name, column in spec.columns.items():
        if column.role is not Role.FEATURE:
            continue
        values = rows.column(name)
        if values.null_count == len(values):
            found.add(Level.WARNING, ("columns", name), f"feature {name} is missing in every row")
        elif rows.num_rows > 1 and len(pc.unique(values)) == 1:
            value = "the same" if name in spec.private_columns else shown(str(values[0].as_py()), 40)
            found.add(Level.WARNING, ("columns", name), f"feature {name} is {value} in every row: it tells nothing")


def _recurring(spec: UseCase, labels: pa.Table, found: Findings) -> None:
    """Tell where labels that find their rows by the key alone have one key again and again."""
    entities = pc.count_distinct(labels.column(spec.key)).as_py()
    if spec.labels.dated_by == "arrival_time" and labels.num_rows > 2 * entities:
        text = (
            f"{counted(entities, 'key')} with {labels.num_rows:,} labels: by arrival time they are matched by the key "
            "alone, which must name one row of all windows. Where it names one that comes again, let label files hold "
            f"{spec.event_time} and leave dated_by out"
        )
        found.add(Level.WARNING, ("labels", "dated_by"), text)


def judge_labels(spec: UseCase, rows: pa.Table | None, labels: pa.Table, found: Findings) -> None:
    """The labels, by themselves and beside the window's rows."""
    outcome, arrival = spec.labels.column, spec.labels.arrival_time
    there = set(labels.column_names)
    if arrival in there and labels.num_rows:
        missing = labels.column(arrival).null_count
        if missing:
            found.add(
                Level.WARNING,
                ("labels", "arrival_time"),
                f"{counted(missing, 'label')} of {labels.num_rows:,} have no {arrival}: they count as not arrived",
            )
    if outcome in there and labels.num_rows:
        _outcomes(spec, labels, found)
    if spec.key not in there or rows is None or not rows.num_rows or not labels.num_rows:
        return
    _recurring(spec, labels, found)
    match = match_keys(rows.column(spec.key).to_pylist(), labels.column(spec.key).to_pylist())
    if match.suspicious:
        personal = spec.columns[spec.key].personal
        example = f", such as {match.example[0]!r} and {match.example[1]!r}" if match.example and not personal else ""
        mended = (
            f"; without {match.mend}, {match.matched_when_mended:,} would match. Write both in the same way"
            if match.mend
            else "; do both name the same entities, in the same window?"
        )
        found.add(
            Level.ERROR,
            ("labels", "source"),
            f"only {match.both:,} of {counted(match.labels, 'label key')} are among the {match.rows:,} keys of the "
            f"rows{example}{mended}",
        )
    elif outcome in there:
        _leaks(spec, rows, labels, found)


def _outcomes(spec: UseCase, labels: pa.Table, found: Findings) -> None:
    values, arrival = labels.column(spec.labels.column), spec.labels.arrival_time
    if too_large := pc.sum(too_large_to_judge(values)).as_py():
        told = f"{counted(too_large, 'label')} of {len(values):,} beyond {LARGEST_FEATURE:.3g}"
        text = f"{told}: no model can be judged by that"
        found.add(Level.ERROR, ("labels", "column"), text)
    known = values.drop_null()
    if len(known) and len(pc.unique(known)) == 1:
        value = known[0].as_py()
        found.add(Level.WARNING, ("labels", "column"), f"the outcome is {value} in every label of this window")
    if arrival in labels.column_names:
        labels = labels.filter(pc.is_valid(labels.column(arrival)))
    lacking = labels.column(spec.labels.column).null_count
    if not lacking:
        return
    if known_at_the_event(spec):
        meaning = "as nothing was known at the event time, these are left out"
    else:
        meaning = (
            "it says that none will come, and the row is not waited for. Leave out labels whose outcome may still come"
        )
    level = Level.WARNING if 2 * lacking > labels.num_rows else Level.NOTE
    text = f"{counted(lacking, 'label')} of {labels.num_rows:,} without an outcome: {meaning}"
    found.add(level, ("labels", "column"), text)


def _leaks(spec: UseCase, rows: pa.Table, labels: pa.Table, found: Findings) -> None:
    """Features that are the outcome itself."""
    truth = dict(zip(*(labels.column(n).to_pylist() for n in (spec.key, spec.labels.column)), strict=True))
    keys = rows.column(spec.key).to_pylist()
    known = [position for position, key in enumerate(keys) if truth.get(key) is not None]
    if len({truth[keys[position]] for position in known}) < 2:  # noqa: PLR2004 - one value equals itself
        return
    kinds = (Kind.BOOLEAN, Kind.INTEGER, Kind.NUMERIC)
    for name, column in spec.feature_columns.items():
        if column.kind not in kinds:
            continue
        values = rows.column(name).to_pylist()
        if all(values[position] is not None and values[position] == truth[keys[position]] for position in known):
            found.add(
                Level.WARNING,
                ("columns", name),
                f"feature {name} equals the outcome in all {counted(len(known), 'labelled row')}: is it known before "
                "the outcome is?",
            )


def _column_of(rule: str) -> Location:
    """Where the column of an integrity rule, such as `unique_key(order_id)`, is declared."""
    return ("columns", rule.partition("(")[2].removesuffix(")"))


def _unmet(outcome: dict[str, Any]) -> str:
    if outcome["error"]:
        return f"{outcome['type']} can't be evaluated: {outcome['error']}"
    if outcome["unexpected"] is not None and outcome["checked"] is not None:
        present = outcome["checked"] - (outcome["missing"] or 0)
        samples = ", ".join(shown(str(each), 40) for each in outcome["samples"])
        some = f", such as {samples}" if samples else ""
        return f"{outcome['type']} is not met: {outcome['unexpected']:,} of {counted(present, 'value')} break it{some}"
    return f"{outcome['type']} is not met: observed {outcome['observed']}"
