"""What a disk holds after a year of daily retrainings of which none brings a new model into service.

`python tests/bench/year_of_retrainings.py`, with `--days` for a shorter year. Each day a use case is retrained by the
jobs of production, with candidates, pictures and a decision; each night its maintenance removes what the spec's
retention calls old: what a rejected retraining left goes after 90 days. The ledger and MLflow's database are a real
PostgreSQL, the lake's Delta tables, the artefacts and MLflow's files lie on disk. A day takes seconds here, so that the
night is told a later date: that by which what is 90 retrainings old has become 90 days old.

What retrainings leave on disk (training sets, artefacts, and what MLflow shows of them) may take 1.1 times at the end
of the year what it took after 90 days. The other files are the rows and labels of one more day each day, and the logs
of tables. From the 90th day on, the databases may grow by 50 kB a day: the ledger keeps each decision, with what it
rests on, for ever.
"""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
DAYS, KEPT, FIRST_MODEL = 365, 90, 30
MOST_LEFT, MOST_LEDGER = 1.1, 50_000  # times; bytes a day
TOLD = 30  # days from one line of the table to the next


def main() -> int:
    """The exit code: 1 when a limit was missed."""
    days = sys.argv[2] if sys.argv[1:2] == ["--days"] else str(DAYS)
    return subprocess.run(
        [sys.executable, "-m", "tests.bench.year_of_retrainings", "live", days], cwd=ROOT, check=False
    ).returncode


def live(days: int) -> int:
    """Live through so many days after the first model, print what the disk held, and say what was missed."""
    from perennial import clock
    from perennial.jobs.retrain import chain
    from perennial.jobs.upkeep import aged, maintain, rejected, samples

    logging.disable(logging.CRITICAL)
    with TemporaryDirectory() as scratch, world_on_disk(Path(scratch), days) as (world, files, databases):
        use_case, ports = world.use_case, world.ports
        retrain = {"actor": "bench", "reason": "daily"}
        chain.run(use_case, world.day(FIRST_MODEL).start, ports, "the first model", **retrain)
        unlikely = use_case.spec.training.model_copy(update={"min_gain": 0.5})
        use_case = replace(use_case, spec=use_case.spec.model_copy(update={"training": unlikely}))
        ended: list[datetime] = []
        held = [(*files(), databases())]
        print(f"| day | left by retrainings, MB | other files, MB | databases, MB | seconds a day |\n{5 * '|---'}|")
        began = time.perf_counter()
        for day in range(1, days + 1):
            chain.run(use_case, world.day(FIRST_MODEL + day).start, ports, f"day {day}", **retrain)
            ended.append(clock.now())
            tonight = ended[day - 1 - KEPT] + timedelta(days=KEPT) if day > KEPT else ended[-1]
            for job in (aged.run, samples.run, maintain.run, rejected.run):
                job(use_case, tonight, ports, f"night {day}", actor="maintenance")
            held.append((*files(), databases()))
            if day % TOLD == 0 or day == days:
                seconds = (time.perf_counter() - began) / (TOLD if day % TOLD == 0 else day % TOLD)
                began = time.perf_counter()
                sizes = " | ".join(f"{each / 1e6:.1f}" for each in held[-1])
                print(f"| {day} | {sizes} | {seconds:.1f} |", flush=True)
        assert len(ports.ledger.deployments(use_case.name)) == 1, "no other model came into service"
    return told(held)


def told(held: list[tuple[int, int, int]]) -> int:
    """Print what the disk held as JSON, and what was missed; the exit code."""
    settled, last = min(KEPT, len(held) - 1), len(held) - 1
    times = held[last][0] / held[settled][0]
    files, databases = ((held[last][each] - held[settled][each]) / max(last - settled, 1) for each in (1, 2))
    found = {"left_times": times, "other_file_bytes_a_day": files, "database_bytes_a_day": databases}
    print(json.dumps({"bytes_by_day": held, **found}))
    missed = []
    if times > MOST_LEFT:
        missed.append(f"retrainings left {times:.2f} times what they had after {KEPT} days; {MOST_LEFT} may be")
    if databases > MOST_LEDGER:
        missed.append(f"the databases grow by {databases:,.0f} bytes a day; {MOST_LEDGER:,} may be")
    for each in missed:
        print(each, file=sys.stderr)
    return 1 if missed else 0


@contextmanager
def world_on_disk(scratch: Path, days: int) -> Iterator[tuple]:
    """The use case on real stores, and two functions: the bytes of its files, and those of its databases.

    Files are told in two numbers: what retrainings left, and all others.
    """
    import psycopg2
    from tests.ports import free_port
    from tests.servers import WatchedPostgres, shared_mlflow, watched_run
    from tests.unit.jobs import world as worlds

    from perennial import clock
    from perennial.artifacts.store import ArtifactStore
    from perennial.lake.delta import DeltaLake
    from perennial.ledger.postgres.ledger import PostgresLedger
    from perennial.ledger.postgres.schema import migrate
    from perennial.registry.mlflow import MlflowRegistry

    worlds.DAYS = FIRST_MODEL + days + 1
    worlds.SHIFT = worlds.DAYS
    with watched_run(scratch) as run:
        postgres = WatchedPostgres(run, scratch / "postgres" / "data", free_port())
        postgres.data.parent.mkdir()
        postgres.start()
        url = postgres.url(postgres.new_database("year"))
        migrate.upgrade(url)
        mlflow = shared_mlflow(run, postgres)
        world = worlds.make_world(scratch)
        lake, artefacts = scratch / "lake", run.folder / "mlflow" / "artifacts"
        ledger = PostgresLedger(url, clock.now)
        world.ports = replace(
            world.ports,
            lake=DeltaLake(str(lake), {}),
            artifacts=ArtifactStore(str(lake / "artifacts"), {}),
            registry=MlflowRegistry(mlflow, scratch / "cache"),
            ledger=ledger,
        )

        def files() -> tuple[int, int]:
            def used(folder: Path) -> int:
                return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())

            logs = sum(map(used, lake.glob("training/*/_*")))
            left = used(artefacts) + used(lake / "artifacts") + used(lake / "training") - logs
            return left, used(lake) + used(artefacts) - left

        def databases() -> int:
            with psycopg2.connect(url) as session, session.cursor() as cursor:
                cursor.execute("SELECT sum(pg_database_size(oid)) FROM pg_database WHERE NOT datistemplate")
                found = int(cursor.fetchone()[0])
            session.close()
            return found

        try:
            yield world, files, databases
        finally:
            ledger.close()
            postgres.stop()


if __name__ == "__main__":
    sys.exit(live(int(sys.argv[2])) if sys.argv[1:2] == ["live"] else main())
