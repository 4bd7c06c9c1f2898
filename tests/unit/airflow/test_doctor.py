"""`perennial doctor`'s checks in Airflow, without a server."""

import math
from pathlib import Path

import pytest

from perennial.doctor.finding import Status
from perennial_airflow import configuration, doctor

IMPORTING, PROCESSING = "AIRFLOW__CORE__DAGBAG_IMPORT_TIMEOUT", "AIRFLOW__DAG_PROCESSOR__DAG_FILE_PROCESSOR_TIMEOUT"


@pytest.mark.parametrize(
    ("importing", "processing", "limit"), [(30, 50, 30), (0, 50, 50), (30, 0, 30), (0, 0, math.inf)]
)
def test_a_limit_of_nought_is_none(
    monkeypatch: pytest.MonkeyPatch, importing: float, processing: float, limit: float
) -> None:
    monkeypatch.setenv(IMPORTING, str(importing))
    monkeypatch.setenv(PROCESSING, str(processing))
    assert configuration.parsing_limit() == limit


def test_without_a_limit_every_dag_file_is_parsed_in_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "some_dag.py").write_text("# airflow DAG\n")
    for name, value in ((IMPORTING, "0"), (PROCESSING, "0"), ("AIRFLOW__CORE__DAGS_FOLDER", str(tmp_path))):
        monkeypatch.setenv(name, value)
    found = doctor.dags_are_parsed_in_time()
    assert found.status is Status.OK
    assert found.found.endswith(" s; no time is set after which parsing ends")
