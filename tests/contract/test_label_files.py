"""Labels in files: by the day of the event or by the day of arrival, and each file read once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from tests.contract.hostile_world import RUN

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.errors import EmptyWindow, SchemaMismatch
from perennial.jobs.predict import ingest
from perennial.lake.delta import DeltaLake
from perennial.lake.memory import InMemoryLake
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.records.labels import collect, known_labels, settled_labels
from perennial.registry.memory import MemoryRegistry
from perennial.sources import tabular
from perennial.sources.cache import FileCache
from perennial.sources.connections import EnvironmentConnections
from perennial.sources.factory import source_of
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 6
SPEC = """
name: loans
title: Loans
owner: bank
task: binary_classification
schedule: {{every: day, start: 2024-01-01}}
source: {{type: files, path: loans, pattern: '%Y-%m-%d.csv', format: csv}}
columns:
  loan: {{kind: categorical, role: key}}
  at: {{kind: timestamp, role: event_time}}
  amount: {{kind: numeric}}
labels:
  source: {{type: files, path: outcomes, pattern: '{pattern}', format: csv}}
  column: lost
  arrival_time: known_at
  mature_after: 3d
  {options}
training:
  history: 30d
  holdout: 7d
  metric: roc_auc
  candidates: [{{name: model, estimator: dummy}}]
"""
EXPECTATIONS = "expectations: [{type: expect_column_values_to_not_be_null, kwargs: {column: amount}}]"


def day(number: int) -> Window:
    return Window(START + timedelta(days=number), START + timedelta(days=number + 1))


class Bank:
    def __init__(self, root: Path, pattern: str, options: str) -> None:
        self.folder = root / "loans"
        for part in (self.folder, self.folder / "loans", self.folder / "outcomes"):
            part.mkdir()
        (self.folder / "use_case.yaml").write_text(SPEC.format(pattern=pattern, options=options))
        (self.folder / "expectations.yaml").write_text(EXPECTATIONS)
        cache = FileCache()
        connections = EnvironmentConnections({})
        self.ports = Ports(
            source=lambda use_case, wanted: source_of(use_case, wanted, connections, cache),
            lake=InMemoryLake(),
            ledger=InMemoryLedger(lambda: START + timedelta(days=99)),
            registry=MemoryRegistry(),
            published=InMemoryPublished(),
            artifacts=InMemoryArtifacts(),
        )
        for number in range(DAYS):
            at = day(number).start
            lines = [f"{number}-{i},{at + timedelta(hours=i):%Y-%m-%dT%H:%MZ},1.5" for i in range(3)]
            file = self.folder / "loans" / f"{at:%Y-%m-%d}.csv"
            file.write_text("\n".join(["loan,at,amount", *lines, ""]))

    @property
    def use_case(self) -> LoadedUseCase:
        return load_use_case(self.folder)

    def outcomes(self, name: str, *lines: str, header: str = "loan,lost,known_at") -> None:
        (self.folder / "outcomes" / f"{name}.csv").write_text("\n".join([header, *lines, ""]))


@pytest.fixture
def by_arrival(tmp_path: Path) -> Bank:
    """The outcomes of each day's loans come one and two days later, in a file of the day on which they came."""
    bank = Bank(tmp_path, "%Y-%m-%d.csv", "dated_by: arrival_time")
    for number in range(DAYS):
        bank.outcomes(
            f"{day(number).start:%Y-%m-%d}",
            f"{number - 1}-0,true,{day(number).start:%Y-%m-%dT12:00Z}",
            f"{number - 2}-1,0.0,{day(number).start:%Y-%m-%dT13:00Z}",
            f"999{number},1,{day(number).start:%Y-%m-%dT13:00Z}",
        )
    return bank


def test_labels_by_arrival_find_their_rows_by_the_key(by_arrival: Bank) -> None:
    use_case, ports = by_arrival.use_case, by_arrival.ports
    for number in range(DAYS):
        ingest.run(use_case, day(number), ports, RUN)
    as_of = day(4).start
    found = [collect(use_case, day(number), as_of, ports, RUN).labels for number in range(4)]
    assert found == [2, 2, 1, 0]  # of day 2 the second, of day 3 both come on day 4 or later
    labels = known_labels(use_case, day(1), as_of, ports).to_pylist()
    assert [(each["loan"], each["lost"]) for each in labels] == [("1-0", True), ("1-1", False)]
    later = collect(use_case, day(2), day(5).start, ports, RUN)
    assert (later.labels, later.new) == (2, 1)


