"""Domain errors become Airflow outcomes."""

import inspect
from datetime import UTC, datetime

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial import errors
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_airflow.outcomes import airflow_outcomes

WINDOW = Window(datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
ALL = [error for _, error in inspect.getmembers(errors, inspect.isclass) if issubclass(error, errors.PerennialError)]
DEFECTS = [error for error in ALL if issubclass(error, errors.PermanentError)]
DISTURBANCES = [error for error in ALL if issubclass(error, errors.TransientError)]


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_fails_at_once_and_says_what_it_is(
    defect: type[errors.PermanentError], use_case: LoadedUseCase
) -> None:
    message = f"^{defect.__name__}: mend the source$"
    with pytest.raises(AirflowFailException, match=message) as caught, airflow_outcomes(use_case):
        raise defect("mend the source")
    assert isinstance(caught.value.__cause__, defect)


@pytest.mark.parametrize("disturbance", DISTURBANCES)
def test_a_disturbance_passes_through_so_that_airflow_retries(
    disturbance: type[errors.TransientError], use_case: LoadedUseCase
) -> None:
    with pytest.raises(disturbance) as caught, airflow_outcomes(use_case, WINDOW):
        raise disturbance("no answer")
    assert caught.value.__notes__ == [f"This happened in the window {WINDOW}."]


def test_a_disturbance_outside_a_window_has_no_note(use_case: LoadedUseCase) -> None:
    with pytest.raises(errors.StoreUnavailable) as caught, airflow_outcomes(use_case):
        raise errors.StoreUnavailable("no answer")
    assert not hasattr(caught.value, "__notes__")


def test_an_empty_window_is_skipped_where_the_spec_allows_it(sparse_use_case: LoadedUseCase) -> None:
    with pytest.raises(AirflowSkipException, match="EmptyWindow: no rows"), airflow_outcomes(sparse_use_case):
        raise errors.EmptyWindow("no rows")


def test_only_emptiness_is_allowed_to_skip(sparse_use_case: LoadedUseCase) -> None:
    with pytest.raises(AirflowFailException), airflow_outcomes(sparse_use_case):
        raise errors.SchemaMismatch("no column")


def test_the_window_is_named_once(use_case: LoadedUseCase) -> None:
    with pytest.raises(AirflowFailException, match=f"^NoModel: {WINDOW}: none$"), airflow_outcomes(use_case, WINDOW):
        raise errors.NoModel("none")
    with pytest.raises(AirflowFailException, match=f"^NoModel: none for {WINDOW}$"), airflow_outcomes(use_case, WINDOW):
        raise errors.NoModel(f"none for {WINDOW}")


@pytest.mark.parametrize("other", [ValueError("a bug"), AirflowSkipException("champion stays")])
def test_anything_else_passes_through(other: Exception, use_case: LoadedUseCase) -> None:
    with pytest.raises(type(other)) as caught, airflow_outcomes(use_case, WINDOW):
        raise other
    assert caught.value is other
