"""Values of personal columns on real stores: they are where rows are kept, and nowhere else.

Every value of a personal column holds a mark of its column. The use case goes through all steps, with rows that fail in
every way, each page and each report is asked for, and then the marks are looked for in all that was stored and said.
"""

import base64
import io
import json
import logging
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.commands import invoke
from tests.contract.test_jobs_on_real_stores import days_to_csv
from tests.servers import WatchedPostgres
from tests.unit.jobs.world import DAYS, ROWS, SPEC, START
from tests.unit.pages.asking import Place, ask

from perennial.pages.answer import VIEWS
from perennial.ports import Ports
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window
from perennial.wiring import open_ports
from perennial.wording import WITHHELD

NAME = "persons"
INCOME = 8_675_309  # all incomes begin with these digits
MARKS = {
    "key": "QXKEY",
    "town": "QXTOWN",
    "account": "QXACCOUNT",
    "note": "QXNOTE",
    "cell": "QXCELL",
    "income": str(INCOME),
    "born": "1961-04-1",
}
MODEL = {"town"}  # what a model learns of a personal feature: its categories, beside numbers that are of no one row
# Where marks may be, and which: that is the list of docs/personal_data.md.
KEPT = {
    "raw": {*MARKS} - {"label"},
    "quarantine": {*MARKS},
    "training": {*MARKS},
    "labels": {"key"},
    "predictions": {"key"},
    "published": {"key"},
    "model": {*MODEL},
}
ARTEFACTS = "artifacts"
COLUMNS = """columns:
  person: {kind: categorical, role: key, personal: true}
  sent_at: {kind: timestamp, role: event_time, derive: [hour]}
  weight: {kind: numeric}
  income: {kind: numeric, personal: true}
  town: {kind: categorical, personal: true}
  born: {kind: timestamp, derive: [month], personal: true}
  account: {kind: categorical, role: carry, personal: true}
  note: {kind: categorical, role: monitor, personal: true}
labels:"""
EXPECTATIONS = f"""
expectations:
  - {{type: expect_column_values_to_be_between, kwargs: {{column: income, max_value: {INCOME + 1}}}, quarantine: true}}
  - {{type: expect_column_values_to_match_regex, kwargs: {{column: account, regex: "0$"}}, severity: warning}}
  - {{type: expect_column_values_to_be_in_set, kwargs: {{column: note, value_set: [none]}}, severity: warning}}
  - {{type: expect_column_mean_to_be_between, kwargs: {{column: income, max_value: 1}}, severity: warning}}
  - {{type: expect_column_max_to_be_between, kwargs: {{column: income, max_value: 1}}, severity: warning}}
  - {{type: expect_column_values_to_be_unique, kwargs: {{column: town}}, severity: warning}}
"""


@dataclass
class Persons:
    """The use case beside real stores, and all that was said about it."""

    folder: Path
    home: Path
    database: str
    environment: dict[str, str]
    use_case: LoadedUseCase
    ports: Ports
    said: list[str] = field(default_factory=list)

    def run(self, *arguments: str) -> str:
        """One command, whatever becomes of it; what it prints is kept."""
        result = invoke(arguments, self.environment, failing=True)
        self.said.append(f"$ {' '.join(arguments)}\n{result.output}\n{result.exception!r}")
        return result.output


