"""A model under other libraries than it was trained with: it predicts the same, to the last bit, or is not used.

A library may read a model of an older one and compute something else, or fail only when it predicts. So the rows that
were kept with the model when it was deployed are predicted again, and compared with what was predicted then.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version

import numpy as np
import pyarrow as pa
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.pipeline import Pipeline

from perennial.errors import LibrariesChanged, NothingKept
from perennial.modeling.artifact import check_digest, load
from perennial.modeling.inputs import model_inputs
from perennial.modeling.predict import predict
from perennial.modeling.trial import PREDICTION
from perennial.spec.names import Task

# What a prediction's bytes depend on.
LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas")


@cache
def installed() -> dict[str, str]:
    """The version of each of `LIBRARIES` that this process uses."""
    return {name: version(name) for name in LIBRARIES}


def as_requirements(libraries: Mapping[str, str]) -> str:
    """The libraries as pip reads them, one a line."""
    return "\n".join(f"{name}=={found}" for name, found in libraries.items())


def from_requirements(text: str) -> dict[str, str]:
    """Which of `LIBRARIES` a file of requirements pins.

    >>> from_requirements("mlflow==3.17.2\\nscikit-learn==1.9.1\\n")
    {'scikit-learn': '1.9.1'}
    """
    pins = (line.partition("==") for line in text.splitlines())
    return {name.strip(): found.strip() for name, _, found in pins if name.strip() in LIBRARIES}


def load_as_trained(
    name: str,
    use_case: str,
    content: bytes,
    digest: str,
    trained_with: Mapping[str, str],
    example: Callable[[], pa.Table | None],
) -> Pipeline:
    """The pipeline in the bytes. Under the libraries that it was trained with, that is all.

    Under others, `example` is asked for the rows that were kept with it, which have the column `PREDICTION`. `name` is
    what errors call the model. Errors: `UntrustedModel`; `LibrariesChanged` when it can't be read or used with today's
    libraries, or when any prediction differs in any bit; `NothingKept` when there are no such rows.
    """
    check_digest(content, digest)
    now = installed()
    others = {library: found for library, found in trained_with.items() if now.get(library) != found}
    if not others:
        return load(content, digest)

    def changed(found: str, kind: type[LibrariesChanged] = LibrariesChanged) -> LibrariesChanged:
        differing = ", ".join(f"{library} {found} (here: {now[library]})" for library, found in others.items())
        return kind(
            f"{name} of {use_case} was trained with {differing}. With the libraries that are installed here {found}. "
            f"Train a new model: `perennial retrain {use_case}`. To go on with this one meanwhile, use the version of "
            "Perennial that trained it, with what its requirements.txt pins."
        )

    kept = example()
    if kept is None:
        raise changed(
            "nothing proves that it predicts the same: no rows are kept with it (`perennial score` keeps some of those "
            "that it scored, if there are any)",
            NothingKept,
        )
    before = np.ascontiguousarray(kept.column(PREDICTION).to_numpy())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InconsistentVersionWarning)  # that is what is found out here
            pipeline = load(content, digest)
            task = Task.BINARY_CLASSIFICATION if hasattr(pipeline, "predict_proba") else Task.REGRESSION
            again = predict(pipeline, task, model_inputs(pipeline).frame(kept))
    except Exception as error:  # whatever a library does with the inside of a model that it does not know
        raise changed(f"it can't be used ({type(error).__name__}: {error})") from error
    different = np.flatnonzero(again.view(np.int64) != before.view(np.int64))
    if len(different):
        row = different[0]
        raise changed(
            f"it predicts {len(different)} of {len(before)} rows differently (row {row}: {float(again[row])!r} instead "
            f"of {float(before[row])!r})"
        )
    return pipeline


def load_by_its_file(name: str, use_case: str, content: bytes, digest: str) -> Pipeline:
    """The pipeline in the bytes, of which nobody kept what it was trained with: its file names the scikit-learn.

    Errors: `UntrustedModel`; `NothingKept` when that is another one than is installed here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", InconsistentVersionWarning)
            return load(content, digest)
    except InconsistentVersionWarning as error:
        raise NothingKept(
            f"{name} of {use_case} was trained with scikit-learn {error.original_sklearn_version} (here: "
            f"{error.current_sklearn_version}). Nothing proves that it predicts the same: no rows are kept with it. "
            f"Train a new model: `perennial retrain {use_case}`."
        ) from error
