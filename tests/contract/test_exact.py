"""Invariant I10: an id is the same value from the source to the published table, or it is refused by name.

Ids of 18 digits, of which no 64-bit float can hold most, come in every type of every source. As a key they go all the
way into a real PostgreSQL and are read back from there; in every other role they are read back from the lake.
"""

import io
import random
import re
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.contract.hostile_world import RUN, START, deploy

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.errors import InvalidQuery, NotIngested, SchemaMismatch, ValidationFailed
from perennial.jobs.predict import ingest, score, validate
from perennial.lake.delta import DeltaLake
from perennial.lake.port import predictions_table, quarantine_table, raw_table
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.factory import source_of
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

WINDOW = Window(START, START + timedelta(days=1))
DRAW = random.Random(18)
IDS = sorted(
    {
        *(305184080441754059 + 1000 * n for n in range(20)),
        *(DRAW.randrange(10**17, 10**18) for _ in range(40)),
        *(2**53 + 1, 2**53 + 2, 10**17 + 1, 10**18 - 1, 2**63 - 1),
    }
)
DIGITS = [str(each) for each in IDS]
REFUSED = "refused"
SPEC = """
name: {name}
title: Orders
owner: shop
task: regression
schedule: {{every: day, start: 2024-01-01}}
source: {source}
columns:
  {key}
  at: {{kind: timestamp, role: event_time}}
  weight: {{kind: numeric}}
{more}
labels:
  source: {{type: files, path: ., pattern: 'labels.csv', format: csv}}
  column: days
  arrival_time: known_at
  mature_after: 1d
training:
  history: 30d
  holdout: 7d
  metric: mae
  candidates: [{{name: model, estimator: dummy}}]
"""
EXPECTATIONS = "expectations: [{type: expect_column_values_to_not_be_null, kwargs: {column: weight}}]"
SOURCES = {
    "postgres": "{type: postgres, connection: source, query: source.sql}",
    "csv": "{type: files, path: ., pattern: '%Y-%m-%d.csv', format: csv}",
    "parquet": "{type: files, path: ., pattern: '%Y-%m-%d.parquet', format: parquet}",
}


@dataclass(frozen=True)
class Delivered:
    """Ids as a source has them, and what they are as integer and as categorical: values, or "refused"."""

    source: str
    name: str
    values: str | list[str] | pa.Array  # an expression in SQL, cells, or a column
    integer: list[int] | str
    categorical: list[str] | str

    def expected(self, kind: str) -> list[int] | list[str] | str:
        return self.integer if kind == "integer" else self.categorical


def _parquet(name: str, values: pa.Array, integer: list[int] | str, categorical: list[str] | str) -> Delivered:
    return Delivered("parquet", name, values, integer, categorical)