def test_outcomes_that_contradict_each_other_are_told(by_arrival: Bank, caplog: pytest.LogCaptureFixture) -> None:
    use_case, ports = by_arrival.use_case, by_arrival.ports
    ingest.run(use_case, day(1), ports, RUN)
    at = f"{day(2).start:%Y-%m-%dT12:00Z}"
    by_arrival.outcomes("2024-01-03", f"1-0,true,{at}", f"1-0,false,{at}", f"1-1,true,{at}", f"1-1,true,{at}")
    assert collect(use_case, day(1), day(4).start, ports, RUN).labels == 4  # with one of the next day
    said = "1 key has several outcomes with one known_at, such as loan 1-0: the greatest is used"
    assert said in caplog.text
    caplog.clear()
    assert collect(use_case, day(1), day(4).start, ports, RUN).new == 0
    assert not caplog.text
    by_arrival.outcomes("2024-01-05", f"1-2,true,{day(4).start:%Y-%m-%dT00:00Z}")
    collect(use_case, day(1), day(5).start, ports, RUN)
    assert said in caplog.text


def test_labels_by_arrival_are_refused_where_keys_recur_from_window_to_window(by_arrival: Bank) -> None:
    """The outcome of a later window would count in all windows before it."""
    for number in (1, 2):
        file = by_arrival.folder / "loans" / f"{day(number).start:%Y-%m-%d}.csv"
        file.write_text(file.read_text().replace(f"\n{number}-", "\ncustomer-"))
        ingest.run(by_arrival.use_case, day(number), by_arrival.ports, RUN)
    for number in (1, 2):
        with pytest.raises(SchemaMismatch, match=r"3 of 3 rows have the same loan as rows of .*, such as customer-0: "):
            collect(by_arrival.use_case, day(number), day(4).start, by_arrival.ports, RUN)


