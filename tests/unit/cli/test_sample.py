"""`perennial check --sample`: everything in a window that does not fit, at once, with the line to change."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.errors import SchemaMismatch, StoreUnavailable
from perennial.jobs.predict import ingest
from perennial.lake.memory import InMemoryLake
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.quality.labels import conform_labels
from perennial.registry.memory import MemoryRegistry
from perennial.review import sample
from perennial.review.findings import Level
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.peek import Peek, peek_source
from perennial.spec.load import load_use_case
from perennial.spec.sources import PostgresSource
from perennial.wiring import source_opener

SPEC = """\
name: orders
title: Orders that are late
owner: shop
task: binary_classification
schedule: {every: day, start: 2024-01-01}
source: {type: files, path: data, pattern: "%Y-%m-%d*.csv", format: csv}
columns:
  order_id: {kind: categorical, role: key}
  ordered_at: {kind: timestamp, role: event_time}
  amount: {kind: numeric}
  items: {kind: integer}
  express: {kind: boolean}
  country: {kind: categorical}
labels:
  source: {type: files, path: labels, pattern: "%Y-%m-%d*.csv", format: csv}
  column: late
  arrival_time: known_at
  mature_after: 1d
training:
  history: 30d
  holdout: 7d
  metric: roc_auc
  candidates: [{name: linear, estimator: linear}]
"""
EXPECTATIONS = """\
expectations:
  - type: expect_column_values_to_be_between
    kwargs: {column: amount, min_value: 0}
    quarantine: true
  - type: expect_column_values_to_be_in_set
    kwargs: {column: country, value_set: [DE, FR]}
"""
HEADER = "order_id,ordered_at,amount,items,express,country"
LABELS = "order_id,ordered_at,late,known_at"
NOW = datetime(2024, 2, 1, tzinfo=UTC)


def row(number: int, **changed: object) -> str:
    cells = {
        "order_id": f"o{number:04}",
        "ordered_at": f"2024-01-05T10:{number % 60:02}:00Z",
        "amount": 10 + number,
        "items": number % 5,
        "express": "true" if number % 2 else "false",
        "country": "DE" if number % 3 else "FR",
    }
    return ",".join(str(cell) for cell in (cells | changed).values())


def label(number: int, **changed: object) -> str:
    cells = {
        "order_id": f"o{number:04}",
        "ordered_at": f"2024-01-05T10:{number % 60:02}:00Z",
        "late": 1 if number % 4 else 0,
        "known_at": "2024-01-07T00:00:00Z",
    }
    return ",".join(str(cell) for cell in (cells | changed).values())


class Orders:
    """The folder of a use case with a day's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "orders"
        (self.folder / "data").mkdir(parents=True)
        (self.folder / "labels").mkdir()
        (self.folder / "use_case.yaml").write_text(SPEC)
        (self.folder / "expectations.yaml").write_text(EXPECTATIONS)
        self.rows([row(n) for n in range(60)])
        self.labels([label(n) for n in range(60)])

    def rows(self, lines: list[str], header: str = HEADER) -> None:
        (self.folder / "data" / "2024-01-05.csv").write_text("\n".join([header, *lines, ""]))

    def labels(self, lines: list[str], header: str = LABELS) -> None:
        (self.folder / "labels" / "2024-01-05.csv").write_text("\n".join([header, *lines, ""]))

    def found(self) -> sample.SampleReport:
        use_case = load_use_case(self.folder)
        window = use_case.spec.grid.starting_at("2024-01-05")
        connections = EnvironmentConnections({})

        def look(source: object, as_of: datetime) -> Peek | None:
            return peek_source(use_case, source, window, as_of, connections)  # type: ignore[arg-type]

        return sample.run(use_case, window, NOW, source_opener(connections), look)

    def line_of(self, text: str, file: str = "use_case.yaml") -> int:
        lines = (self.folder / file).read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)