DECIMALS = [Decimal(each) for each in IDS]
PADDED = [f"00{digits}" for digits in DIGITS]
CASES = [
    Delivered("postgres", "bigint", "v::bigint", IDS, DIGITS),
    Delivered("postgres", "numeric(20,0)", "v::numeric(20,0)", IDS, DIGITS),
    Delivered("postgres", "numeric", "v::numeric", IDS, DIGITS),
    Delivered("postgres", "numeric(30,4)", "v::numeric(30,4)", IDS, [f"{each}.0000" for each in IDS]),
    Delivered("postgres", "a fraction", "v::numeric + 0.5", REFUSED, [f"{each}.5" for each in IDS]),
    Delivered("postgres", "30 digits", "v::numeric * 1000000000000", REFUSED, [f"{each}{0:012}" for each in IDS]),
    Delivered("postgres", "a domain", "v::order_number", IDS, DIGITS),
    Delivered("postgres", "an enum", "v::order_choice", REFUSED, DIGITS),
    Delivered("postgres", "text", "v", REFUSED, DIGITS),
    Delivered("postgres", "text with zeros", "'00' || v", REFUSED, PADDED),
    Delivered("postgres", "varchar", "v::varchar(30)", REFUSED, DIGITS),
    Delivered("postgres", "char(30)", "v::char(30)", REFUSED, DIGITS),
    Delivered("postgres", "json", "v::json", REFUSED, DIGITS),
    Delivered("postgres", "jsonb", "v::jsonb", REFUSED, DIGITS),
    Delivered("postgres", "double precision", "v::float8", REFUSED, REFUSED),
    Delivered("postgres", "real", "v::real", REFUSED, REFUSED),
    Delivered("postgres", "an array", "ARRAY[v::bigint]", REFUSED, REFUSED),
    Delivered("postgres", "bytes", "v::bytea", REFUSED, DIGITS),
    Delivered("postgres", "an interval", "make_interval(secs => v::float8 / 1e9)", REFUSED, REFUSED),
    Delivered("csv", "digits", DIGITS, IDS, DIGITS),
    Delivered("csv", "quoted", [f'"{each}"' for each in IDS], IDS, DIGITS),
    Delivered("csv", "with a point", [f"{each}.0" for each in IDS], IDS, [f"{each}.0" for each in IDS]),
    Delivered("csv", "with blanks", [f" {each} " for each in IDS], IDS, [f" {each} " for each in IDS]),
    Delivered("csv", "with zeros", PADDED, REFUSED, PADDED),
    Delivered("csv", "as floats", [f"{float(each):.6e}" for each in IDS], REFUSED, REFUSED),  # many are alike
    _parquet("int64", pa.array(IDS, pa.int64()), IDS, DIGITS),
    _parquet("uint64", pa.array(IDS, pa.uint64()), IDS, DIGITS),
    _parquet("decimal128", pa.array(DECIMALS, pa.decimal128(20, 0)), IDS, DIGITS),
    _parquet("decimal64", pa.array(DECIMALS[:-1], pa.decimal64(18, 0)), IDS[:-1], DIGITS[:-1]),
    _parquet("decimal256", pa.array(DECIMALS, pa.decimal256(40, 2)), IDS, [f"{each}.00" for each in IDS]),
    _parquet("string", pa.array(DIGITS), REFUSED, DIGITS),
    _parquet("string with zeros", pa.array(PADDED), REFUSED, PADDED),
    _parquet("large_string", pa.array(DIGITS, pa.large_string()), REFUSED, DIGITS),
    _parquet("string_view", pa.array(DIGITS, pa.string_view()), REFUSED, DIGITS),
    _parquet("dictionary", pa.array(DIGITS).dictionary_encode(), REFUSED, DIGITS),
    _parquet("binary", pa.array([d.encode() for d in DIGITS], pa.binary()), REFUSED, DIGITS),
    _parquet("binary_view", pa.array([d.encode() for d in DIGITS], pa.binary_view()), REFUSED, DIGITS),
    _parquet("double", pa.array([float(each) for each in IDS]), REFUSED, REFUSED),
    _parquet("float", pa.array([float(each) for each in IDS], pa.float32()), REFUSED, REFUSED),
    _parquet("list", pa.array([[each] for each in IDS]), REFUSED, REFUSED),
]  # fmt: skip


