"""What happens all the time, against a named peer that does the same work, measured in the same run.

Run it by `make bench`. CPU seconds, medians of several runs, without imports:

- reading 100 specs and building their 400 DAGs, against Airflow building 400 plain DAGs with as many tasks;
- loading 100 use cases with all checks, against PyYAML only parsing the same YAML files;
- 15 expectations on 1,000 rows, against Great Expectations used as its documentation shows;
- labels in force at a time joined to 300,000 rows, against pandas doing the same;
- the importance of columns on 60,000 rows, against scikit-learn's permutation_importance on all of them;
- a model from the cache on disk, against mlflow.sklearn.load_model of one that MLflow stored in the same format.
"""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"  # seconds of CPU are compared, not cores
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import permutation_importance as sklearns_importance
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from perennial.encoding import bytes_digest
from perennial.modeling.artifact import dump, load
from perennial.modeling.importance import permutation_importance
from perennial.modeling.trusted_types import TRUSTED_BEYOND_SKOPS
from perennial.performance.labels import active_labels, join_labels
from perennial.quality import suite
from perennial.registry.cache import ModelCache, StoredModel
from perennial.spec.expectations import Expectation, Severity
from perennial.spec.load import load_all, load_use_case

ROOT = Path(__file__).parents[2]
FLIGHT_DELAYS = ROOT / "include" / "use_cases" / "flight_delays"
REPEATS, SPECS, LABELS, ROWS = 5, 100, 300_000, 60_000
NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
# Seconds of CPU to read a folder of DAG files, and the number of tasks of every DAG, by a process of its own.
PARSE = """
import json, sys, time
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG
import airflow.providers.standard.operators.empty, airflow.providers.standard.operators.trigger_dagrun
began = time.process_time()
bag = DagBag(sys.argv[1])
seconds = time.process_time() - began
assert not bag.import_errors, bag.import_errors
print(json.dumps({"seconds": seconds, "tasks": {dag_id: len(dag.task_ids) for dag_id, dag in bag.dags.items()}}))
"""
PLAIN = """
import json
from datetime import datetime
from pathlib import Path
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, chain
for dag_id, tasks in json.loads(Path(__file__).with_name("tasks.json").read_text()).items():
    with DAG(dag_id, schedule="@daily", start_date=datetime(2024, 1, 1), catchup=False) as dag:
        chain(*(EmptyOperator(task_id=f"task_{number}") for number in range(tasks)))
    globals()[dag_id] = dag
"""


@dataclass(frozen=True)
class Compared:
    """Median CPU seconds of ours and the peer's, and how often the peer's time ours may take at most."""

    what: str
    peer: str
    ours: float
    theirs: float
    at_most: float

    @property
    def ratio(self) -> float:
        """Ours in units of the peer's."""
        return self.ours / self.theirs


def main() -> int:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        specs = copies(folder / "use_cases")
        found = [
            dags(specs, folder), loading(specs), expectations(), labels(), importances(), cached_model(folder),
        ]  # fmt: skip
    print("| what | seconds | peer | seconds | ours / peer | at most |\n|---|---|---|---|---|---|")
    for each in found:
        print(
            f"| {each.what} | {each.ours:.4f} | {each.peer} | {each.theirs:.4f} | {each.ratio:.2f} | {each.at_most:g} |"
        )
    print(json.dumps({each.what: {**vars(each), "ratio": each.ratio} for each in found}))
    missed = [each for each in found if each.ratio > each.at_most]
    for each in missed:
        print(f"{each.what} takes {each.ratio:.2f} times as long as {each.peer}", file=sys.stderr)
    return 1 if missed else 0


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """The median of several times, after one that doesn't count."""
    work()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def copies(folder: Path) -> Path:
    """So many use cases like flight_delays."""
    for number in range(SPECS):
        name = f"use_case_{number:03}"
        spec = shutil.copytree(FLIGHT_DELAYS, folder / name) / "use_case.yaml"
        spec.write_text(re.sub(r"^name: .*$", f"name: {name}", spec.read_text(), flags=re.MULTILINE))
    return folder


def dags(specs: Path, scratch: Path) -> Compared:
    plain = scratch / "plain"
    plain.mkdir()
    (plain / "plain.py").write_text(PLAIN)
    tasks = parsed(ROOT / "dags", scratch, specs)["tasks"]
    (plain / "tasks.json").write_text(json.dumps(tasks))
    assert parsed(plain, scratch, specs)["tasks"] == tasks
    ours, theirs = (
        statistics.median(parsed(folder, scratch, specs)["seconds"] for _ in range(3))
        for folder in (ROOT / "dags", plain)
    )
    return Compared(f"{len(tasks)} DAGs of {SPECS} specs", "as many plain DAGs in Airflow", ours, theirs, 5)