def ports() -> Ports:
    return Ports(
        source=source_opener(EnvironmentConnections({})),
        lake=InMemoryLake(),
        ledger=InMemoryLedger(lambda: NOW),
        registry=MemoryRegistry(),
        published=InMemoryPublished(),
        artifacts=InMemoryArtifacts(),
    )


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def errors(found: sample.SampleReport) -> list[str]:
    return [f"{each.line}: {each.problem}" for each in found.findings if each.level is Level.ERROR]


def test_a_window_that_fits_is_ready_and_says_what_it_costs(orders: Orders) -> None:
    found = orders.found()
    assert (found.ready, found.findings) == (True, ())
    assert [(each.what, each.rows, each.refused) for each in found.readings] == [
        ("rows", 60, None),
        ("labels", 60, None),
    ]
    assert all(each.bytes > 1_000 and each.seconds > 0 for each in found.readings)


def test_everything_that_is_wrong_is_told_at_once_with_its_line(orders: Orders) -> None:
    orders.rows(
        [
            row(n, ordered_at=f"2024-01-05 10:{n:02}:00", items="1.5", express="yes", amount=f'"{n},5"')
            for n in range(60)
        ],
        header="Order-ID,ordered_at,amount,items,express,land",
    )
    orders.labels([label(n, late=1 + n % 2) for n in range(60)])
    found = orders.found()
    told = "\n".join(f"{each.line}: {each.problem}" for each in found.findings)
    assert not found.ready
    for line_text, said in (
        ("order_id:", "column order_id is missing; is it Order-ID?"),
        ("ordered_at:", "column ordered_at holds times without a time zone, such as '2024-01-05 10:00:00'"),
        ("amount:", "column amount holds numbers with a decimal comma, such as '0,5' in row 1"),
        ("items:", "column items holds 60 of 60 cells that are numbers that are not whole"),
        ("express:", "column express says yes and no as 'yes' in row 1"),
        ("country:", "column country is missing"),
        ("columns:", "not declared are Order-ID, land"),
        ("column: late", "column late holds 1 and 2; binary_classification wants true and false, or 1 and 0"),
    ):
        assert f"{orders.line_of(line_text)}: {said}" in told, told
    assert "in every label" not in told
    assert "without an outcome" not in told


def test_ingest_names_the_option_for_a_decimal_comma_and_the_lines_of_the_spec(orders: Orders) -> None:
    orders.rows([row(n, amount=f'"{n},5"', items=f'"{n},0"') for n in range(60)])
    use_case = load_use_case(orders.folder)
    with pytest.raises(SchemaMismatch) as refused:
        ingest.run(use_case, use_case.spec.grid.starting_at("2024-01-05"), ports(), "test")
    said = str(refused.value)
    for name, cell in (("amount", "0,5"), ("items", "0,0")):
        assert (
            f"column {name} (use_case.yaml:{orders.line_of(f'{name}:')}): not one of its 60 cells could be read; the "
            f"first: '{cell}' has a decimal comma, it seems; say so in the source with `csv: {{decimal: \",\"}}`"
            in said
        )
    assert f"Change the source (use_case.yaml:{orders.line_of('source: {type: files, path: data')}) or the" in said


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        (pa.array([1, 2, 2]), r"holds 1 and 2; .*: map them in labels\.sql, such as `late = 2 AS late` \(2 of 3 rows"),
        (pa.array([0, 1, 5]), r"holds 0, 1, 5; .*`late = 5 AS late` \(1 of 3 rows"),
        (pa.array([1.0, 2.0, 2.0]), r"holds 1 and 2; .*\(2 of 3 rows"),
    ],
)
def test_outcomes_of_a_query_that_are_no_booleans_are_refused_with_what_to_change(
    orders: Orders, outcomes: pa.Array, said: str
) -> None:
    spec = load_use_case(orders.folder).spec
    source = PostgresSource(type="postgres", connection="shop", query="labels.sql")
    spec = spec.model_copy(update={"labels": spec.labels.model_copy(update={"source": source})})
    known = pa.array([NOW] * 3, pa.timestamp("us", "UTC"))
    with pytest.raises(SchemaMismatch, match=said):
        conform_labels(spec, pa.table({"order_id": ["a", "b", "c"], "late": outcomes, "known_at": known}))