@dataclass
class Shop:
    root: Path
    url: str
    ports: Ports

    def use_case(self, name: str, source: str, key: str, more: list[str]) -> LoadedUseCase:
        folder = self.root / name
        folder.mkdir()
        lines = "\n".join(f"  {line}" for line in more)
        (folder / "use_case.yaml").write_text(SPEC.format(name=name, source=SOURCES[source], key=key, more=lines))
        (folder / "expectations.yaml").write_text(EXPECTATIONS)
        (folder / "source.sql").write_text("SELECT :start, :end")
        return replace(load_use_case(folder), expectations=())

    def deliver(self, use_case: LoadedUseCase, source: str, columns: dict[str, str | list[str] | pa.Array]) -> None:
        """One row an id, with these columns besides event time and weight."""
        count = next((len(values) for values in columns.values() if not isinstance(values, str)), len(IDS))
        if source == "postgres":
            ids = ", ".join(f"'{digits}'" for digits in DIGITS)
            selected = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
            use_case.queries["source.sql"] = (
                f"SELECT {selected}, :start::timestamptz AS at, 1.5::float8 AS weight "
                f"FROM unnest(ARRAY[{ids}]) AS v WHERE :start < :end"
            )
        elif source == "csv":
            cells = [[*columns, "at", "weight"]]
            cells += [[*row, "2024-01-01T05:00:00Z", "1.5"] for row in zip(*columns.values(), strict=True)]
            text = "\n".join(",".join(line) for line in cells)
            (use_case.folder / "2024-01-01.csv").write_text(text + "\n")
        else:
            times = pa.array([START] * count, pa.timestamp("us", "UTC"))
            table = pa.table({**columns, "at": times, "weight": [1.5] * count})
            file = io.BytesIO()
            pq.write_table(table, file)
            (use_case.folder / "2024-01-01.parquet").write_bytes(file.getvalue())

    def assert_refused(self, use_case: LoadedUseCase, column: str) -> None:
        """The window does not get through, because of the column."""
        refusals = (SchemaMismatch, InvalidQuery, ValidationFailed)
        with pytest.raises(refusals, match=rf"column {column}|readable\({column}\) caught|unique_key\({column}\)"):
            self.ingest_and_validate(use_case)

    def ingest_and_validate(self, use_case: LoadedUseCase) -> None:
        ingest.run(use_case, WINDOW, self.ports, RUN)
        validate.run(use_case, WINDOW, self.ports, RUN)

    def published(self, name: str) -> list[object]:
        with closing(psycopg2.connect(self.url)) as session, session.cursor() as cursor:
            cursor.execute(f"SELECT number FROM perennial.predictions_{name}")
            return sorted(number for (number,) in cursor.fetchall())


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    postgres.create_database("exact")
    url = postgres.url("exact")
    choices = ", ".join(f"'{digits}'" for digits in DIGITS)
    with closing(psycopg2.connect(url)) as session, session, session.cursor() as cursor:
        cursor.execute(f"CREATE DOMAIN order_number AS numeric(20,0); CREATE TYPE order_choice AS ENUM ({choices})")
        cursor.execute("ALTER DATABASE exact SET DateStyle = 'German, DMY'")  # whatever the database is set to
        cursor.execute("ALTER DATABASE exact SET extra_float_digits = -15")
        cursor.execute("ALTER DATABASE exact SET TimeZone = 'Asia/Kolkata'")
    root = tmp_path_factory.mktemp("exact")
    connections = EnvironmentConnections({"AIRFLOW_CONN_SOURCE": url})
    ports = Ports(
        source=lambda use_case, wanted: source_of(use_case, wanted, connections),
        lake=DeltaLake(str(root / "lake"), {}),
        ledger=InMemoryLedger(lambda: START + timedelta(days=30)),
        registry=MemoryRegistry(),
        published=PostgresPublished(url),
        artifacts=InMemoryArtifacts(),
    )
    return Shop(root, url, ports)


