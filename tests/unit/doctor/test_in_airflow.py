"""What the process that asks Airflow tells is kept, however it ends."""

import json
import sys
from dataclasses import asdict

from perennial.doctor.finding import Finding, Status
from perennial.doctor.in_airflow import examine_in_airflow

DATABASE = Finding("airflow database", Status.OK, "has its tables")


def says(*lines: str, then: str = "") -> tuple[str, ...]:
    """A process that says these lines, and then does something else."""
    printed = "\n".join(f"print({line!r}, flush=True)" for line in lines)
    return (sys.executable, "-c", f"import sys, time\n{printed}\n{then}")


NAMES = json.dumps({"checks": ["airflow database", "jwt key"]})
FOUND = json.dumps({"finding": asdict(DATABASE), "seconds": 0.1})


def test_without_an_airflow_it_says_so() -> None:
    (found,) = examine_in_airflow({}, "no Airflow is set up here")
    assert (found.check, found.status) == ("airflow", Status.WARN)
    assert found.found == "not checked: no Airflow is set up here"


def test_lines_of_a_log_between_the_findings_are_passed_over() -> None:
    told = json.dumps({"finding": asdict(Finding("jwt key", Status.FAIL, "differs", "mend it"))})
    command = says("[info] starting", NAMES, "[1, 2]", FOUND, "3", told)
    found = examine_in_airflow({}, "", command=command)
    assert found == [DATABASE, Finding("jwt key", Status.FAIL, "differs", "mend it")]


def test_what_was_found_before_a_check_hung_is_kept() -> None:
    found = examine_in_airflow({}, "", seconds=2, command=says(NAMES, FOUND, then="time.sleep(600)"))
    assert found[0] == DATABASE
    assert (found[1].check, found[1].status) == ("jwt key", Status.FAIL)
    assert "was not done within 2 s" in found[1].found


def test_what_was_found_before_the_process_ended_is_kept() -> None:
    then = "print('the end is near', file=sys.stderr); sys.exit(9)"
    found = examine_in_airflow({}, "", command=says(NAMES, FOUND, then=then))
    assert found[0] == DATABASE
    assert "ended with code 9: the end is near" in found[1].found


def test_a_process_that_names_no_checks_has_failed() -> None:
    (found,) = examine_in_airflow({}, "", command=says(then="sys.exit(1)"))
    assert (found.check, found.status) == ("airflow", Status.FAIL)
    assert "ended with code 1: it said nothing" in found.found


def test_it_has_the_environment_that_it_is_given_and_no_endless_wait_for_a_database() -> None:
    command = says(then="import os; sys.exit(os.environ['PGCONNECT_TIMEOUT'] + os.environ['ONLY'])")
    (found,) = examine_in_airflow({"ONLY": "!"}, "", command=command)
    assert "10!" in found.found
