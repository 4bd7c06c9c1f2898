import inspect
import pickle

import pytest

from perennial import errors

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.PerennialError) and kind is not errors.PerennialError
]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_survives_pickling_and_is_one_of_the_two_kinds(kind: type[errors.PerennialError]) -> None:
    copied = pickle.loads(pickle.dumps(kind("what was tried")))
    assert (type(copied), str(copied)) == (kind, "what was tried")
    assert issubclass(kind, errors.PermanentError) != issubclass(kind, errors.TransientError)


@pytest.mark.parametrize("kind", ALL)
def test_the_tree_in_the_docstring_names_every_error(kind: type[errors.PerennialError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")