@pytest.mark.parametrize("kind", ["integer", "categorical"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.source} {case.name}")
def test_a_key_is_the_same_in_the_published_table_or_refused(shop: Shop, case: Delivered, kind: str) -> None:
    name = f"{kind[:3]}_{CASES.index(case)}"
    use_case = shop.use_case(name, case.source, f"number: {{kind: {kind}, role: key}}", [])
    shop.deliver(use_case, case.source, {"number": case.values})
    expected = case.expected(kind)
    if expected == REFUSED:
        shop.assert_refused(use_case, "number")
        with pytest.raises((NotIngested, ValidationFailed)):
            score.run(use_case, WINDOW, shop.ports, RUN, model=ModelChoice())
        return
    shop.ingest_and_validate(use_case)
    rows = shop.ports.lake.read(raw_table(name), WINDOW.key)
    deploy(use_case, shop.ports, rows)
    score.run(use_case, WINDOW, shop.ports, RUN, model=ModelChoice())
    assert shop.ports.lake.read(quarantine_table(name), WINDOW.key).num_rows == 0
    for found in (rows, shop.ports.lake.read(predictions_table(name), WINDOW.key)):
        assert sorted(found.column("number").to_pylist()) == sorted(expected)
    assert shop.published(name) == sorted(expected)


@pytest.mark.parametrize("role", ["feature", "monitor", "carry"])
@pytest.mark.parametrize("source", SOURCES)
def test_in_every_other_role_it_is_the_same_in_the_lake(shop: Shop, source: str, role: str) -> None:
    wanted = {
        f"c{number}_{kind}": (case, kind)
        for number, case in enumerate(CASES)
        for kind in ("integer", "categorical")
        if case.source == source and case.expected(kind) != REFUSED and len(case.expected(kind)) == len(IDS)
    }
    assert wanted
    more = [f"{name}: {{kind: {kind}, role: {role}}}" for name, (_, kind) in wanted.items()]
    use_case = shop.use_case(f"{source}_{role}", source, "number: {kind: integer, role: key}", more)
    keys = {"postgres": "v::bigint", "csv": DIGITS, "parquet": pa.array(IDS)}[source]
    shop.deliver(use_case, source, {"number": keys, **{name: case.values for name, (case, _) in wanted.items()}})
    ingest.run(use_case, WINDOW, shop.ports, RUN)
    rows = shop.ports.lake.read(raw_table(use_case.name), WINDOW.key)
    rows = rows.take(pa.compute.sort_indices(rows, [("number", "ascending")]))
    for name, (case, kind) in wanted.items():
        assert rows.column(name).to_pylist() == case.expected(kind), case


@pytest.mark.parametrize("role", ["feature", "monitor", "carry"])
@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name in ("numeric(20,0)", "bigint", "digits", "int64", "decimal128")],
    ids=lambda case: case.name,
)
def test_ids_are_no_measurements(shop: Shop, case: Delivered, role: str) -> None:
    """As `numeric` they would be rounded, so that they are refused, whichever of them rounding changes."""
    name = f"num_{CASES.index(case)}_{role}"
    more = [f"amount: {{kind: numeric, role: {role}}}"]
    use_case = shop.use_case(name, case.source, "number: {kind: integer, role: key}", more)
    keys = {"postgres": "v::bigint", "csv": DIGITS, "parquet": pa.array(IDS)}[case.source]
    shop.deliver(use_case, case.source, {"number": keys, "amount": case.values})
    shop.assert_refused(use_case, "amount")


AMOUNTS = ["0.1", "1234567890123.45", "-0.000001", "12.50", "99999999999999.9"]


@pytest.mark.parametrize("source", SOURCES)
def test_amounts_that_a_float_keeps_come_through_with_their_digits(shop: Shop, source: str) -> None:
    use_case = shop.use_case(
        f"amounts_{source}", source, "number: {kind: integer, role: key}", ["amount: {kind: numeric, role: carry}"]
    )
    texts = [AMOUNTS[position % len(AMOUNTS)] for position in range(len(IDS))]
    values = {
        "postgres": f"(ARRAY[{', '.join(AMOUNTS)}]::numeric[])[1 + (v::bigint % {len(AMOUNTS)})::int]",
        "csv": texts,
        "parquet": pa.array([Decimal(text) for text in texts], pa.decimal128(30, 10)),
    }
    keys = {"postgres": "v::bigint", "csv": DIGITS, "parquet": pa.array(IDS)}[source]
    shop.deliver(use_case, source, {"number": keys, "amount": values[source]})
    ingest.run(use_case, WINDOW, shop.ports, RUN)
    rows = shop.ports.lake.read(raw_table(use_case.name), WINDOW.key)
    assert {Decimal(repr(number)) for number in rows.column("amount").to_pylist()} == set(map(Decimal, AMOUNTS))
    assert "bad_cells" not in rows.column_names


