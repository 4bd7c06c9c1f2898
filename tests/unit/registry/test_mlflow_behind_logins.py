"""Behind MLflow's own logins, who is no administrator is denied what is not there: no missing right."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from perennial.errors import StoreUnavailable
from perennial.registry.mlflow import MlflowRegistry


def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registered: list[str]) -> MlflowRegistry:
    made = MlflowRegistry("http://127.0.0.1:1", tmp_path)

    def denied(*_: Any) -> None:
        raise MlflowException("Permission denied", error_code=PERMISSION_DENIED)

    def search(filter_string: str, max_results: int) -> list[str]:
        assert filter_string == "name = 'flights'"
        return registered[:max_results]

    monkeypatch.setattr(made._client, "get_model_version_by_alias", denied)
    monkeypatch.setattr(made._client, "search_registered_models", search)
    return made


def test_a_use_case_without_models_has_no_alias(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry(tmp_path, monkeypatch, []).alias("flights", "champion") is None


def test_a_missing_right_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StoreUnavailable, match="Permission denied"):
        registry(tmp_path, monkeypatch, ["flights"]).alias("flights", "champion")
