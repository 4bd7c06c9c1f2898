"""How `scikit-learn-*.tar.xz` were made: models of Perennial 0.1.0's recipe, trained with an older scikit-learn.

To make one again, with commit 1639e1b in /tmp/old (see `make_stores.py`):

    uv venv --python 3.11 /tmp/older
    uv pip install --python /tmp/older/bin/python scikit-learn==1.8.0 skops==0.14.0 pandas==3.0.0 \\
        pyarrow pydantic pyyaml psycopg2-binary
    PYTHONPATH=/tmp/old/include /tmp/older/bin/python …/tests/upgrade/make_models.py …/tests/upgrade

Of each estimator there are the model, and rows with what it predicted of them, as a deployment keeps them.
"""

import io
import sys
import tarfile
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import skops.io
from make_stores import write_use_case

from perennial.features.build import feature_frame
from perennial.modeling.predict import predict
from perennial.modeling.recipe import build_pipeline
from perennial.spec.load import load_use_case
from perennial.spec.models import Candidate

CANDIDATES = {
    "trees": Candidate(name="trees", estimator="hist_gradient_boosting", parameters={"max_iter": 5}),
    "linear": Candidate(name="linear", estimator="linear"),
    "forest": Candidate(name="forest", estimator="random_forest", parameters={"n_estimators": 4, "max_depth": 4}),
    "dummy": Candidate(name="dummy", estimator="dummy"),
}
LIBRARIES = ("scikit-learn", "skops", "numpy", "scipy", "pandas")
ROWS, KEPT = 400, 50


def rows() -> pa.Table:
    """Some parcels."""
    chance = np.random.default_rng(3)
    sent = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=17 * n) for n in range(ROWS)]
    return pa.table(
        {
            "parcel": [f"p{n}" for n in range(ROWS)],
            "sent_at": pa.array(sent, pa.timestamp("us", "UTC")),
            "weight": chance.normal(10, 2, ROWS).round(2),
            "service": chance.choice(["road", "air", "rail"], ROWS),
        }
    )


def as_file(table: pa.Table) -> bytes:
    """The rows as an Arrow file."""
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def main(folder: Path) -> None:
    """Make the archive of the scikit-learn that is installed."""
    with TemporaryDirectory() as scratch:
        write_use_case(Path(scratch) / "parcels")
        spec = load_use_case(Path(scratch) / "parcels").spec
    table = rows()
    outcome = table.column("weight").to_numpy() + np.random.default_rng(4).normal(0, 1, ROWS) > 10
    files = {"requirements.txt": "\n".join(f"{name}=={version(name)}" for name in LIBRARIES).encode()}
    for name, candidate in CANDIDATES.items():
        pipeline = build_pipeline(spec, candidate).fit(feature_frame(spec, table), outcome)
        kept = table.slice(0, KEPT).select(["sent_at", "weight", "service"])
        said = predict(pipeline, spec.task, feature_frame(spec, table.slice(0, KEPT)))
        files[f"{name}.skops"] = skops.io.dumps(pipeline)
        files[f"{name}.arrow"] = as_file(kept.append_column("__prediction__", pa.array(said)))
    archive = folder / f"scikit-learn-{version('scikit-learn')}.tar.xz"
    with tarfile.open(archive, "w:xz", preset=9) as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    print(f"{archive}: {archive.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
