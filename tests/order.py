"""The order of the tests: what takes longest comes first, so that two workers end at about the same time."""

from pathlib import Path

import pytest

# Minutes, then seconds. Whatever is not named here takes its turn afterwards, in the order in which it is found.
LONGEST_FIRST = (
    "tests/e2e/test_main_job.py",
    "tests/faults/test_faults.py",
    "tests/e2e/test_approval.py",
    "tests/contract/test_jobs_on_real_stores.py",
    "tests/contract/test_erase.py",
    "tests/contract/test_personal_data.py",
    "tests/killed/test_killed_runs.py",
    "tests/pages/test_hostile_addresses.py",
    "tests/pages/test_robustness.py",
    "tests/pages/test_roles.py",
    "tests/browser/test_accessibility.py",
    "tests/browser/test_hostile.py",
    "tests/browser/test_reading.py",
    "tests/unit/airflow/test_executor.py",
    "tests/contract/test_hostile_inputs.py",
    "tests/contract/test_registry.py",
    "tests/dags/test_parsing.py",
    "tests/unit/jobs/test_candidates_that_fail.py",
    "tests/unit/jobs/test_backtest.py",
    "tests/unit/jobs/test_learning_path.py",
    "tests/unit/jobs/test_monitoring.py",
    "tests/unit/cli/test_new.py",
    "tests/unit/test_calendar.py",
)


def in_order(items: list[pytest.Item]) -> None:
    """Sort the tests; those of one file keep their order."""
    root = Path(__file__).parents[1]
    turns = {root / path: turn for turn, path in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: turns.get(item.path, len(turns)))