def test_rows_that_other_windows_read_are_no_mistake(orders: Orders) -> None:
    spec = orders.folder / "use_case.yaml"
    spec.write_text(spec.read_text().replace("{every: day,", "{every: day, timezone: Europe/Berlin,"))
    orders.rows([row(n) for n in range(59)] + [row(59, ordered_at="2024-01-05T23:30:00Z")])  # the 6th in Berlin
    (note,) = orders.found().findings
    assert (note.level, note.problem) == (
        Level.NOTE,
        "1 row of 60 belong to other windows, which read these files, too",
    )


def test_a_row_of_the_last_day_that_there_is_lies_outside_the_window(orders: Orders) -> None:
    orders.rows([row(n) for n in range(59)] + [row(59, ordered_at="9999-12-31T00:00:00Z")])
    assert "1 row of 60 lie outside the window" in "\n".join(each.problem for each in orders.found().findings)


def test_files_in_a_folder_are_looked_at_as_ingest_reads_them(orders: Orders) -> None:
    spec, parts = orders.folder / "use_case.yaml", orders.folder / "data" / "2024-01-05"
    spec.write_text(spec.read_text().replace('data, pattern: "%Y-%m-%d*.csv"', 'data, pattern: "%Y-%m-%d"'))
    (parts / "_temporary").mkdir(parents=True)
    orders.rows([row(n).replace(",", ";") for n in range(60)], header=HEADER.replace(",", ";"))
    (orders.folder / "data" / "2024-01-05.csv").rename(parts / "part-0.csv")
    (parts / "_temporary" / "part-1.csv").write_text("not,yet")
    (parts / "part-2.csv.tmp").write_text("neither,this")
    (problem,) = errors(orders.found())
    assert "the files are written with delimiter ';'; say so: csv: {delimiter: ';'}" in problem


def test_another_dialect_is_named(orders: Orders) -> None:
    orders.rows([row(n).replace(",", ";") for n in range(60)], header=HEADER.replace(",", ";"))
    (problem,) = errors(orders.found())
    assert "the files are written with delimiter ';'; say so: csv: {delimiter: ';'}" in problem


def test_text_that_is_not_utf_8_is_told_with_its_line_and_the_rest_is_read(orders: Orders) -> None:
    path = orders.folder / "data" / "2024-01-05.csv"
    path.write_bytes(path.read_text().replace("FR", "Zürich").encode("cp1252"))
    told = "\n".join(errors(orders.found()))
    assert "line 2: not UTF-8, and read as cp1252" in told
    assert "expect_column_values_to_be_in_set is not met: 20 of 60 values break it, such as Zürich" in told


@pytest.mark.parametrize(
    ("written", "mend"),
    [
        (lambda key: f"'{key}   '", None),
        (lambda key: f"{key}   ", "spaces around them"),
        (str.upper, "upper and lower case"),
        (lambda key: f"{key.upper()} ", "spaces around them, upper and lower case"),
        (lambda key: key[:1] + "-" + key[1:], "hyphens, spaces and underscores"),
    ],
)
def test_keys_that_do_not_match_are_told_with_what_they_differ_by(
    orders: Orders, written: Callable[[str], str], mend: str | None
) -> None:
    orders.labels([label(n, order_id=written(f"o{n:04}")) for n in range(60)])
    (problem,) = errors(orders.found())
    assert "only 0 of 60 label keys are among the 60 keys of the rows" in problem
    assert (f"without {mend}, 60 would match" in problem) if mend else ("same entities" in problem)


def test_zeros_in_front_that_one_side_lost(orders: Orders) -> None:
    orders.rows([row(n, order_id=f"{n:06}") for n in range(60)])
    orders.labels([label(n, order_id=n) for n in range(60)])
    (problem,) = errors(orders.found())
    assert "without zeros in front, 60 would match" in problem


