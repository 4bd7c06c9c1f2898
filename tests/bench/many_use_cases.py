"""What 1, 10 and 100 use cases cost: the parsing of their DAGs, and what each window adds to ledger and lake.

`python tests/bench/many_use_cases.py`. DAGs are parsed as the DAG processor does, from copies of flight_delays, in a
process of their own each; processor time is told, which other work on the machine does not stretch as much as the
clock. Growth is measured on a real PostgreSQL and Delta tables, by windows of 180 rows that are ingested, validated,
scored, monitored and measured.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).parents[2]

COUNTS = (1, 10, 100)
FIRST_MODEL, WINDOWS = 30, range(30, 55)


def parse() -> None:
    """In a process of its own: parse the DAG file twice, as the DAG processor does again and again."""
    from airflow.dag_processing.dagbag import DagBag

    empty = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = []
    for _ in range(2):
        began = time.process_time()
        bag = DagBag(str(ROOT / "dags" / "perennial.py"))
        found.append(time.process_time() - began)
        assert not bag.import_errors, bag.import_errors
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"dags": len(bag.dags), "seconds": found, "megabytes": (peak - empty) / 1024}))


def use_cases(folder: Path, count: int) -> None:
    """So many copies of flight_delays, each under a name of its own."""
    original = ROOT / "include" / "use_cases" / "flight_delays"
    for number in range(count):
        copied = folder / f"flight_delays_{number}"
        shutil.copytree(original, copied, ignore=shutil.ignore_patterns("__pycache__"))
        file = copied / "use_case.yaml"
        file.write_text(file.read_text().replace("name: flight_delays", f"name: flight_delays_{number}", 1))


def parsed(scratch: Path, count: int) -> dict[str, Any]:
    folder = scratch / f"{count}"
    use_cases(folder, count)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(scratch / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
        "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT": "600",
        "PERENNIAL_USE_CASES": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "plugins"), str(ROOT / "include")]),
    }
    command = [sys.executable, __file__, "parse"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def growth(scratch: Path) -> dict[str, float]:
    """Bytes that one window adds, on average, after a first model is in service."""
    import psycopg2
    from tests.ports import free_port
    from tests.servers import WatchedPostgres, watched_run
    from tests.unit.jobs.test_predict_path import predict
    from tests.unit.jobs.world import make_world

    from perennial.artifacts.store import ArtifactStore
    from perennial.jobs.evaluate import collect_labels, measure
    from perennial.jobs.predict import monitor
    from perennial.jobs.retrain import chain
    from perennial.lake.delta import DeltaLake
    from perennial.ledger.postgres.ledger import PostgresLedger
    from perennial.ledger.postgres.schema import migrate
    from perennial.published.postgres import PostgresPublished

    with watched_run(scratch) as run:
        postgres = WatchedPostgres(run, scratch / "postgres" / "data", free_port())
        postgres.data.parent.mkdir()
        postgres.start()
        url = postgres.url(postgres.new_database("growth"))
        migrate.upgrade(url)
        (scratch / "world").mkdir()
        world = make_world(scratch / "world")
        lake = scratch / "lake"
        ledger = PostgresLedger(url, lambda: datetime.now(UTC))
        ports = replace(
            world.ports,
            ledger=ledger,
            lake=DeltaLake(str(lake), {}),
            artifacts=ArtifactStore(str(lake / "artifacts"), {}),
            published=PostgresPublished(url),
        )
        world = replace(world, ports=ports)

        def sizes() -> dict[str, int]:
            found = {}
            with psycopg2.connect(url) as session, session.cursor() as cursor:
                for name, schema in (("ledger", "ledger"), ("published table", "perennial")):
                    cursor.execute(
                        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
                        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
                        (schema,),
                    )
                    found[name] = int(cursor.fetchone()[0])
            session.close()
            for table in ("raw", "predictions", "labels", "quarantine"):
                files = (each for each in (lake / table).rglob("*") if each.is_file())
                found[f"lake {table}"] = sum(each.stat().st_size for each in files)
            return found

        chain.run(world.use_case, world.day(FIRST_MODEL).start, ports, "bench", actor="bench", reason="first")
        predict(world, WINDOWS[0])
        before = sizes()
        for day in WINDOWS[1:]:
            predict(world, day)
            monitor.run(world.use_case, world.day(day), ports, "bench")
            collect_labels.run(world.use_case, world.day(day).start, ports, "bench")
            measure.run(world.use_case, world.day(day).start, ports, "bench")
        after = sizes()
        ledger.close()
        postgres.stop()
    return {name: (after[name] - before[name]) / (len(WINDOWS) - 1) for name in before}


def grown() -> dict[str, float]:
    """`growth` in a process of its own, which finds the tests' own modules."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.many_use_cases", "growth"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    told = {}
    with TemporaryDirectory() as folder:
        print("| use cases | DAGs | parsing, processor seconds | again, as the file is parsed next | MiB more |")
        print("|---|---|---|---|---|")
        for count in COUNTS:
            told[count] = parsed(Path(folder), count)
            first, again = told[count]["seconds"]
            megabytes = told[count]["megabytes"]
            print(f"| {count} | {told[count]['dags']} | {first:.2f} | {again:.2f} | {megabytes:.0f} |", flush=True)
    sizes = grown()
    print("\n| a window of 180 rows adds | bytes |\n|---|---|")
    for name, size in sizes.items():
        print(f"| {name} | {size:,.0f} |")
    print(json.dumps({"parsing": told, "bytes_per_window": sizes}))


if __name__ == "__main__":
    if sys.argv[1:] == ["parse"]:
        parse()
    elif sys.argv[1:] == ["growth"]:
        with TemporaryDirectory() as scratch:
            print(json.dumps(growth(Path(scratch))))
    else:
        main()
