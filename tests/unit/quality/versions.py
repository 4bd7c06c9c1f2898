"""Record the code that checks and the code that scores beside their versions: `python -m tests.unit.quality.versions`.

`tests/golden/versions.yaml` keeps of each: its version (`perennial.spec.versions`), a digest of its code, and a digest
of what it answers to cases. Code is what Python makes of it: comments, docstrings and layout don't count. A version
keeps its answers: this refuses to record others under the same number.
"""

import ast
import hashlib
import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from sklearn.pipeline import Pipeline
from tests.unit.quality.conftest import START, rows_of, rows_with, use_case_with

from perennial.digest import table_digest
from perennial.features.build import feature_frame
from perennial.modeling.predict import predict
from perennial.modeling.recipe import build_pipeline
from perennial.quality.setting_aside import RULE_COLUMN
from perennial.quality.validate import validate
from perennial.spec import versions
from perennial.spec.names import Task
from perennial.spec.training import Candidate
from perennial.window import Window

GOLDEN = Path(__file__).parents[2] / "golden"
RECORD = GOLDEN / "versions.yaml"
PACKAGE = Path(__file__).parents[3] / "include" / "perennial"
UNREAD = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)  # what may have a docstring


@dataclass(frozen=True)
class Part:
    """Code with a version: its modules, and what it answers to cases."""

    version: Callable[[], int]
    modules: tuple[str, ...]
    answers: Callable[[], Any]


def code_digest(modules: tuple[str, ...]) -> str:
    """A digest of the modules as Python understands them, the same under every version of Python."""
    said = [_plain(ast.parse((PACKAGE / module).read_text())) for module in modules]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


def _plain(node: Any) -> Any:
    """A syntax tree without docstrings, places, and the fields that are empty: newer Pythons have more of those."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = dict(ast.iter_fields(node))
    if isinstance(node, UNREAD) and ast.get_docstring(node) is not None:
        fields["body"] = fields["body"][1:]
    return [type(node).__name__, {name: _plain(held) for name, held in fields.items() if held not in (None, [])}]


def checks() -> Any:
    """The verdict on each golden case, and which rows were set aside by which rule."""
    window = Window(START, START + timedelta(days=1))
    found = {}
    for case in yaml.safe_load((GOLDEN / "quality.yaml").read_text()):
        rows = rows_of(case)
        outcome = validate(use_case_with(case.get("expectations"), **case.get("quality", {})), rows, window)
        aside = outcome.quarantined.table()
        keys = aside.column("trip_id").to_pylist() if "trip_id" in aside.column_names else []
        found[case["name"]] = [outcome.verdict.value, keys, aside.column(RULE_COLUMN).to_pylist()]
    return found


def scoring() -> Any:
    """The features of rows of every kind, some missing, and what a linear model with given weights predicts."""
    parts = ["hour", "minute_of_day", "weekday", "day_of_month", "day_of_year", "month"]
    columns = {
        "trip_id": {"kind": "integer", "role": "key"},
        "departure": {"kind": "timestamp", "role": "event_time", "derive": parts},
        "fare": {"kind": "numeric"},
        "stops": {"kind": "integer"},
        "carrier": {"kind": "categorical"},
        "rainy": {"kind": "boolean"},
    }
    spec = use_case_with(columns=columns).spec
    rows = rows_with(
        60, fare=[None, 1e300, *(i / 7 for i in range(58))], carrier=[None] + ["AA", "DL", "UA"] * 19 + ["AA", "b"]
    )
    frame = feature_frame(spec, rows)
    ordinary = frame.iloc[2:]
    pipeline: Pipeline = build_pipeline(spec, Candidate(name="linear", estimator="linear"))
    estimator = pipeline.fit(ordinary, np.arange(len(ordinary)) % 3 == 0).named_steps["estimator"]
    estimator.coef_ = np.linspace(-1, 1, estimator.coef_.size).reshape(1, -1)
    rounded = np.round(predict(pipeline, Task.BINARY_CLASSIFICATION, ordinary), 6)
    return [list(frame.columns), table_digest(pa.Table.from_pandas(frame, preserve_index=False)), rounded.tolist()]


PARTS = {
    "checks": Part(
        lambda: versions.CHECKS_VERSION,
        (
            "quality/chunks.py",
            "quality/columns.py",
            "quality/deciding.py",
            "quality/expecting.py",
            "quality/frame.py",
            "quality/parts.py",
            "quality/row_rules.py",
            "quality/schema.py",
            "quality/setting_aside.py",
            "quality/suite.py",
            "quality/texts.py",
            "quality/unread.py",
            "quality/validate.py",
            "quality/validate_many.py",
        ),
        checks,
    ),
    "scoring": Part(
        lambda: versions.SCORING_VERSION,
        ("features/build.py", "modeling/decision.py", "modeling/inputs.py", "modeling/predict.py"),
        scoring,
    ),
}


def as_it_is(part: Part) -> dict[str, Any]:
    """What is to be recorded of the part."""
    answers = hashlib.sha256(json.dumps(part.answers()).encode()).hexdigest()[:16]
    return {"version": part.version(), "code": code_digest(part.modules), "answers": answers}


def main() -> None:
    """Write the record, unless a version would change its answers."""
    before = yaml.safe_load(RECORD.read_text()) if RECORD.is_file() else {}
    now = {name: as_it_is(part) for name, part in PARTS.items()}
    for name, found in now.items():
        then = before.get(name, found)
        if then["version"] == found["version"] and then["answers"] != found["answers"]:
            sys.exit(
                f"The code of {name} gives other answers than before: raise its version in perennial.spec.versions."
            )
    RECORD.write_text(
        "# Written by `python -m tests.unit.quality.versions`, which says what this is.\n" + yaml.safe_dump(now)
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
