"""Every setting: what is allowed, what is said of a wrong value, and the page that is made of the table."""

import re
from pathlib import Path

import pytest

from perennial.errors import InvalidSettings
from perennial.registry import MLFLOW_MANNERS
from perennial.settings import Environment, Settings
from perennial.settings.document import markdown_table
from perennial.settings.table import MLFLOW, SETTINGS

WRONG = {
    "PERENNIAL_HOME": ["s3://bucket/home"],
    "PERENNIAL_USE_CASES": ["git://somewhere"],
    "PERENNIAL_LAKE_URL": [
        "gs://bucket",
        "s3://",
        "s3://a",
        "s3a://bucket/lake",
        "file://host/lake",
        "https://s3/bucket",
    ],
    "PERENNIAL_LAKE_CONNECTION": ["aws://key:secret@/", "two words"],
    "PERENNIAL_ANCHORS_URL": ["gs://bucket"],
    "PERENNIAL_ARCHIVE_URL": ["S3://bucket"],
    "PERENNIAL_MLFLOW_URL": ["mlflow:5000", "http://", "http://host:port", "sqlite:///mlflow.db"],
    "PERENNIAL_APPROVER_ROLES": [",", ", ,"],
    "PERENNIAL_LEAST_FREE_DISK": ["2 GB", "-1", "nan", "inf"],
    "AIRFLOW_CONN_PERENNIAL_LEDGER": ["host=db user=ann"],
    "AWS_ENDPOINT_URL": ["minio:9000"],
    "AIRFLOW__API__BASE_URL": ["airflow.example"],
    "MLFLOW_HTTP_REQUEST_TIMEOUT": ["soon"],
    "MLFLOW_DISABLE_TELEMETRY": ["perhaps"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_names_the_setting_the_value_and_what_is_allowed(name: str, value: str) -> None:
    setting = SETTINGS[name]
    with pytest.raises(InvalidSettings) as raised:
        setting.read(Environment({name: value}))
    said = str(raised.value)
    assert said.startswith(f"{name} ")
    assert "from the environment" in said
    assert setting.kind.allowed in said
    assert (repr(value) in said) is not setting.is_secret


def test_the_value_of_a_secret_is_not_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("ftp://ann:geheim@mlflow")
    environment = Environment({"PERENNIAL_MLFLOW_URL_FILE": str(tmp_path / "url")})
    with pytest.raises(InvalidSettings, match="not shown, because it is a secret") as raised:
        SETTINGS["PERENNIAL_MLFLOW_URL"].read(environment)
    assert "geheim" not in str(raised.value)
    assert str(tmp_path / "url") in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("PERENNIAL_LAKE_URL", "s3://bucket/lake", "s3://bucket/lake"),
        ("PERENNIAL_LAKE_URL", "file:///srv/lake", "file:///srv/lake"),
        ("PERENNIAL_LAKE_URL", "lake", "lake"),
        ("PERENNIAL_APPROVER_ROLES", " Risk , Audit ", "Risk,Audit"),
        ("PERENNIAL_LEAST_FREE_DISK", "0.5", "0.5 GB"),
        ("PERENNIAL_HOME", "/srv/perennial", "/srv/perennial"),
    ],
)
def test_a_value_is_shown_as_people_write_it(name: str, value: str, shown: str) -> None:
    setting = SETTINGS[name]
    assert setting.text(setting.read(Environment({name: value}))) == shown


def test_a_wrong_value_stops_whoever_reads_the_settings() -> None:
    with pytest.raises(InvalidSettings, match="PERENNIAL_LAKE_URL is 'gs://lake' from the environment"):
        Settings.from_environment({"PERENNIAL_LAKE_URL": "gs://lake"})


def test_the_free_disk_that_is_wanted_can_be_nothing() -> None:
    assert Settings.from_environment({}).least_free_disk == 2
    assert Settings.from_environment({"PERENNIAL_LEAST_FREE_DISK": "0"}).least_free_disk == 0


def test_the_page_is_made_of_the_table(repository: Path) -> None:
    assert (repository / "docs" / "settings.md").read_text() == markdown_table(), (
        "run `perennial settings --markdown > docs/settings.md`"
    )


def test_each_default_that_is_given_to_mlflow_is_in_the_table() -> None:
    assert {each.name: each.default for each in MLFLOW} == MLFLOW_MANNERS


def test_no_name_of_ours_that_the_code_knows_is_missing_from_the_table(repository: Path) -> None:
    code = [
        path.read_text()
        for folder in ("include/perennial", "plugins", "dags")
        for path in (repository / folder).rglob("*.py")
    ]
    named = {name for text in code for name in re.findall(r"(?<![A-Z_])PERENNIAL_[A-Z_]+[A-Z]", text)}
    assert {name.removesuffix("_FILE") for name in named} <= set(SETTINGS)
