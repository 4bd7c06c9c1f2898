from pathlib import Path

import pytest

from perennial.errors import InvalidSettings
from perennial.settings import Settings


def test_what_make_run_left_is_found_and_the_process_has_the_last_word(tmp_path: Path) -> None:
    (tmp_path / "local.env").write_text("# a comment\nPERENNIAL_MLFLOW_URL=http://127.0.0.1:5000\nOTHER=a=b\n")
    settings = Settings.from_environment({"PERENNIAL_HOME": str(tmp_path)})
    assert settings.mlflow_url == "http://127.0.0.1:5000"
    assert settings.environment["OTHER"] == "a=b"
    own = Settings.from_environment({"PERENNIAL_HOME": str(tmp_path), "PERENNIAL_MLFLOW_URL": "http://mine"})
    assert own.mlflow_url == "http://mine"


def test_without_variables_everything_lies_in_the_checkout(repository: Path) -> None:
    settings = Settings.from_environment({"PERENNIAL_HOME": str(repository / "nowhere")})
    assert settings.use_cases == repository / "include" / "use_cases"
    assert settings.lake_url == str(repository / "nowhere" / "lake")
    assert settings.lake_connection is None


def test_anchors_lie_beside_the_lake_unless_they_are_elsewhere(tmp_path: Path) -> None:
    given = {"PERENNIAL_HOME": str(tmp_path), "PERENNIAL_LAKE_URL": "s3://lake/ours/"}
    assert Settings.from_environment(given).anchors_url == "s3://lake/ours/anchors"
    given["PERENNIAL_ANCHORS_URL"] = "s3://worm/anchors"
    assert Settings.from_environment(given).anchors_url == "s3://worm/anchors"


def test_archived_models_lie_beside_the_lake_unless_they_are_elsewhere(tmp_path: Path) -> None:
    given = {"PERENNIAL_HOME": str(tmp_path), "PERENNIAL_LAKE_URL": "s3://lake/ours/"}
    assert Settings.from_environment(given).archive_url == "s3://lake/ours/archive"
    given["PERENNIAL_ARCHIVE_URL"] = "s3://cold/models"
    assert Settings.from_environment(given).archive_url == "s3://cold/models"


def test_a_missing_address_of_mlflow_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"PERENNIAL_MLFLOW_URL is not set.*make run"):
        Settings.from_environment({"PERENNIAL_HOME": str(tmp_path)}).require_mlflow()


def test_the_roles_that_approve_are_named_with_commas() -> None:
    assert Settings.from_environment({}).approver_roles == ("Admin", "Approver")
    assert Settings.from_environment({"PERENNIAL_APPROVER_ROLES": " Risk ,Audit,"}).approver_roles == ("Risk", "Audit")