def parsed(folder: Path, scratch: Path, specs: Path) -> dict[str, Any]:
    environment = {**os.environ, "AIRFLOW_HOME": str(scratch / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "false"}
    done = subprocess.run(
        [sys.executable, "-c", PARSE, str(folder)], env={**environment, "PERENNIAL_USE_CASES": str(specs)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def loading(specs: Path) -> Compared:
    files = [path for path in sorted(specs.rglob("*.yaml")) if path.name in ("use_case.yaml", "expectations.yaml")]
    ours = seconds(lambda: load_all(specs), 3)
    theirs = seconds(lambda: [yaml.safe_load(path.read_text()) for path in files], 3)
    return Compared(f"{SPECS} use cases, checked", "PyYAML, parsed only", ours, theirs, 1)


def expectations() -> Compared:
    import great_expectations as gx

    frame = pd.DataFrame({name: np.arange(1_000.0) for name in "abcdefghijklmno"})
    kind = "expect_column_values_to_be_between"
    rules = [
        Expectation(type=kind, kwargs={"column": name, "min_value": 0}, severity=Severity.CRITICAL)
        for name in frame.columns
    ]
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batches = asset.add_batch_definition_whole_dataframe("rows")
    theirs = gx.ExpectationSuite(
        "rows", [gx.expectations.ExpectColumnValuesToBeBetween(column=name, min_value=0) for name in frame.columns]
    )
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name="rows", data=batches, suite=context.suites.add(theirs))
    )
    return Compared(
        "15 expectations on 1,000 rows",
        "a validation definition of Great Expectations",
        seconds(lambda: suite.run_suite(rules, frame)),
        seconds(lambda: definition.run(batch_parameters={"dataframe": frame})),
        1,
    )


def labels() -> Compared:
    random = np.random.default_rng(0)
    table = pa.table(
        {
            "id": [f"flight-{i}" for i in random.permutation(LABELS)],
            "late": random.random(LABELS),
            "arrived": pa.array(np.arange(LABELS), pa.timestamp("us", "UTC")),
        }
    )
    rows, frame = table.select(["id"]), table.to_pandas()
    wanted = frame[["id"]]

    def ours() -> pa.Table:
        return join_labels(rows, active_labels(table, key="id", label="late", arrival="arrived", as_of=NOON), "id")

    def theirs() -> pd.DataFrame:
        arrived = frame[frame["arrived"] <= NOON].sort_values(["id", "arrived", "late"])
        return wanted.merge(arrived.drop_duplicates("id", keep="last"), on="id")

    assert ours().num_rows == len(theirs()) == LABELS
    return Compared(f"labels of {LABELS:,} rows", "pandas", seconds(ours), seconds(theirs), 1)


def importances() -> Compared:
    spec = load_use_case(FLIGHT_DELAYS).spec
    model, frame, truth = trained(spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = seconds(
            lambda: sklearns_importance(model, frame, truth, scoring="roc_auc", n_repeats=2, random_state=0), 3
        )
    ours = seconds(lambda: permutation_importance(spec, model, frame, truth), 3)
    return Compared(f"importances on {len(frame):,} rows", "scikit-learn", ours, theirs, 0.5)


def trained(spec: Any) -> tuple[Pipeline, pd.DataFrame, Any]:
    """A gradient boosting on made-up rows that have the spec's features."""
    from perennial.features.build import feature_groups

    random = np.random.default_rng(1)
    names = [name for features in feature_groups(spec).values() for name in features]
    frame = pd.DataFrame({name: random.normal(size=ROWS) for name in names})
    truth = (frame[names[0]] + random.normal(size=ROWS) > 0).to_numpy(dtype=float)
    model = HistGradientBoostingClassifier(max_iter=50, early_stopping=False, random_state=0)
    encode = ColumnTransformer([("numbers", "passthrough", names)])
    return Pipeline([("encode", encode), ("estimator", model)]).fit(frame, truth), frame, truth


def cached_model(scratch: Path) -> Compared:
    import mlflow

    random = np.random.default_rng(2)
    frame = pd.DataFrame({"distance": random.normal(size=2_000), "carrier": random.choice(["UA", "AA"], 2_000)})
    encode = ColumnTransformer(
        [("categories", OrdinalEncoder(), ["carrier"]), ("numbers", "passthrough", ["distance"])]
    )
    model = Pipeline([("encode", encode), ("estimator", HistGradientBoostingClassifier(max_iter=100, random_state=0))])
    model.fit(frame, frame["distance"] > 0)
    content = dump(model)
    digest, cache, theirs = bytes_digest(content), ModelCache(scratch / "cache"), str(scratch / "mlflow")
    cache.put("bench", "1", digest, StoredModel(content, {}))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model, theirs, serialization_format="skops", skops_trusted_types=sorted(TRUSTED_BEYOND_SKOPS)
        )

    def ours() -> Any:
        stored = cache.get("bench", "1", digest)
        assert stored is not None
        return load(stored.content, digest)

    return Compared(
        "a model from the cache",
        "mlflow.sklearn.load_model",
        seconds(ours),
        seconds(lambda: mlflow.sklearn.load_model(theirs)),
        2,
    )


if __name__ == "__main__":
    sys.exit(main())
