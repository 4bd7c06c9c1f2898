"""The review pages, with years of history in the ledger: milliseconds and bytes a page.

Run it by `make bench`. Ten daily use cases with 1,000 windows of 50 columns each and one hourly use case with 17,520
windows (two years) lie in a real PostgreSQL, and beside them a hundred young daily ones with 60 windows each. Each page
is asked for as the API server asks for it, in one process that was warmed up as the one beside the server is, and the
median counts. A page may take 300 ms and, compressed as it is sent, 200 kB. Every view is among them, or the bench says
which is not.
"""

import gzip
import json
import re
import shutil
import socket
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import psycopg2
import psycopg2.extras
import pyarrow as pa

from perennial import clock
from perennial.artifacts.memory import InMemoryArtifacts
from perennial.drift.assess import assess_profile
from perennial.drift.reference import fit_reference
from perennial.lake.memory import InMemoryLake
from perennial.lake.port import quarantine_table, raw_table, window_partition
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.pages.answer import TEXTS, VIEWS, answer
from perennial.pages.asked import Answer, Asked
from perennial.pages.reader import collect_garbage
from perennial.performance.delay import GRID
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.quality.proposals.kept import with_seen
from perennial.quality.schema import canonical_schema
from perennial.quality.validate import validate
from perennial.registry.memory import MemoryRegistry
from perennial.settings import Settings
from perennial.spec.columns import Kind
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.models import UseCase
from perennial.window import Window
from perennial_local.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
DAILY, DAYS, HOURS, COLUMNS = 10, 1_000, 17_520, 50
MANY, FEW_DAYS = 100, 60
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
MOST_SECONDS, MOST_BYTES, REPEATS = 0.3, 200_000, 7
MOST_SECONDS_OF_GAUGES = 1.0  # no person waits for them
OF_MANY, GAUGES_OF_MANY = (f"{what} of {MANY} use cases" for what in ("home", "gauges"))
KEPT = 100  # windows, the last ones, of which validation kept what their rows were like
KINDS = {f"column_{n}": "categorical" if n % 5 == 0 else "numeric" for n in range(COLUMNS)}

