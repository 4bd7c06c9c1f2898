"""Tests that start real servers and then never end; the run that they are in is killed by `test_killed_runs.py`."""

import os
import sys
import time
from pathlib import Path

from tests.e2e.browser import browsing
from tests.e2e.system import running_system
from tests.servers import Run


def never_end(name: str) -> None:
    Path(os.environ["SERVERS_ARE_UP"], name).touch()
    while True:
        time.sleep(1)


def test_with_the_servers_that_tests_share(database_url: str, s3_endpoint: str) -> None:
    never_end("shared")


def test_with_a_browser() -> None:
    with browsing() as (_, page):
        page.goto("data:text/html,<p>A page</p>")
        never_end("browser")


def test_with_a_command(run: Run) -> None:
    script = "import os, pathlib, time; pathlib.Path(os.environ['SERVERS_ARE_UP'], 'command').touch(); time.sleep(1e6)"
    run.finish("a command", [sys.executable, "-c", script], os.environ)


def test_with_a_local_system(run: Run) -> None:
    with running_system(run.new_folder("local"), run):
        never_end("local system")