def test_a_row_that_was_delivered_again_for_the_next_window_is_told(
    by_arrival: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    for number in (1, 2):
        at = day(number).start
        lines = [f"{number}-{i},{at:%Y-%m-%dT12:00Z},1.5" for i in range(20)] + [f"again,{at:%Y-%m-%dT12:00Z},1.5"]
        file = by_arrival.folder / "loans" / f"{at:%Y-%m-%d}.csv"
        file.write_text("\n".join(["loan,at,amount", *lines, ""]))
        ingest.run(by_arrival.use_case, day(number), by_arrival.ports, RUN)
    assert collect(by_arrival.use_case, day(1), day(4).start, by_arrival.ports, RUN).labels == 2
    assert "1 of 21 rows have the same loan as rows of" in caplog.text


def test_labels_by_arrival_of_a_window_without_rows_are_none(by_arrival: Bank) -> None:
    assert collect(by_arrival.use_case, day(1), day(4).start, by_arrival.ports, RUN).labels == 0


def test_each_label_file_is_read_once_and_again_when_it_changes(
    by_arrival: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case, ports = by_arrival.use_case, by_arrival.ports
    for number in range(DAYS):
        ingest.run(use_case, day(number), ports, RUN)
    with reading(monkeypatch) as read:
        for number in range(4):
            collect(use_case, day(number), day(5).start, ports, RUN)
        assert sorted(read) == [f"{day(number).start:%Y-%m-%d}.csv" for number in range(5)]
        read.clear()
        by_arrival.outcomes("2024-01-03", f"0-2,true,{day(2).start:%Y-%m-%dT12:00Z}")
        assert collect(use_case, day(0), day(5).start, ports, RUN).new == 1
        assert read == ["2024-01-03.csv"]


def test_one_folder_for_all_windows_is_read_once_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = Bank(tmp_path, "*.csv", "from: {lost: Was lost}")
    for number in range(DAYS):
        bank.outcomes(
            f"batch-{number}",
            *(f"{n}-{number % 3},1,{day(n).end:%Y-%m-%dT00:00Z},{day(n).start:%Y-%m-%dT00:00Z}" for n in range(DAYS)),
            header="loan,Was lost,known_at,at",
        )
    use_case = bank.use_case
    with reading(monkeypatch) as read:
        found = [collect(use_case, day(number), day(9).start, bank.ports, RUN).labels for number in range(DAYS)]
        assert found == [3] * DAYS
        assert len(read) == DAYS


@pytest.mark.parametrize("pattern", ["*.csv", "%Y-%m-%d.csv"])
def test_labels_that_belong_to_no_window_are_told(tmp_path: Path, pattern: str) -> None:
    bank = Bank(tmp_path, pattern, "")
    bank.outcomes("2024-01-02", "1-0,1,2024-01-02T12:00Z,", "1-1,1,2024-01-02T12:00Z,2024-01-02T00:00Z",
                  "2-1,1,2024-01-02T12:00Z,2024-01-03T00:00Z", header="loan,lost,known_at,at")  # fmt: skip
    use_case = bank.use_case
    extract = bank.ports.source(use_case, use_case.spec.labels.source).fetch(day(1), day(5).start, use_case.spec.limits)
    assert extract.rows.column("loan").to_pylist() == ["1-1"]
    told = extract.told("at", kept=False)
    assert "1 rows have no at that can be read, and are left out." in told
    assert (extract.misplaced == 1) == ("%" in pattern)


def test_a_file_that_is_too_large_is_not_kept_but_read(by_arrival: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FileCache(most_bytes=100, largest_bytes=50)
    connections = EnvironmentConnections({})
    ports = replace(by_arrival.ports, source=lambda case, wanted: source_of(case, wanted, connections, cache))
    use_case = by_arrival.use_case
    ingest.run(use_case, day(1), ports, RUN)
    with reading(monkeypatch) as read:
        assert collect(use_case, day(1), day(4).start, ports, RUN).labels == 2
        first = len(read)
        assert collect(use_case, day(1), day(4).start, ports, RUN).labels == 2
        assert len(read) == 2 * first


def test_a_cache_forgets_what_was_asked_for_longest_ago() -> None:
    table = tabular.pa.table({"a": list(range(10))})
    cache = FileCache(most_bytes=2 * table.nbytes)
    for name in ("one", "two"):
        cache.put(name, table)
    assert cache.get("one") is not None
    cache.put("three", table)
    assert [name for name in ("one", "two", "three") if cache.get(name) is not None] == ["one", "three"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("0-0,perhaps,2024-01-02T00:00Z", r"column lost holds true and perhaps; .* \(1 of 2 rows have neither\)"),
        (
            "0-0,2,2024-01-02T00:00Z",
            "column lost holds 1 and 2; binary_classification wants true and false, or 1 and 0: write them so in the "
            r"files \(1 of 2 rows have neither\)\nCorrect their source, or `labels` \(use_case.yaml:[0-9]+\)",
        ),
        ("0-0,1,tomorrow", "column known_at: 'tomorrow' is not a time"),
    ],
)
def test_a_label_that_can_not_be_read_is_told_and_not_lost(tmp_path: Path, line: str, said: str) -> None:
    bank = Bank(tmp_path, "%Y-%m-%d.csv", "dated_by: arrival_time")
    bank.outcomes("2024-01-02", line, "0-1,1,2024-01-02T00:00Z")
    ingest.run(bank.use_case, day(0), bank.ports, RUN)
    with pytest.raises(SchemaMismatch, match=said):
        collect(bank.use_case, day(0), day(4).start, bank.ports, RUN)


@pytest.mark.parametrize("options", ["dated_by: arrival_time", ""])
@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_an_empty_outcome_with_an_arrival_time_says_that_none_will_come(
    tmp_path: Path, options: str, format_: str
) -> None:
    bank = Bank(tmp_path, f"%Y-%m-%d.{format_}", options)
    file = bank.folder / "use_case.yaml"
    file.write_text(file.read_text().replace(f".{format_}', format: csv", f".{format_}', format: {format_}"))
    event = "" if options else f",{day(1).start:%Y-%m-%dT00:00Z}"
    lines = (f"1-0,,2024-01-02T12:00Z{event}", f"1-1,true,2024-01-02T12:00Z{event}", f"1-2,,{event}")
    bank.outcomes("2024-01-02", *lines, header="loan,lost,known_at" + (",at" if event else ""))
    if format_ == "parquet":
        text = bank.folder / "outcomes" / "2024-01-02.csv"
        pq.write_table(pa.csv.read_csv(text), text.with_suffix(".parquet"))
        text.unlink()
    ingest.run(bank.use_case, day(1), bank.ports, RUN)
    assert collect(bank.use_case, day(1), day(5).start, bank.ports, RUN).labels == 2
    settled = settled_labels(bank.use_case, day(1), day(5).start, bank.ports).to_pylist()
    assert [(each["loan"], each["lost"]) for each in settled] == [("1-0", None), ("1-1", True)]
    assert known_labels(bank.use_case, day(1), day(5).start, bank.ports).column("loan").to_pylist() == ["1-1"]


def test_a_null_outcome_of_a_query_says_the_same_and_delta_keeps_it(tmp_path: Path, database_url: str) -> None:
    bank = Bank(tmp_path, "*.csv", "")
    file = bank.folder / "use_case.yaml"
    text = file.read_text()
    of_files = text[text.index("  source: {type: files, path: outcomes") : text.index("  column: lost")]
    query = "  source: {type: postgres, connection: bank, query: labels.sql}\n"
    file.write_text(text.replace(of_files, query))
    (bank.folder / "labels.sql").write_text(
        "SELECT loan, lost, known_at FROM outcomes WHERE at >= :start AND at < :end AND known_at <= :as_of"
    )
    connection = psycopg2.connect(database_url)
    with connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE outcomes (loan text, lost boolean, known_at timestamptz, at timestamptz)")
        cursor.execute(
            "INSERT INTO outcomes VALUES ('1-0', NULL, '2024-01-03Z', '2024-01-02Z'), "
            "('1-1', true, '2024-01-03Z', '2024-01-02Z'), ('1-2', NULL, NULL, '2024-01-02Z')"
        )
    connection.close()
    connections = EnvironmentConnections({"AIRFLOW_CONN_BANK": database_url})
    ports = replace(
        bank.ports,
        source=lambda use_case, wanted: source_of(use_case, wanted, connections, FileCache()),
        lake=DeltaLake(str(tmp_path / "lake"), {}),
    )
    use_case = bank.use_case
    assert collect(use_case, day(1), day(5).start, ports, RUN).new == 2
    assert collect(use_case, day(1), day(5).start, ports, RUN).new == 0
    settled = settled_labels(use_case, day(1), day(5).start, ports).to_pylist()
    assert [(each["loan"], each["lost"]) for each in settled] == [("1-0", None), ("1-1", True)]


def test_no_label_file_is_an_empty_window(by_arrival: Bank) -> None:
    for file in (by_arrival.folder / "outcomes").iterdir():
        file.unlink()
    use_case = by_arrival.use_case
    source = by_arrival.ports.source(use_case, use_case.spec.labels.source)
    with pytest.raises(EmptyWindow):
        source.fetch(day(0), day(3).start, use_case.spec.limits)


def test_a_label_file_without_a_byte_brings_no_label(by_arrival: Bank) -> None:
    """It must not keep other windows from being measured."""
    ingest.run(by_arrival.use_case, day(1), by_arrival.ports, RUN)
    for file in (by_arrival.folder / "outcomes").iterdir():
        file.write_bytes(b"")
    assert collect(by_arrival.use_case, day(1), day(4).start, by_arrival.ports, RUN).labels == 0


def test_rows_and_labels_may_lie_in_the_same_files(tmp_path: Path) -> None:
    """The rows are all of them, also those whose outcome has not come."""
    bank = Bank(tmp_path, "%Y-%m-%d.csv", "")
    file = bank.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("path: outcomes", "path: loans"))
    (bank.folder / "loans" / "2024-01-01.csv").write_text(
        "loan,at,amount,lost,known_at\na,2024-01-01T00:00Z,1.5,true,2024-01-02T00:00Z\nb,2024-01-01T00:00Z,1.5,,\n"
    )
    use_case = bank.use_case
    assert use_case.spec.source == use_case.spec.labels.source
    for source in (use_case.spec.source, use_case.spec.labels.source):  # neither calls the other's columns undeclared
        extract = bank.ports.source(use_case, source).fetch(day(0), day(3).start, use_case.spec.limits)
        assert (extract.rows.num_rows, extract.remarks) == (2 - (source is not use_case.spec.source), ())
    assert ingest.run(use_case, day(0), bank.ports, RUN).rows == 2
    assert collect(use_case, day(0), day(3).start, bank.ports, RUN).labels == 1


@contextmanager
def reading(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the CSV files that are opened meanwhile."""
    opened: list[str] = []
    real = tabular.read_csv

    def noted(path: Path, *arguments: object) -> object:
        opened.append(path.name)
        return real(path, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(tabular, "read_csv", noted)
        yield opened
