from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, ValidationError

import perennial.spec.expectations
import perennial.spec.models
from perennial.spec.columns import Column, Kind, Role
from perennial.spec.expectations import Expectation
from perennial.spec.fields import Spec
from perennial.spec.load import load_use_case
from perennial.spec.models import UseCase
from perennial.spec.monitoring import Monitoring
from perennial.spec.names import ESTIMATORS, Estimator

MODELS = [
    model
    for module in (perennial.spec.models, perennial.spec.expectations)
    for model in vars(module).values()
    if isinstance(model, type) and issubclass(model, BaseModel) and model is not Spec
]


@pytest.fixture
def values(repository: Path) -> dict[str, Any]:
    """The values of a valid spec."""
    return load_use_case(repository / "include" / "use_cases" / "flight_delays").spec.model_dump(mode="json")


@pytest.mark.parametrize("model", MODELS)
def test_every_part_is_frozen_and_refuses_unknown_keys(model: type[BaseModel]) -> None:
    assert model.model_config["frozen"]
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model.model_validate({"surprise": 1})


def test_a_spec_can_not_be_changed(values: dict[str, Any]) -> None:
    spec = UseCase.model_validate(values)
    with pytest.raises(ValidationError, match="frozen"):
        spec.training.__setattr__("metric", "log_loss")


def test_a_spec_written_as_json_reads_back_as_itself(values: dict[str, Any]) -> None:
    spec = UseCase.model_validate(values)
    assert UseCase.model_validate_json(spec.model_dump_json()) == spec


def test_key_and_event_time_are_never_null() -> None:
    assert not Column(kind=Kind.INTEGER, role=Role.KEY).nullable
    assert not Column(kind=Kind.TIMESTAMP, role=Role.EVENT_TIME).nullable
    assert Column(kind=Kind.INTEGER).nullable


def test_part_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="names a part twice"):
        Column.model_validate({"kind": "timestamp", "derive": ["hour", "hour"]})


def test_an_estimator_must_have_a_form_for_the_task(values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ESTIMATORS, "linear", Estimator(None, "sklearn.linear_model.Ridge"))
    with pytest.raises(ValidationError, match=r"training\.candidates\[1\]\.estimator: has no form for binary"):
        UseCase.model_validate(values)


def test_not_a_number_is_no_setting() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Monitoring.model_validate({"max_metric_loss": float("nan")})


def test_defaults_of_monitoring_are_written_in_windows_and_days() -> None:
    defaults = Monitoring()
    assert (str(defaults.false_alarms), str(defaults.false_retrains)) == ("1 per 20 windows", "1 per year")
    assert defaults.cooldown == timedelta(days=14)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"false_alarms": "1 per day"}, r"monitoring\.false_alarms: 1 per day would mean an alarm"),
        ({"false_retrains": "9 per week"}, r"monitoring\.false_retrains: 9 per week would mean an alarm"),
        ({"false_alarms": "often"}, "doesn't say how many false alarms"),
    ],
)
def test_alarms_that_windows_cannot_keep_apart_are_refused(values: dict[str, Any], change: Any, said: str) -> None:
    values["monitoring"] = change
    with pytest.raises(ValidationError, match=said):
        UseCase.model_validate(values)


def test_weeks_have_no_weekday(values: dict[str, Any]) -> None:
    values["schedule"] |= {"every": "week", "start": "2013-01-07", "end": None}
    values["monitoring"] = {"season": "weekday"}
    with pytest.raises(ValidationError, match="season: windows of one week have no weekday"):
        UseCase.model_validate(values)


def test_an_expectation_built_in_python_obeys_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="no such expectation"):
        Expectation(type="expect_nothing")
    with pytest.raises(ValidationError, match="no row can be set aside"):
        Expectation(type="expect_table_row_count_to_be_between", kwargs={"min_value": 1}, quarantine=True)


@pytest.mark.parametrize(
    ("written", "replaced", "rejected"),
    [
        ("26w", timedelta(weeks=26), timedelta(days=90)),
        ({"replaced": "26w"}, timedelta(weeks=26), timedelta(days=90)),
        ({"rejected": "30d"}, timedelta(weeks=52), timedelta(days=30)),
        ({"rejected": "forever"}, timedelta(weeks=52), "forever"),
    ],
)
def test_retention_is_a_duration_of_replaced_data_or_of_classes(
    values: dict[str, Any], written: Any, replaced: timedelta, rejected: Any
) -> None:
    spec = UseCase.model_validate({**values, "retention": written})
    assert (spec.retention.replaced, spec.retention.rejected) == (replaced, rejected)
    assert spec.archive_after == replaced
    assert UseCase.model_validate(spec.model_dump(mode="json")).retention == spec.retention
    jsonschema.validate({**values, "retention": written}, UseCase.model_json_schema())
