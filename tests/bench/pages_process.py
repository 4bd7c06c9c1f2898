"""What the review pages cost the processes of Airflow: memory of its API server, and time of every other process.

Run it by `make bench`. Two real API servers on a real PostgreSQL, one with the plugin and one without, answer 200
questions each: pages of a use case with 1,000 windows of 50 columns, or Airflow's own API. The pages may take 30 MB of
the API server's memory: they are written by a process beside it, which is shown and does not count here. Every other
process of Airflow reads the plugin, too, and may take 50 ms for it.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
import psutil
from pages_speed import DAYS, FIRST, fill, use_cases

from perennial.ledger.postgres.schema import migrate
from perennial.spec.load import load_use_case
from perennial_local.addresses import choose_addresses
from perennial_local.airflow_api import answers
from perennial_local.environment import DATABASES, local_environment, passwords_file
from perennial_local.home import Home, write_private
from perennial_local.keys import ADMIN, load_keys
from perennial_local.postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[2]
ASKED, REPEATS = 200, 9
MOST_MEGABYTES, MOST_SECONDS = 30.0, 0.050
PATIENCE = 300.0  # seconds until a server answers; more is no measurement but a failure
OWN = ("/api/v2/version", "/api/v2/dags?limit=1")
LOADING = """
import time, warnings
warnings.simplefilter("ignore")
import airflow.sdk, airflow.models, airflow.plugins_manager
began = time.perf_counter()
airflow.plugins_manager.ensure_plugins_loaded()
print(time.perf_counter() - began)
"""


@dataclass(frozen=True)
class Memory:
    """Megabytes of an API server before and after it was asked, and of the process that writes the pages."""

    before: float
    after: float
    beside: float


def main() -> int:
    with TemporaryDirectory() as scratch:
        home = Home(Path(scratch) / "home")
        home.prepare()
        addresses, keys = choose_addresses(home, None, None), load_keys(home)
        server = EmbeddedPostgres(home.postgres, addresses.postgres_port)
        server.start()
        try:
            for database in DATABASES:
                server.create_database(database)
            [name, *_] = use_cases(home.path / "use_cases")
            migrate.upgrade(server.url("perennial"))
            suite = load_use_case(home.path / "use_cases" / name).suite_digest
            fill(server.url("perennial"), [name], suite)
            inherited = {**os.environ, "PERENNIAL_USE_CASES": str(home.path / "use_cases")}
            environment = local_environment(home, addresses, keys, server.url, inherited)
            # The role of the readers is for `make run`; here the pages read as the ledger's own user.
            for each in [variable for variable in environment if variable.endswith("_READER")]:
                del environment[each]
            write_private(passwords_file(home), json.dumps({ADMIN: keys.admin_password}))
            empty = home.path / "no_plugins"
            empty.mkdir()
            without = environment | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(empty)}
            subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=environment, check=True,
                           stdout=subprocess.DEVNULL)  # fmt: skip
            login = {"username": ADMIN, "password": keys.admin_password}
            plain = measured(without, addresses.airflow, login, OWN)
            pages = measured(environment, addresses.airflow, login, addresses_of(name))
            seconds = loading(environment), loading(without)
        finally:
            server.stop()
    return told(plain, pages, *seconds)


def addresses_of(name: str) -> tuple[str, ...]:
    """Pages of the use case: its windows, and the reports of some of them."""
    days = [FIRST.toordinal() + DAYS - number for number in range(3, 10)]
    keys = [f"{FIRST.fromordinal(day):%Y-%m-%d}T00:00Z--{FIRST.fromordinal(day + 1):%Y-%m-%d}T00:00Z" for day in days]
    windows = tuple(f"/perennial/dags/{name}.predict/windows/{key}" for key in keys)
    return (f"/perennial/dags/{name}.predict", *windows, "/perennial/home", "/perennial/style.css")


def measured(environment: dict[str, str], url: str, login: dict[str, str], asked: tuple[str, ...]) -> Memory:
    """The memory of an API server, which is asked for the addresses in turn."""
    with api_server(environment, url) as process, closing(httpx.Client(base_url=url, timeout=PATIENCE)) as client:
        token = client.post("/auth/token", json=login).raise_for_status().json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        for own in OWN:
            client.get(own).raise_for_status()
        before = megabytes(process)
        for number in range(ASKED):
            client.get(asked[number % len(asked)]).raise_for_status()
        return Memory(before, megabytes(process), sum(map(megabytes, process.children(recursive=True))))


@contextmanager
def api_server(environment: dict[str, str], url: str) -> Iterator[psutil.Process]:
    """A running API server."""
    log = Path(environment["AIRFLOW_HOME"]) / "api-server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "airflow", "api-server"], env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=output,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(f"{url}/api/v2/version"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the API server did not come up:\n{log.read_text()[-3000:]}")
            time.sleep(0.2)
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


def megabytes(process: psutil.Process) -> float:
    """What the process holds in memory, without what it shares with others."""
    return float(process.memory_full_info().uss) / 1e6


def loading(environment: dict[str, str]) -> float:
    """Seconds that a process of Airflow which is no API server takes to read its plugins."""
    found = []
    for _ in range(REPEATS):
        done = subprocess.run(
            [sys.executable, "-c", LOADING], env=environment, capture_output=True, text=True, check=True
        )
        found.append(float(done.stdout.splitlines()[-1]))
    return statistics.median(found)


def told(plain: Memory, pages: Memory, with_plugin: float, without_plugin: float) -> int:
    """Print what was found; 1 when a limit is missed."""
    print("| API server | MB when it answers | MB after 200 questions | MB beside it |\n|---|---|---|---|")
    print(f"| without the pages | {plain.before:.0f} | {plain.after:.0f} | {plain.beside:.0f} |")
    print(f"| with the pages | {pages.before:.0f} | {pages.after:.0f} | {pages.beside:.0f} |\n")
    print("| reading plugins | milliseconds |\n|---|---|")
    print(f"| without the pages | {1000 * without_plugin:.0f} |\n| with the pages | {1000 * with_plugin:.0f} |")
    found = {
        "megabytes_more_when_it_answers": pages.before - plain.before,
        "megabytes_more_after_200": pages.after - plain.after,
        "megabytes_of_200_pages": pages.after - pages.before,
        "seconds_of_the_plugin": with_plugin - without_plugin,
    }
    print(json.dumps(found))
    missed = [
        f"{name}: {value:.3f}; {limit} is allowed"
        for name, value in found.items()
        if value > (limit := MOST_SECONDS if name.startswith("seconds") else MOST_MEGABYTES)
    ]
    for each in missed:
        print(each, file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
