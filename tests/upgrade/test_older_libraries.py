"""Models that an older scikit-learn trained predict the same under today's, or are refused: see `make_models.py`."""

import tarfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sklearn.pipeline import Pipeline

from perennial.encoding import bytes_digest
from perennial.errors import LibrariesChanged, NothingKept
from perennial.modeling.inputs import model_inputs
from perennial.modeling.libraries import from_requirements, installed, load_as_trained
from perennial.modeling.predict import predict
from perennial.modeling.trial import PREDICTION, from_file
from perennial.spec.names import Task

# What scikit-learn 1.9 makes of them, found by trying.
READ = [("1.7.2", "forest"), ("1.7.2", "dummy"), ("1.8.0", "forest"), ("1.8.0", "linear"), ("1.8.0", "dummy")]
REFUSED = [
    ("1.7.2", "trees", "UntrustedModel"),
    ("1.7.2", "linear", "AttributeError"),
    ("1.8.0", "trees", "UntrustedModel"),
]


def model(version: str, name: str) -> tuple[bytes, pa.Table, dict[str, str]]:
    """A model, rows with what it predicted then, and what it was trained with."""
    with tarfile.open(Path(__file__).parent / f"scikit-learn-{version}.tar.xz") as packed:
        found = [packed.extractfile(each) for each in (f"{name}.skops", f"{name}.arrow", "requirements.txt")]
        content, example, requirements = (each.read() for each in found if each is not None)
    return content, from_file(example), from_requirements(requirements.decode())


def load(version: str, name: str, example: pa.Table | None) -> Pipeline:
    """The model under today's libraries, by the rows that were kept with it."""
    content, _, trained_with = model(version, name)
    return load_as_trained("Version 1", "parcels", content, bytes_digest(content), trained_with, lambda: example)


@pytest.mark.parametrize(("version", "name"), READ)
def test_what_can_be_read_predicts_the_same_to_the_last_bit(version: str, name: str) -> None:
    _, example, _ = model(version, name)
    pipeline = load(version, name, example)
    again = predict(pipeline, Task.BINARY_CLASSIFICATION, model_inputs(pipeline).frame(example))
    assert again.tobytes() == example.column(PREDICTION).to_numpy().tobytes()


@pytest.mark.parametrize(("version", "name", "why"), REFUSED)
def test_what_can_not_be_used_is_refused_with_both_versions_and_the_way_out(version: str, name: str, why: str) -> None:
    here = installed()["scikit-learn"]
    told = rf"trained with scikit-learn {version} \(here: {here}\).* can't be used \({why}.*`perennial retrain parcels`"
    with pytest.raises(LibrariesChanged, match=told):
        load(version, name, model(version, name)[1])


def test_a_prediction_that_differs_in_its_last_bit_is_told() -> None:
    _, example, _ = model("1.8.0", "forest")
    values = example.column(PREDICTION).to_numpy().copy()
    values[3] = np.nextafter(values[3], 2.0)
    other = example.set_column(example.column_names.index(PREDICTION), PREDICTION, pa.array(values))
    told = rf"1 of 50 rows differently \(row 3: .* instead of {float(values[3])!r}"
    with pytest.raises(LibrariesChanged, match=told):
        load("1.8.0", "forest", other)


def test_without_rows_nothing_proves_that_it_predicts_the_same() -> None:
    with pytest.raises(NothingKept, match=r"scikit-learn 1\.8\.0 .*nothing proves"):
        load("1.8.0", "forest", None)