VALIDATIONS = """
INSERT INTO ledger.validations (use_case, window_start, window_end, snapshot_digest, suite_digest, verdict, reasons,
    rows, rows_quarantined, result, number, run_id, recorded_at)
SELECT %(name)s, at, at + %(step)s, 's' || n, %(suite)s, CASE WHEN n %% 97 = 0 THEN 'fail' ELSE 'pass' END, '[]', 900,
    n %% 3, %(result)s, 0, %(run)s || n, at + %(step)s FROM {windows}
ON CONFLICT DO NOTHING
"""
VALIDATION = """
INSERT INTO ledger.validations (use_case, window_start, window_end, snapshot_digest, suite_digest, verdict, reasons,
    rows, rows_quarantined, result, number, run_id, recorded_at)
VALUES (%(name)s, %(start)s, %(end)s, %(snapshot)s, %(suite)s, 'pass', '[]', %(rows)s, %(aside)s, %(result)s, 0,
    %(run)s, %(end)s)
"""
SNAPSHOTS = """
INSERT INTO ledger.snapshots (use_case, window_start, window_end, "table", version, digest, rows, columns, query,
    run_id, recorded_at)
SELECT %(name)s, at, at + %(step)s, 'raw', n, 's' || n, 900, %(kinds)s, 'SELECT 1', %(run)s || n, at + %(step)s
FROM {windows}
"""
BATCHES = """
INSERT INTO ledger.batches (use_case, window_start, window_end, revision, snapshot_digest, suite_digest, scoring_digest,
    model_version, model_digest, "table", version, digest, rows, resolution, fencing_token, code_version, lock_digest,
    parts, run_id, recorded_at)
SELECT %(name)s, at, at + %(step)s, 1, 's' || n, %(suite)s, 'c', '1', 'm', 'predictions', n, 'd', 900, 'as_was', n, 'v',
    'l', CASE WHEN n %% 3 = 0 THEN %(parts)s ELSE '[]' END::jsonb, %(run)s || n, at + %(step)s
FROM {windows} WHERE n %% 97 <> 0
"""
DRIFT = """
INSERT INTO ledger.drift_reports (use_case, window_start, window_end, snapshot_digest, model_digest, verdict, p_value,
    reference_windows, missing, columns, reasons, report, profile, run_id, recorded_at, basis_digest, number)
SELECT %(name)s, at, at + %(step)s, 's' || n, 'm', CASE WHEN n %% 31 = 0 THEN 'fail' ELSE 'pass' END, 0.5, 50, '[]',
    '{{}}', '[]', %(report)s, '{{}}', %(run)s || n, at + %(step)s, 'b', 0 FROM {windows} WHERE n %% 97 <> 0
"""
PERFORMANCE = """
INSERT INTO ledger.performance (use_case, window_start, window_end, revision, model_version, model_digest, as_of,
    maturity, rows, labelled, without_outcome, completeness, verdict, metrics, intervals, estimates, arrivals,
    label_drift, labels_version, run_id, recorded_at)
SELECT %(name)s, at, at + %(step)s, 1, '1', 'm', at + 3 * %(step)s, 'final', 900, 880, 0, 0.98, 'pass',
    '{{"roc_auc": 0.7}}', '{{"roc_auc": {{"low": 0.66, "high": 0.74, "standard_error": 0.02}}}}',
    '{{"roc_auc": {{"value": 0.71, "low": 0.66, "high": 0.75}}}}', %(arrivals)s, '{{}}', 1, %(run)s || n,
    at + 3 * %(step)s
FROM {windows} WHERE n %% 97 <> 0
"""
DECISIONS = """
INSERT INTO ledger.decisions (use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at)
SELECT %(name)s, 'retrain_on_drift', 'w' || n, at + %(step)s, 'hold', '["Nothing calls for it."]', '{{}}', %(run)s || n,
    at + %(step)s FROM {windows} WHERE n %% 97 <> 0
"""
PROMOTIONS = """
INSERT INTO ledger.decisions (use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at)
SELECT %(name)s, 'promote', 't' || n, at + %(step)s, 'reject', '["It is no better."]', '{{}}', 'retrain' || n,
    at + %(step)s FROM {windows} WHERE n %% 97 = 0
"""
DEPLOYMENTS = """
INSERT INTO ledger.deployments (use_case, role, model_version, model_digest, effective_from, supersedes, actor, reason,
    training, metrics, approved_by, code_version, lock_digest, share, salt, ends, run_id, recorded_at)
SELECT %(name)s, role, version, digest, %(first)s, supersedes, 'ada', 'first', '{{}}', '{{"roc_auc": 0.7}}', NULL, 'v',
    'l', share, '', false, 'retrain', %(first)s
FROM (VALUES ('champion', '0', 'm0', NULL::bigint, NULL::smallint), ('champion', '1', 'm', 0, NULL),
    ('challenger', '2', 'm2', NULL, 25)) AS entry (role, version, digest, supersedes, share)
"""
# A canary that has lasted for ever: decided about after every window, as who stands by is tried.
ROLLOUTS = """
INSERT INTO ledger.decisions (use_case, kind, subject, as_of, action, reasons, numbers, run_id, recorded_at)
SELECT %(name)s, kind, stage.id || about || n, at + %(step)s, action, '["Nothing is sure."]', %(numbers)s,
    %(run)s || n, at + %(step)s
FROM {windows}, (VALUES ('rollout', 'hold', 'challenger', '/25/'), ('standby', 'not_ready', 'champion', '/0/'))
    AS entry (kind, action, role, about) JOIN LATERAL (SELECT id FROM ledger.deployments WHERE use_case = %(name)s
    AND deployments.role = entry.role ORDER BY id DESC LIMIT 1) AS stage ON true
"""
GAINS = """
INSERT INTO ledger.paired_gains (use_case, window_start, window_end, revision, champion_digest, challenger_digest,
    metric, as_of, gain, champion, challenger, rows, run_id, recorded_at)
SELECT %(name)s, at, at + %(step)s, 1, 'm', 'm2', 'roc_auc', at + %(step)s, 0.01, 0.7, 0.71, 880, %(run)s || n,
    at + %(step)s FROM {windows} WHERE n %% 97 <> 0
"""
STATEMENTS = (SNAPSHOTS, VALIDATIONS, BATCHES, DRIFT, PERFORMANCE, DECISIONS, PROMOTIONS, DEPLOYMENTS, ROLLOUTS, GAINS)
PARTS = [
    {"role": "champion", "model_version": "1", "model_digest": "m", "rows": 675},
    {"role": "challenger", "model_version": "2", "model_digest": "m2", "rows": 225, "share": 25},
]
NUMBERS = {
    "share": 25, "overdue": 1, "windows": 60, "challenger": "2", "champion": "1", "version": "0",
    "since": FIRST.isoformat(),
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """Medians of a page: seconds by the clock, and of the processor in this process; `size` in bytes as it is sent."""

    seconds: float
    of_the_processor: float
    size: int
    windows: int


def main() -> int:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = use_cases(folder / "use_cases")
        server = EmbeddedPostgres(folder / "postgres" / "data", free_port())
        server.start()
        try:
            server.create_database("ledger")
            url = server.url("ledger")
            migrate.upgrade(url)
            loaded = {name: load_use_case(folder / "use_cases" / name) for name in (names[0], "hourly")}
            lake = OneVersion()
            keep(url, list(loaded.values()), lake)
            fill(url, names, loaded[names[0]].suite_digest)
            found = measured(folder, url, names, lake)
        finally:
            server.stop()
    print("| page | windows | milliseconds | of the processor here | kB sent |\n|---|---|---|---|---|")
    for name, each in found.items():
        milliseconds = f"{1000 * each.seconds:.0f} | {1000 * each.of_the_processor:.0f}"
        print(f"| {name} | {each.windows:,} | {milliseconds} | {each.size / 1000:.0f} |")
    print(json.dumps({name: asdict(each) for name, each in found.items()}))
    missed = [
        f"{name} takes {1000 * each.seconds:.0f} ms and {each.size / 1000:.0f} kB; {1000 * most:.0f} ms and "
        f"{MOST_BYTES / 1000:.0f} kB are allowed"
        for name, each in found.items()
        if each.seconds > (most := MOST_SECONDS_OF_GAUGES if name.startswith("gauges") else MOST_SECONDS)
        or each.size > MOST_BYTES
    ]
    for line in missed:
        print(line, file=sys.stderr)
    return 1 if missed else 0


def days_of(name: str) -> int:
    """How many days the use case has been scored."""
    return {"hourly": HOURS // 24, "young": FEW_DAYS}.get(name.partition("_")[0], DAYS)


def use_cases(folder: Path) -> list[str]:
    """Ten daily use cases like flight_delays, an hourly one, and a hundred daily ones that are young."""
    names = [f"daily_{number}" for number in range(DAILY)] + ["hourly"] + [f"young_{number}" for number in range(MANY)]
    for name in names:
        spec = shutil.copytree(ROOT / "include" / "use_cases" / "flight_delays", folder / name) / "use_case.yaml"
        text = re.sub(r"^name: .*$", f"name: {name}", spec.read_text(), flags=re.MULTILINE)
        text = re.sub(r"^  start: .*$", f"  start: {FIRST:%Y-%m-%d}", text, flags=re.MULTILINE)
        end = f"  end: {FIRST + timedelta(days=days_of(name)):%Y-%m-%d}"
        text = re.sub(r"^  end: .*$", end, text, flags=re.MULTILINE)
        more = "".join(f"  {column}: {{kind: {kind}}}\n" for column, kind in KINDS.items())
        text = text.replace("\nlabels:\n", f"{more}\nlabels:\n", 1)
        text += "\nrollout: {shadow: 14d, canary: [5, 25], standby: true}\n"
        if name == "hourly":
            text = re.sub(r"^  every: .*$", "  every: hour", text, flags=re.MULTILINE)
        spec.write_text(text)
        load_use_case(folder / name)
    return names


def fill(url: str, names: list[str], suite: str) -> None:
    """What years of scoring leave in the ledger."""
    report, result = drift_report(), {"gates": [], "row_rules": [], "expectations": [expectation(n) for n in range(30)]}
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # pages read no links: the entries get none
        for name in names:
            step = timedelta(hours=1) if name == "hourly" else timedelta(days=1)
            count = timedelta(days=days_of(name)) // step
            given = {
                "name": name,
                "suite": suite,
                "step": step,
                "first": FIRST,
                "run": f"{name}.predict/scheduled__",
                "kinds": json.dumps({f"column_{n}": "double" for n in range(COLUMNS)}),
                "result": json.dumps(result),
                "report": json.dumps(report),
                "parts": json.dumps(PARTS),
                "numbers": json.dumps(NUMBERS),
                "arrivals": json.dumps([0.5 + 0.02 * age for age in range(len(GRID))]),
            }
            windows = f"(SELECT n, %(first)s + n * %(step)s AS at FROM generate_series(0, {count - 1}) AS n) AS windows"
            for statement in STATEMENTS:
                cursor.execute(statement.format(windows=windows), given)
    connection.close()
    with psycopg2.connect(url) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
    connection.close()


class OneVersion(InMemoryLake):
    """A lake in which every version is the present one, whatever the ledger calls it."""

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        return super().read(table, partition)


def keep(url: str, use_cases: list[LoadedUseCase], lake: InMemoryLake) -> None:
    """What validation kept of the last windows; and of the last but one its rows, with a few in quarantine."""
    expectations = [expectation(number) for number in range(30)]
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        for use_case in use_cases:
            rules = tuple(each for each in use_case.expectations if each.quarantine)
            light = replace(use_case, expectations=rules)  # Great Expectations would take most of the time
            end = FIRST + timedelta(days=days_of(use_case.name))
            windows = list(use_case.spec.grid.between(use_case.spec.grid.back(end, KEPT), end))
            total = (end - FIRST) // (windows[0].end - windows[0].start)
            for number, window in enumerate(windows, total - KEPT):
                rows = some_rows(use_case.spec, window, number)
                checked = validate(light, rows, window)
                assert checked.clean.num_rows
                result = with_seen(light, window, checked) | {"expectations": expectations}
                given = {
                    "name": use_case.name, "start": window.start, "end": window.end, "snapshot": f"s{number}",
                    "suite": use_case.suite_digest, "rows": rows.num_rows, "aside": checked.quarantined.num_rows,
                    "result": json.dumps(result), "run": f"{use_case.name}.predict/scheduled__{number}",
                }  # fmt: skip
                cursor.execute(VALIDATION, given)
                if window == windows[-2]:
                    digests = pa.array([given["snapshot"]] * checked.quarantined.num_rows, pa.string())
                    aside = checked.quarantined.table().append_column("snapshot_digest", digests)
                    predictions = checked.clean.table([use_case.spec.key])
                    scores = pa.array(np.linspace(0, 1, predictions.num_rows))
                    for column, value in (("model_version", "1"), ("model_digest", "m")):
                        predictions = predictions.append_column(column, pa.repeat(value, predictions.num_rows))
                    lake.replace(raw_table(use_case.name), window_partition(window), rows)
                    lake.replace(quarantine_table(use_case.name), window_partition(window), aside)
                    lake.replace(
                        "predictions", window_partition(window), predictions.append_column("prediction", scores)
                    )
    connection.close()


def some_rows(spec: UseCase, window: Window, seed: int) -> pa.Table:
    """900 rows of the window, of which the first three have a temperature that is set aside."""
    random, schema, count = np.random.default_rng(seed), canonical_schema(spec), 900
    made: dict[Kind, Callable[[], Any]] = {
        Kind.INTEGER: lambda: random.integers(60, 100, count),
        Kind.NUMERIC: lambda: random.normal(60, 5, count),
        Kind.CATEGORICAL: lambda: [f"AB{each}" for each in random.integers(10, 50, count)],
        Kind.TIMESTAMP: lambda: [window.start] * count,
        Kind.BOOLEAN: lambda: random.random(count) < 0.5,
    }
    cells = {name: made[column.kind]() for name, column in spec.columns.items()}
    cells |= {spec.key: np.arange(count), "pressure": random.normal(1000, 5, count)}
    cells["temp"][:3] = 500.0
    return pa.table({name: pa.array(cells[name], schema.field(name).type) for name in schema.names})


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def drift_report() -> dict[str, Any]:
    """The assessment of a window with so many columns, as monitoring stores it."""
    random = np.random.default_rng(7)

    def rows() -> pa.Table:
        return pa.table({f"column_{n}": random.normal(0, 1, 900) for n in range(COLUMNS)})

    columns = {f"column_{n}": Kind.NUMERIC for n in range(COLUMNS)}
    reference = fit_reference([(str(n), rows()) for n in range(30)], columns, dict.fromkeys(columns, 1.0))
    return assess_profile(reference, reference.profile(rows()), 0.05).to_json()


def expectation(number: int) -> dict[str, Any]:
    """An expectation that was met, as validation stores it."""
    return {
        "type": "expect_column_values_to_be_between", "kwargs": {"column": f"column_{number}", "min_value": -9},
        "severity": "critical", "met": True, "checked": 900, "missing": 0, "unexpected": 0, "observed": None,
        "samples": [], "error": None,
    }  # fmt: skip


def measured(folder: Path, url: str, names: list[str], lake: InMemoryLake) -> dict[str, Measured]:
    """Each page, asked for again and again."""
    settings = Settings.from_environment(
        {"PERENNIAL_USE_CASES": str(folder / "use_cases"), "PERENNIAL_HOME": str(folder)}
    )
    ledger = PostgresLedger(url, clock.now)

    def no_source(*_: Any) -> Any:
        raise AssertionError("a page reads no source")

    ports = Ports(no_source, lake, ledger, MemoryRegistry(), InMemoryPublished(), InMemoryArtifacts())
    last = FIRST + timedelta(hours=HOURS - 2)
    hour = f"{last:%Y-%m-%dT%H:%MZ}--{last + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    week = (last - timedelta(days=7)).isoformat()
    day = FIRST + timedelta(days=DAYS - 2)
    daily = f"{day:%Y-%m-%dT%H:%MZ}--{day + timedelta(days=1):%Y-%m-%dT%H:%MZ}"
    first_day, last_day = f"{last - timedelta(days=3):%Y-%m-%d}", f"{last - timedelta(days=2):%Y-%m-%d}"
    asked = {
        "home": ("home", {}, DAILY * DAYS + HOURS),
        OF_MANY: ("home", {}, MANY * FEW_DAYS),
        "gauges": ("metrics", {}, DAILY * DAYS + HOURS),
        GAUGES_OF_MANY: ("metrics", {}, MANY * FEW_DAYS),
        "windows of a daily use case": ("use_case", {"use_case": names[0]}, DAYS),
        "windows of the hourly use case": ("use_case", {"use_case": "hourly"}, HOURS),
        "earlier windows of the hourly use case": (
            "use_case", {"use_case": "hourly", "until": f"{FIRST + timedelta(hours=HOURS // 2):%Y-%m-%d}"}, HOURS,
        ),
        "report of a day": ("window", {"use_case": names[0], "window": daily}, DAYS),
        "report of an hour": ("window", {"use_case": "hourly", "window": hour}, HOURS),
        "report of an evaluation": (
            "evaluation", {"use_case": "hourly", "run_id": "none", "as_of": last.isoformat()}, HOURS,
        ),
        "report of a week of hours": (
            "interval", {"use_case": "hourly", "start": week, "end": last.isoformat()}, HOURS,
        ),
        "report of a retraining": ("retraining", {"use_case": "hourly", "run_id": "retrain"}, HOURS),
        "card of the hourly use case": ("card", {"use_case": "hourly"}, HOURS),
        "alerts of the hourly use case": ("alerts", {"use_case": "hourly"}, HOURS),
        "review queue of the hourly use case": ("review", {"use_case": "hourly"}, HOURS),
        "quarantine of an hour": ("quarantine", {"use_case": "hourly", "window": hour}, HOURS),
        "a row in quarantine": ("quarantined", {"use_case": "hourly", "window": hour, "entity": "1"}, HOURS),
        "evidence on a row": ("evidence", {"use_case": "hourly", "window": hour, "entity": "800"}, HOURS),
        "evidence on a row of any window": ("evidence", {"use_case": "hourly", "entity": "800"}, HOURS),
        "suggestions from 30 days": ("suggestions", {"use_case": names[0]}, DAYS),
        "suggestions from 30 hours": ("suggestions", {"use_case": "hourly"}, HOURS),
        "suggestions from 60 days": (
            "suggestions", {"use_case": names[0], "from": "2020-01-01", "to": f"{day:%Y-%m-%d}"}, DAYS,
        ),
        "preview of two days of hours": ("preview", {"use_case": "hourly", "from": first_day, "to": last_day}, HOURS),
        "preview of 371 days": (
            "preview", {"use_case": names[0], "from": "2021-01-01", "to": f"{day:%Y-%m-%d}"}, DAYS,
        ),
        "what can be compared": ("compare", {"use_case": "hourly"}, HOURS),
        "two days compared": ("compare", {"use_case": names[0], "window": "2021-01-01", "with": daily}, DAYS),
    }  # fmt: skip
    assert {view for view, _, _ in asked.values()} == VIEWS.keys() | TEXTS.keys(), "each view is measured"
    found = {}
    for name, (view, arguments, windows) in asked.items():
        readable = [each for each in names if each.startswith("young") == (name in (OF_MANY, GAUGES_OF_MANY))]
        question = Asked(view, arguments, tuple(readable), "/perennial", "")
        seconds, worked, page = [], [], Answer(0, "", b"")
        for _ in range(REPEATS + 1):
            began, work = time.perf_counter(), time.process_time()
            page = answer(question, settings, ports)
            seconds.append(time.perf_counter() - began)
            worked.append(time.process_time() - work)
            collect_garbage(after_the_first=not found and len(seconds) == 1)
        assert page.status == 200, f"{name}: {page.status} {page.body[:800]!r}"
        medians = statistics.median(seconds[1:]), statistics.median(worked[1:])
        found[name] = Measured(*medians, len(gzip.compress(page.body)), windows)
    ledger.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