@pytest.mark.parametrize("source", SOURCES)
def test_an_amount_that_a_float_rounds_goes_to_quarantine_with_all_its_digits(shop: Shop, source: str) -> None:
    use_case = shop.use_case(
        f"rounded_{source}", source, "number: {kind: integer, role: key}",
        ["amount: {kind: numeric, role: carry}"],
    )  # fmt: skip
    exact = "123456789012345.67891"
    texts = [exact, *["1.5"] * (len(IDS) - 1)]
    values = {
        "postgres": f"CASE WHEN v = '{DIGITS[0]}' THEN {exact} ELSE 1.5 END",
        "csv": texts,
        "parquet": pa.array([Decimal(text) for text in texts], pa.decimal128(30, 5)),
    }
    keys = {"postgres": "v::bigint", "csv": DIGITS, "parquet": pa.array(IDS)}[source]
    shop.deliver(use_case, source, {"number": keys, "amount": values[source]})
    spec = use_case.spec.model_copy(update={"quality": use_case.spec.quality.model_copy(
        update={"max_quarantined_share": 0.5})})  # fmt: skip
    lenient = replace(use_case, spec=spec)
    shop.ingest_and_validate(lenient)
    (caught,) = shop.ports.lake.read(quarantine_table(use_case.name), WINDOW.key).to_pylist()
    assert (caught["number"], caught["amount"], caught["rule"]) == (IDS[0], None, "readable(amount)")
    assert caught["bad_cells"].startswith(f"column amount: '{exact}' would lose digits as a 64-bit float")


# Single values, in a column that is only carried along


@dataclass(frozen=True)
class Value:
    """An expression in PostgreSQL for one row, and what it is as the kind, or why it is unread."""

    expression: str
    kind: str
    value: object = None
    unread: str | None = None
    timezone: str | None = None