def test_rows_outside_the_window_doubled_keys_and_broken_rules(orders: Orders) -> None:
    rows = [row(n) for n in range(57)]
    rows += [row(57, ordered_at="2024-01-06T00:00:00Z"), row(0), row(58, amount=-3), row(59, country="XX")]
    orders.rows(rows)
    found = orders.found()
    told = {f"{each.file.name}:{each.line}": (each.level, each.problem) for each in found.findings}
    assert told[f"use_case.yaml:{orders.line_of('ordered_at:')}"][0] is Level.WARNING
    assert "1 row of 61 lie outside the window" in told[f"use_case.yaml:{orders.line_of('ordered_at:')}"][1]
    assert "unique_key(order_id) catches 2 rows of 60" in told[f"use_case.yaml:{orders.line_of('order_id:')}"][1]
    assert told["expectations.yaml:2"][0] is Level.ERROR
    assert "expect_column_values_to_be_between(amount) catches 1 row of 60" in told["expectations.yaml:2"][1]
    assert told["expectations.yaml:5"][1].endswith("1 of 57 values break it, such as XX")


def test_features_that_tell_nothing_or_everything(orders: Orders) -> None:
    rows = [row(n, items=7, country="", express=1 if n % 4 else 0) for n in range(60)]
    orders.rows(rows)
    found = orders.found()
    told = [each.problem for each in found.findings if each.level is Level.WARNING]
    assert "feature items is 7 in every row: it tells nothing" in told
    assert "feature country is missing in every row" in told
    assert any(each.startswith("feature express equals the outcome in all 60 labelled rows") for each in told)


@pytest.mark.parametrize(("lacking", "level"), [(6, Level.NOTE), (40, Level.WARNING)])
def test_labels_without_an_outcome_are_counted_and_what_they_mean_is_told(
    orders: Orders, lacking: int, level: Level
) -> None:
    unknown = [label(59, late="", known_at="")]
    orders.labels([*(label(n, **({"late": ""} if n < lacking else {})) for n in range(59)), *unknown])
    (found,) = (each for each in orders.found().findings if "without an outcome" in each.problem)
    assert (found.level, found.line) == (level, orders.line_of("column: late"))
    assert found.problem.startswith(f"{lacking} labels of 59 without an outcome: it says that none will come")


def test_labels_without_an_outcome_at_the_event_time_are_left_out(orders: Orders) -> None:
    file = orders.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("column: late", "column: late\n  from: {known_at: ordered_at}"))
    orders.labels([label(n, **({"late": ""} if n < 6 else {})) for n in range(60)])
    (found,) = (each for each in orders.found().findings if "without an outcome" in each.problem)
    assert (
        found.problem == "6 labels of 60 without an outcome: as nothing was known at the event time, these are left out"
    )


def test_an_outcome_that_no_model_can_be_judged_by_is_an_error(orders: Orders) -> None:
    file = orders.folder / "use_case.yaml"
    text = file.read_text().replace("binary_classification", "regression").replace("roc_auc", "mae")
    file.write_text(text)
    orders.labels([label(n, late=1.7e308 if n == 7 else n) for n in range(60)])
    (problem,) = errors(orders.found())
    said = "1 label of 60 beyond 3.4e+38: no model can be judged by that"
    assert problem == f"{orders.line_of('column: late')}: {said}"


def test_no_file_and_no_labels_yet(orders: Orders) -> None:
    (orders.folder / "labels" / "2024-01-05.csv").unlink()
    found = orders.found()
    assert found.ready
    (warning,) = found.findings
    assert (warning.level, warning.line) == (Level.WARNING, orders.line_of("  source: {type: files, path: labels"))
    (orders.folder / "data" / "2024-01-05.csv").unlink()
    found = orders.found()
    assert "no file matches" in errors(found)[0]
    assert len(found.findings) == 2


