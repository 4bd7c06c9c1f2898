"""The checks that need Airflow, run in a process that may import it."""

import json
import subprocess
import sys
from collections.abc import Mapping

from perennial.doctor.finding import Finding, Status
from perennial.encoding import from_json

NAME = "airflow"
LONGEST = 180.0  # seconds; importing Airflow and parsing its DAGs takes a while
COMMAND = (sys.executable, "-m", "perennial_airflow.doctor")


def examine_in_airflow(
    environment: Mapping[str, str], why_not: str, seconds: float = LONGEST, command: tuple[str, ...] = COMMAND
) -> list[Finding]:
    """What the checks in Airflow found; `why_not` says why there is no Airflow here, "" where there is one.

    What was found before the process ended or `seconds` were over is kept, and what is missing has failed.
    """
    if why_not:
        return [
            Finding(NAME, Status.WARN, f"not checked: {why_not}", "Run this where Airflow runs, too: on each host.")
        ]
    variables = {"PGCONNECT_TIMEOUT": "10", **environment}
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            command, env=variables, capture_output=True, text=True, timeout=seconds, check=False
        )
        said, ended = done.stdout, f"ended with code {done.returncode}: {_last_line(done.stderr)}"
    except subprocess.TimeoutExpired as error:
        output = error.stdout or b""
        said = output.decode(errors="replace") if isinstance(output, bytes) else output
        ended = f"was not done within {seconds:g} s"
    names, found = _read(said)
    if not names:
        return [
            Finding(NAME, Status.FAIL, f"the process that asks Airflow {ended}", "Does `airflow version` work here?")
        ]
    late = "the process that asks Airflow " + ended
    missing = Finding("", Status.FAIL, late, "A server that it asked does not answer; see the other lines.")
    return [found.get(name) or Finding(name, missing.status, missing.found, missing.todo) for name in names]


def _read(output: str) -> tuple[list[str], dict[str, Finding]]:
    names: list[str] = []
    found: dict[str, Finding] = {}
    for line in output.splitlines():
        try:
            told = json.loads(line)
        except json.JSONDecodeError:
            continue  # a line of Airflow's log
        if isinstance(told, dict) and isinstance(told.get("checks"), list):
            names = [str(name) for name in told["checks"]]
        elif isinstance(told, dict) and "finding" in told:
            finding = from_json(Finding, told["finding"])
            found[finding.check] = finding
    return names, found


def _last_line(text: str) -> str:
    lines = text.strip().splitlines() or ["it said nothing"]
    return lines[-1][:300]