def persons_and_outcomes() -> tuple[pa.Table, pa.Table]:
    """Rows of persons with marks in each personal column; those of `tests.unit.jobs.world` in all else."""
    random = np.random.default_rng(7)
    n = DAYS * ROWS
    sent = [START + timedelta(days=i // ROWS, seconds=int(s)) for i, s in enumerate(random.integers(0, 86_400, n))]
    weight = random.normal(10, 2, n)
    late = random.random(n) < 1 / (1 + np.exp(10 - weight))
    rows = pa.table(
        {
            "person": [f"{MARKS['key']}{i:06d}" for i in range(n)],
            "sent_at": pa.array(sent, pa.timestamp("us", "UTC")),
            "weight": weight,
            "income": INCOME + random.integers(0, 800, n) / 1000,
            "town": [f"{MARKS['town']}{i % 11}" for i in range(n)],
            "born": pa.array(
                [datetime(1961, 4, 10 + i % 9, i % 24, 7, tzinfo=UTC) for i in range(n)], pa.timestamp("us", "UTC")
            ),
            "account": [f"{MARKS['account']}{i}" for i in range(n)],
            "note": [f"{MARKS['note']}{i % 5}" for i in range(n)],
        }
    )
    outcomes = pa.table(
        {
            "person": rows.column("person"),
            "sent_at": rows.column("sent_at"),
            "late": late,
            "delivered_at": pa.array([at + timedelta(hours=12) for at in sent], pa.timestamp("us", "UTC")),
        }
    )
    return rows, outcomes


def use_case_below(
    root: Path, name: str, columns: str, expectations: str, more: str, rows: pa.Table, outcomes: pa.Table
) -> Path:
    """Write a use case like that of `tests.unit.jobs.world`, with other columns, and its data as a CSV file a day."""
    folder = root / "use_cases" / name
    folder.mkdir(parents=True)
    spec = re.sub(r"columns:.*?\nlabels:", columns, SPEC, flags=re.DOTALL)
    spec = spec.replace("name: parcels", f"name: {name}").replace(
        "format: parquet", "pattern: '%Y-%m-%d.csv', format: csv"
    )
    (folder / "use_case.yaml").write_text(spec + more)
    (folder / "expectations.yaml").write_text(expectations)
    days_to_csv(rows, folder / "data")
    days_to_csv(outcomes, folder / "labels")
    return folder


def environment_of(root: Path, mlflow_url: str, database: str) -> dict[str, str]:
    """What commands about use cases below that folder are given; the ledger and published tables share a database."""
    return {
        "PERENNIAL_HOME": str(root / "home"),
        "PERENNIAL_USE_CASES": str(root / "use_cases"),
        "PERENNIAL_MLFLOW_URL": mlflow_url,
        "AIRFLOW_CONN_PERENNIAL_LEDGER": database,
        "AIRFLOW_CONN_PERENNIAL_PUBLISHED": database,
    }


@pytest.fixture(scope="module")
def persons(postgres: WatchedPostgres, mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> Persons:
    root = tmp_path_factory.mktemp("persons")
    folder = use_case_below(root, NAME, COLUMNS, EXPECTATIONS, "packaging: [onnx]\n", *persons_and_outcomes())
    database = postgres.url(postgres.new_database(NAME))
    environment = environment_of(root, mlflow_url, database)
    settings = Settings.from_environment(environment)
    ports = open_ports(settings, EnvironmentConnections(settings.environment))
    return Persons(folder, root / "home", database, environment, load_use_case(folder), ports)


def spoil(persons: Persons) -> None:
    """A day with cells that can't be read, doubled keys and incomes out of range; one whose file no reader can take,
    and one without a single income that can be read.
    """
    file = persons.folder / "data" / "2024-02-02.csv"
    head, first, second, third, *others = file.read_text().splitlines()
    income = next(cell for cell in first.split(",") if cell.startswith(str(INCOME)))
    first = first.replace(income, f"{INCOME}999.5")
    second = second.replace(next(c for c in second.split(",") if c.startswith(str(INCOME))), f'"{MARKS["cell"]}"')
    file.write_text("\n".join([head, first, second, third, third, *others]) + "\n")
    broken = persons.folder / "data" / "2024-02-03.csv"
    broken.write_text(f"{broken.read_text()}one,cell,{MARKS['cell']},too,many,{MARKS['key']},of,them,{INCOME},all\n")
    unread = persons.folder / "data" / "2024-02-04.csv"
    unread.write_text(re.sub(rf",{INCOME}[0-9.]*,", f',"{MARKS["cell"]}",', unread.read_text()))


@pytest.fixture(scope="module")
def lived(persons: Persons, tmp_path_factory: pytest.TempPathFactory) -> Persons:
    """All steps and all reports; the log, with what it was raised from, is kept with what was said."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    spoil(persons)
    run = persons.run
    run("db", "upgrade")
    run("retrain", NAME, "--as-of", "2024-01-31", "--reason", "first")
    for day in ("2024-01-31", "2024-02-01", "2024-02-02", "2024-02-03", "2024-02-04"):
        for step in ("ingest", "validate", "score", "monitor"):
            run(step, NAME, "--window", day)
    run("evaluate", NAME, "--as-of", "2024-02-08")
    changed = persons.folder / "data" / "2024-02-01.csv"
    changed.write_text(changed.read_text().replace(f"{MARKS['town']}1", f"{MARKS['town']}2"))
    for step in ("ingest", "validate", "score", "monitor"):
        run(step, NAME, "--window", "2024-02-01")
    run("retrain", NAME, "--as-of", "2024-02-03", "--reason", "again")
    day, days = ("--window", "2024-02-01"), ("--from", "2024-01-31", "--to", "2024-02-03")
    page = tmp_path_factory.mktemp("pages") / "evidence.html"
    for command in (
        ("status",), ("validation", NAME, "--window", "2024-02-02"), ("drift", NAME, *days),
        ("drift", NAME, *day), ("performance", NAME, *days), ("history", NAME, *day), ("preview", NAME, *day),
        ("diff", NAME, *day, "--revisions", "1", "2", "--json"), ("reproduce", NAME, *days),
        ("explain", NAME, "--entity", entity_of(persons), "--html", str(page)),
        ("explain", NAME, "--entity", entity_of(persons), "--json"),
        ("quarantine", "list", NAME, *days, "--json"), ("quarantine", "list", NAME, *days),
        ("suggest-expectations", NAME), ("ledger", "verify"),
        ("compare", NAME, "--windows", "2024-01-31", "2024-02-01"), ("card", NAME), ("models", NAME), ("metrics",),
        ("lateness", NAME), ("reconcile", NAME), ("maintain", NAME), ("export", NAME, "--version", "1", "--to", "onnx"),
        ("check", NAME, "--sample", "2024-02-02"), ("check", NAME, "--sample", "2024-02-03"),
    ):  # fmt: skip
        run(*command)
    persons.said.append(page.read_text())
    persons.said.append(stream.getvalue())
    root.removeHandler(handler)
    root.setLevel(level)
    # What was asked for by a key is not told by the product.
    persons.said[:] = [each.replace(f"--entity {entity_of(persons)}", "") for each in persons.said]
    return persons


def entity_of(persons: Persons) -> str:
    """A person of the second day."""
    return f"{MARKS['key']}{31 * ROWS:06d}"


def marks_in(content: bytes) -> set[str]:
    """The marks in some bytes: as text, as numbers of 64 bits, and in all that is packed as base64."""
    found = {name for name, mark in MARKS.items() if mark.encode() in content}
    numbers = [INCOME + each / 1000 for each in range(800)]
    found |= {"income"} if any(struct.pack("<d", each) in content for each in numbers) else set()
    for packed in re.findall(rb"[A-Za-z0-9+/]{40,}={0,2}", content):
        try:
            unpacked = base64.b64decode(packed, validate=True)
        except ValueError:
            continue
        found |= marks_in_numbers(unpacked, numbers) | {n for n, mark in MARKS.items() if mark.encode() in unpacked}
    return found


def marks_in_numbers(content: bytes, numbers: list[float]) -> set[str]:
    return {"income"} if any(struct.pack("<d", each) in content for each in numbers) else set()


def rows_of_database(url: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table of a database, as text."""
    with closing(psycopg2.connect(url)) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for schema, table in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{schema}"."{table}" t')
            yield f"{schema}.{table}", "\n".join(row for (row,) in cursor.fetchall()).encode()


def rows_of_lake(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every row of every version of every table, as text."""
    for file in folder.rglob("*"):
        if file.is_file():
            table = file.relative_to(folder).parts[0]
            if table == ARTEFACTS:
                continue
            if file.suffix == ".parquet" and "_delta_log" not in file.parts:
                yield table, json.dumps(pq.ParquetFile(file).read().to_pylist(), default=str).encode()
            else:
                yield f"log of {table}", file.read_bytes()


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, unpacked where it is an archive; what is a model is called so."""
    for file in folder.rglob("*"):
        if file.is_file():
            content = file.read_bytes()
            is_model = content.startswith(b"PK") or b"ai.onnx" in content
            name = "model" if is_model else str(file.relative_to(folder))
            if content.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    content = b"\n".join(archive.read(each) for each in archive.namelist())
            yield name, content


def not_expected(stored: Iterator[tuple[str, bytes]]) -> dict[str, set[str]]:
    """Where marks are that may not be there."""
    found: dict[str, set[str]] = {}
    for place, content in stored:
        if more := marks_in(content) - KEPT.get(place, set()):
            found.setdefault(place, set()).update(more)
    return found


def test_every_step_and_report_was_taken(lived: Persons) -> None:
    ledger = lived.ports.ledger
    assert len(ledger.deployments(NAME)) >= 1
    assert ledger.status(NAME).windows_scored == 3
    assert {each.use_case for each in ledger.performance_between(NAME, START, START + timedelta(days=60))} == {NAME}
    told = "\n".join(lived.said)
    assert WITHHELD in told
    assert "got 10: withheld" in told  # the file that no reader can take
    assert "'withheld' is not a number" in told
    unknown = [each for each in lived.said if "No such command" in each or "Usage:" in each]
    assert unknown == []


def test_commands_and_logs_name_no_value(lived: Persons) -> None:
    assert not_expected((each.splitlines()[0], each.encode()) for each in lived.said if each) == {}


def test_the_ledger_names_no_value_and_consumers_have_the_key(lived: Persons) -> None:
    stored = (("published" if table == f"perennial.predictions_{NAME}" else table, rows)
              for table, rows in rows_of_database(lived.database))  # fmt: skip
    assert not_expected(stored) == {}


def test_in_the_lake_rows_alone_have_values(lived: Persons) -> None:
    assert not_expected(rows_of_lake(lived.home / "lake")) == {}
    tables = {table for table, content in rows_of_lake(lived.home / "lake") if marks_in(content)}
    assert tables == {"raw", "quarantine", "labels", "training", "predictions"}


def test_artefacts_name_no_value_beyond_what_the_model_is_made_of(lived: Persons, mlflow_artifacts: Path) -> None:
    files = list(files_below(mlflow_artifacts))
    assert any("town" in marks_in(content) for place, content in files if place == "model")
    assert not_expected(iter(files)) == {}
    artefacts = list(files_below(lived.home / "lake" / ARTEFACTS))
    assert len(artefacts) > 3
    assert not_expected(iter(artefacts)) == {}


def test_the_registry_s_database_names_no_value(lived: Persons, postgres: WatchedPostgres) -> None:
    with closing(psycopg2.connect(postgres.url("postgres"))) as session, session.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'mlflow%'")
        names = [name for (name,) in cursor.fetchall()]
    assert names
    for name in names:
        assert not_expected(rows_of_database(postgres.url(name))) == {}


@pytest.mark.parametrize("view", sorted(VIEWS))
@pytest.mark.parametrize("as_json", [False, True])
def test_pages_name_no_value(lived: Persons, view: str, as_json: bool) -> None:
    place: Place = lived
    asked = {
        "use_case": NAME, "entity": entity_of(lived), "revisions": "1,2", "from": "2024-01-31", "to": "2024-02-03",
        "version": "1", "as_of": "2024-02-08", "start": "2024-01-31", "end": "2024-02-03",
        "run_id": lived.ports.ledger.batches(NAME, Window.parse(lived_day(31)))[0].run_id,
    }  # fmt: skip
    for window in (lived_day(31), lived_day(32)):
        found = ask(place, view, as_json=as_json, may_see=(NAME,), **{**asked, "window": window})
        body = found.body.decode().replace(entity_of(lived), "")  # what the address said
        assert marks_in(body.encode()) == set(), (view, found.status)


def lived_day(number: int) -> str:
    """The key of a day's window."""
    start = START + timedelta(days=number)
    return f"{start:%Y-%m-%dT%H:%MZ}--{start + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