def test_parquet_with_types_that_do_not_suit(orders: Orders) -> None:
    spec = orders.folder / "use_case.yaml"
    spec.write_text(spec.read_text().replace('data, pattern: "%Y-%m-%d*.csv", format: csv', "data, format: parquet"))
    (orders.folder / "data" / "2024-01-05.csv").unlink()
    times = [datetime(2024, 1, 5, 10, n, tzinfo=UTC).replace(tzinfo=None) for n in range(60)]
    table = pa.table(
        {
            "order_id": [f"o{n:04}" for n in range(60)],
            "ordered_at": pa.array(times, pa.timestamp("us")),
            "amount": [str(n) for n in range(60)],
            "items": [1.0] * 59 + [2.5],
            "express": [True, False] * 30,
            "country": pa.array(["DE", "FR"] * 30, pa.string_view()),
        }
    )
    pq.write_table(table, orders.folder / "data" / "part.parquet")
    told = "\n".join(errors(orders.found()))
    assert "column ordered_at holds times without a time zone" in told
    assert "column amount is text at the source, and numeric in the spec" in told
    assert (
        "column items holds 1 of 60 cells that are not whole, so declare it numeric; the first is '2.5' in row 60"
        in told
    )


def test_the_command_prints_it_and_ends_with_5(world: World, perennial: Call) -> None:
    world.parcels.table = world.parcels.table.drop_columns(["weight"])
    code, out, _ = perennial("check", "parcels", "--sample", "2024-01-05")
    spec = world.use_case.folder / "use_case.yaml"
    line = spec.read_text().splitlines().index("  weight: {kind: numeric}") + 1
    assert code == 5
    assert f"{spec}:{line}: error: columns.weight: column weight is missing" in out
    assert "rows: 180 rows, " in out


def test_the_command_says_what_comes_next(world: World, perennial: Call) -> None:
    code, out, _ = perennial("check", "parcels", "--sample", "2024-01-05")
    assert code == 0, out
    assert "Next: perennial run parcels --window 2024-01-05T00:00Z" in out
    code, out, _ = perennial("check", "--sample", "2024-01-05", "--json")
    assert code == 0
    assert json.loads(out)["readings"][0]["rows"] == 180


def test_a_kind_that_stored_windows_do_not_have_is_found_before_ingesting_refuses_it(
    world: World, perennial: Call
) -> None:
    assert perennial("ingest", "parcels", "--window", "2024-01-05")[0] == 0
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(spec.read_text().replace("weight: {kind: numeric}", "weight: {kind: integer}"))
    table = world.parcels.table
    whole = pa.array([int(weight) for weight in table.column("weight").to_pylist()])
    world.parcels.table = table.set_column(table.column_names.index("weight"), "weight", whole)
    code, out, _ = perennial("check", "parcels", "--sample", "2024-01-05")
    assert code == 5
    assert "columns.weight: raw/parcels in the lake: weight is double in the table and arrives as int64." in out
    assert "give the column a new name" in out


def test_a_lake_that_can_not_be_asked_is_a_warning(
    perennial: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_: object) -> None:
        raise StoreUnavailable("The lake can't be reached.")

    monkeypatch.setattr(InMemoryLake, "read", down)
    assert perennial("check", "parcels", "--sample", "2024-01-05")[0] == 0
    assert "the sample was not compared with the windows that are stored: The lake can't be reached." in caplog.text


def test_the_command_without_a_sample_checks_one_use_case(world: World, perennial: Call) -> None:
    (world.use_case.folder.parent / "broken").mkdir()
    assert perennial("check")[0] == 5
    code, out, _ = perennial("check", "parcels")
    assert (code, out.strip().endswith("0 errors")) == (0, True)
    code, _, err = perennial("check", "parcel")
    assert code == 3
    assert "did you mean 'parcels'?" in err


def test_a_part_without_a_byte_is_no_mistake_beside_one_with_rows(orders: Orders) -> None:
    (orders.folder / "data" / "2024-01-05-part-1.csv").touch()
    assert orders.found().findings == ()
    (orders.folder / "data" / "2024-01-05.csv").write_text("")
    (problem,) = errors(orders.found())
    assert "empty" in problem


