"""The secrets of the stack: made at random, for their owner's eyes only, and refused where they could be known."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perennial_stack import keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_every_secret_is_made_and_no_two_files_share_one(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    assert keys.make(file) == keys.make(other) == [secret.name for secret in keys.SECRETS]
    assert keys.file_problems(file) == []
    values = [*keys.read(file).values(), *keys.read(other).values()]
    assert len(set(values)) == 2 * len(keys.SECRETS)


def test_only_its_owner_reads_the_file(file: Path) -> None:
    keys.make(file)
    assert file.stat().st_mode & 0o777 == 0o600
    file.chmod(0o644)
    keys.make(file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_that_others_read_is_refused(file: Path) -> None:
    keys.make(file)
    file.chmod(0o640)
    assert keys.file_problems(file) == [f"{file} can be read by others (mode 0640); it must be 0600."]


def test_what_is_there_stays_and_what_is_missing_is_added(file: Path) -> None:
    file.write_text("# mine\nWORKER_CONCURRENCY=4\nREADER_PASSWORD=kept-as-it-is-1234567890\nVALKEY_PASSWORD=\n")
    made = keys.make(file)
    assert "READER_PASSWORD" not in made
    assert "VALKEY_PASSWORD" in made
    found = keys.read(file)
    assert (found["WORKER_CONCURRENCY"], found["READER_PASSWORD"]) == ("4", "kept-as-it-is-1234567890")
    assert keys.make(file) == []
    assert keys.read(file) == found
    assert file.read_text().startswith("# mine\n")


def test_values_stand_in_urls_as_they_are(file: Path) -> None:
    keys.make(file)
    for name, value in keys.read(file).items():
        if name != "AIRFLOW_FERNET_KEY":  # stands in no URL
            assert value.isascii(), name
            assert value.isalnum(), name


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "VALKEY_PASSWORD is not set."),
        ("", "VALKEY_PASSWORD is not set."),
        ("airflow", "VALKEY_PASSWORD is 7 characters long; it needs at least 20."),
        ("AKIAIOSFODNN7EXAMPLE", "VALKEY_PASSWORD has a value from public examples"),
        ("changeme" * 4, "VALKEY_PASSWORD repeats few characters"),
        ("pass:word/with@what-a-URL-means", "VALKEY_PASSWORD has characters that mean something in a URL"),
    ],
)
def test_a_secret_that_could_be_known_is_named_and_not_shown(file: Path, value: str | None, said: str) -> None:
    keys.make(file)
    values = keys.read(file) | {"VALKEY_PASSWORD": value or ""}
    if value is None:
        del values["VALKEY_PASSWORD"]
    (found,) = keys.problems(values)
    assert found.startswith(said)
    assert not value or value not in found


def test_two_secrets_of_one_value_are_refused(file: Path) -> None:
    keys.make(file)
    values = keys.read(file)
    values["READER_PASSWORD"] = values["PUBLISHER_PASSWORD"]
    (found,) = keys.problems(values)
    assert found.startswith("READER_PASSWORD has the same value as PUBLISHER_PASSWORD")


def test_a_missing_file_is_told(file: Path) -> None:
    assert keys.file_problems(file) == [f"{file} is missing."]


def test_the_command_needs_no_installed_package_and_its_status_tells(repository: Path, file: Path) -> None:
    def run(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-S", "-m", "perennial_stack.keys", *arguments],
            env={"PYTHONPATH": str(repository / "include"), "PATH": os.environ["PATH"], **variables},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert run("make", str(file)).returncode == 0
    assert run("check", str(file)).returncode == 0
    assert run("check", **keys.read(file)).returncode == 0
    refused = run("check", **(keys.read(file) | {"AIRFLOW_JWT_SECRET": "short"}))
    assert refused.returncode == 1
    assert "AIRFLOW_JWT_SECRET is 5 characters long" in refused.stdout