BERLIN = "Europe/Berlin"
VALUES = [
    Value("'infinity'::timestamptz", "timestamp", unread="'infinity' is not a time between the years 1 and 9999"),
    Value("'-infinity'::timestamptz", "timestamp", unread="'-infinity' is not a time"),
    Value("'0044-03-15 BC'::timestamptz", "timestamp", unread="'0044-03-15 00:00:00+00 BC' is not a time"),
    Value("'12345-01-01'::timestamptz", "timestamp", unread="'12345-01-01 00:00:00+00' is not a time"),
    Value("'0001-01-01'::timestamptz", "timestamp", datetime(1, 1, 1, tzinfo=UTC)),
    Value("'9999-12-31 23:59:59.999999'::timestamptz", "timestamp", datetime.max.replace(tzinfo=UTC)),
    Value("'2024-02-29 12:00:00.123456+05:30'::timestamptz", "timestamp",
          datetime(2024, 2, 29, 6, 30, 0, 123456, tzinfo=UTC)),
    Value("'infinity'::timestamp", "timestamp", unread="'infinity' is not a time", timezone=BERLIN),
    Value("'infinity'::date", "timestamp", unread="'infinity' is not a time", timezone=BERLIN),
    Value("'0044-03-15 BC'::date", "timestamp", unread="'0044-03-15 BC' is not a time", timezone=BERLIN),
    Value("'2024-07-01'::date", "timestamp", datetime(2024, 6, 30, 22, tzinfo=UTC), timezone=BERLIN),
    Value("'2024-07-01 12:00:00.5'::timestamp", "timestamp", datetime(2024, 7, 1, 10, 0, 0, 500000, tzinfo=UTC),
          timezone=BERLIN),
    Value("'2024-03-31 02:30'::timestamp", "timestamp", timezone=BERLIN,
          unread="'2024-03-31 02:30:00.000000' is skipped or happens twice where clocks change in Europe/Berlin"),
    Value("'2024-10-27 02:30'::timestamp", "timestamp", timezone=BERLIN, unread="is skipped or happens twice"),
    Value("'NaN'::numeric", "numeric", None),
    Value("'NaN'::numeric", "integer", None),
    Value("'NaN'::numeric", "categorical", "NaN"),
    Value("'Infinity'::numeric", "numeric", float("inf")),
    Value("'-Infinity'::numeric", "integer", unread="'-Infinity' is not a whole number"),
    Value("0.30::numeric", "categorical", "0.30"),
    Value("1::numeric", "boolean", value=True),
    Value("2::numeric", "boolean", unread="'2' is neither true nor false"),
    Value("1.1::real", "numeric", float(np.float32(1.1))),
    Value("0.1::float8 + 0.2", "numeric", 0.1 + 0.2),
    Value("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid", "categorical", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    Value("""'{"a": 1.10}'::json""", "categorical", '{"a": 1.10}'),
    Value("' a '::char(5)", "categorical", " a"),
    Value("' a '::varchar(5)", "categorical", " a "),
    Value("1234.5::numeric::money", "categorical", "$1,234.50"),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{value.expression} as {value.kind}")
def test_what_postgresql_can_say_is_taken_as_it_is_or_unread(shop: Shop, value: Value) -> None:
    name = f"value_{VALUES.index(value)}"
    key = "number: {kind: integer, role: key}"
    use_case = shop.use_case(name, "postgres", key, [f"value: {{kind: {value.kind}, role: carry}}"])
    source = use_case.spec.source.model_copy(update={"timezone": value.timezone})
    use_case = replace(use_case, spec=use_case.spec.model_copy(update={"source": source}))
    others = f"CASE WHEN v = '{DIGITS[0]}' THEN {value.expression} END"
    shop.deliver(use_case, "postgres", {"number": "v::bigint", "value": others})
    rows = shop.ports.source(use_case, source).fetch(WINDOW, WINDOW.end, use_case.spec.limits).rows
    assert rows.column("value")[0].as_py() == value.value
    if value.unread is None:
        assert "bad_cells" not in rows.column_names
    else:
        assert value.unread in rows.column("bad_cells")[0].as_py()
        assert rows.column("bad_cells").null_count == len(IDS) - 1


@pytest.mark.parametrize(
    ("expression", "kind", "said"),
    [
        ("now()::timestamp", "timestamp", "timestamp without time zone, which has no time zone.*`timezone: "),
        ("now()::date", "timestamp", "date, which has no time zone"),
        ("now()", "categorical", "declared categorical and holds timestamp with time zone; cast it to text"),
        ("1::numeric", "timestamp", "declared timestamp and holds numeric"),
        ("'x'", "numeric", "declared numeric and holds string"),
        ("1::numeric::money", "numeric", "declared numeric and holds string; cast it to a number"),
        ("now()::time", "categorical", "column value is of a type that can't be read"),
        ("interval '1 month'", "categorical", "column value is of a type that can't be read"),
        ("int4range(1, 2)", "categorical", "column value is of a type that can't be read"),
        ("'24:00'::time", "categorical", "column value|a value that can't be read"),
    ],
)
def test_a_type_that_is_no_value_of_the_kind_is_refused_by_name(
    shop: Shop, expression: str, kind: str, said: str
) -> None:
    name = re.sub(r"\W+", "_", f"type {expression} {kind}").lower()[:40]
    key = "number: {kind: integer, role: key}"
    use_case = shop.use_case(name, "postgres", key, [f"value: {{kind: {kind}, role: carry}}"])
    shop.deliver(use_case, "postgres", {"number": "v::bigint", "value": expression})
    with pytest.raises((SchemaMismatch, InvalidQuery), match=said):
        ingest.run(use_case, WINDOW, shop.ports, RUN)


def test_old_parquet_times_are_the_instants_that_they_were(shop: Shop) -> None:
    """In 96 bits they reach beyond 2262, where nanoseconds in 64 bits end."""
    use_case = shop.use_case(
        "int96", "parquet", "number: {kind: integer, role: key}", ["seen: {kind: timestamp, role: carry}"]
    )
    source = use_case.spec.source.model_copy(update={"timezone": "UTC"})
    use_case = replace(use_case, spec=use_case.spec.model_copy(update={"source": source}))
    seen = [datetime(3000, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 0, 7, tzinfo=UTC)]
    table = pa.table(
        {"number": [1, 2], "at": pa.array([START] * 2, pa.timestamp("us", "UTC")), "weight": [1.5] * 2,
         "seen": pa.array(seen, pa.timestamp("us", "UTC"))}
    )  # fmt: skip
    file = io.BytesIO()
    pq.write_table(table, file, use_deprecated_int96_timestamps=True)
    assert pq.ParquetFile(io.BytesIO(file.getvalue())).schema.column(3).physical_type == "INT96"
    (use_case.folder / "2024-01-01.parquet").write_bytes(file.getvalue())
    rows = shop.ports.source(use_case, source).fetch(WINDOW, WINDOW.end, use_case.spec.limits).rows
    assert rows.column("seen").to_pylist() == seen