def as_parquet(orders: Orders, **cells: pa.Array) -> None:
    """The day's rows as Parquet; `cells` replace columns."""
    spec = orders.folder / "use_case.yaml"
    text = spec.read_text().replace(
        'pattern: "%Y-%m-%d*.csv", format: csv}\ncolumns', "pattern: '%Y-%m-%d*', format: parquet}\ncolumns"
    )
    spec.write_text(text)
    (orders.folder / "data" / "2024-01-05.csv").unlink()
    numbers = range(60)
    columns = {
        "order_id": pa.array([f"o{n:04}" for n in numbers]),
        "ordered_at": pa.array([datetime(2024, 1, 5, 10, n, tzinfo=UTC) for n in numbers]),
        "amount": pa.array([10.0 + n for n in numbers]),
        "items": pa.array([n % 5 for n in numbers]),
        "express": pa.array([bool(n % 2) for n in numbers]),
        "country": pa.array(["DE" if n % 3 else "FR" for n in numbers]),
    }
    pq.write_table(pa.table(columns | cells), orders.folder / "data" / "2024-01-05.parquet")


def test_decimals_of_parquet_are_numbers(orders: Orders) -> None:
    as_parquet(orders, amount=pa.array([Decimal(n) for n in range(60)], pa.decimal128(12, 2)))
    assert orders.found().findings == ()


def test_files_that_differ_in_types_are_no_mistake_where_ingesting_takes_each(orders: Orders) -> None:
    numbers = range(60)
    as_parquet(orders)
    path = orders.folder / "data" / "2024-01-05.parquet"
    rows = pq.read_table(path)
    local = rows.column("ordered_at").cast(pa.timestamp("ns", "Europe/Berlin"))
    other = rows.set_column(1, "ordered_at", local).set_column(3, "items", pa.array([float(n % 5) for n in numbers]))
    pq.write_table(rows.slice(0, 30), path)
    pq.write_table(other.slice(30), path.with_name("2024-01-05-b.parquet"))
    assert orders.found().findings == ()
    naive = rows.column("ordered_at").cast(pa.timestamp("us"))
    pq.write_table(rows.set_column(1, "ordered_at", naive).slice(30), path.with_name("2024-01-05-b.parquet"))
    (problem,) = errors(orders.found())
    assert "column ordered_at holds times without a time zone" in problem


@pytest.mark.parametrize(
    ("name", "cells", "said"),
    [
        ("items", pa.array([2.0**53 + 2 * n for n in range(60)]), "may have lost its last digits"),
        (
            "ordered_at",
            pa.array([1704448800 * 10**9 + n for n in range(1, 61)], pa.timestamp("ns", "UTC")),
            "finer than",
        ),
        (
            "amount",
            pa.array([Decimal(f"123456789012345678.{n}") for n in range(60)], pa.decimal128(30, 3)),
            "lose digits",
        ),
    ],
)
def test_cells_that_only_ingesting_refuses_are_found_all_the_same(
    orders: Orders, name: str, cells: pa.Array, said: str
) -> None:
    as_parquet(orders, **{name: cells})
    (problem,) = errors(orders.found())
    assert f"column {name}: not one of its 60 cells could be read" in problem
    assert said in problem


def test_a_few_cells_that_ingesting_sets_aside_are_a_warning(orders: Orders) -> None:
    as_parquet(orders, items=pa.array([2.0**53 if n == 7 else float(n % 5) for n in range(60)]))
    found = orders.found()
    told = [each.problem for each in found.findings if each.level is Level.WARNING]
    assert found.ready
    assert "1 row has cells that can't be read (items in 1), and is set aside" in told


def test_utf_16_is_told_by_its_mark(orders: Orders) -> None:
    path = orders.folder / "data" / "2024-01-05.csv"
    path.write_bytes(path.read_text().encode("utf-16"))
    (problem,) = errors(orders.found())
    assert "the files are written with encoding 'utf-16'; say so: csv: {encoding: 'utf-16'}" in problem
