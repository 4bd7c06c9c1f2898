"""Connections come from Airflow, wherever it keeps them."""

from pathlib import Path

import pytest

from perennial.errors import InvalidSettings
from perennial_airflow.connections import AirflowConnections


@pytest.mark.parametrize(
    ("kept", "given"),
    [
        ("postgresql://u:p%40ss@host:5432/db", "postgresql://u:p%40ss@host:5432/db"),
        ("postgres://u:p@host:5432/db?sslmode=require", "postgresql://u:p@host:5432/db?sslmode=require"),
        (
            "aws://key:s%2Fecret@/?endpoint_url=http%3A%2F%2Fhost%3A9000&region_name=eu-central-1",
            "aws://key:s%2Fecret@/?endpoint_url=http%3A%2F%2Fhost%3A9000&region_name=eu-central-1",
        ),
    ],
)
def test_the_uri_is_as_airflow_writes_it(monkeypatch: pytest.MonkeyPatch, kept: str, given: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS", kept)
    assert AirflowConnections().url("flights") == given


def test_a_missing_connection_says_how_to_add_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_NOWHERE", raising=False)
    with pytest.raises(InvalidSettings, match=r"no connection 'nowhere'.*AIRFLOW_CONN_NOWHERE") as caught:
        AirflowConnections().url("nowhere")
    assert caught.value.__cause__ is not None


def test_a_file_comes_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "flights").write_text("postgresql://u:p%40ss@host:5432/db\n")
    monkeypatch.delenv("AIRFLOW_CONN_FLIGHTS", raising=False)
    monkeypatch.setenv("AIRFLOW_CONN_FLIGHTS_FILE", str(tmp_path / "flights"))
    assert AirflowConnections().url("flights") == "postgresql://u:p%40ss@host:5432/db"
    assert AirflowConnections().find("flights") == "postgresql://u:p%40ss@host:5432/db"
    (tmp_path / "flights").unlink()
    with pytest.raises(InvalidSettings, match=r"AIRFLOW_CONN_FLIGHTS_FILE names the file .*, which can't be read"):
        AirflowConnections().url("flights")
