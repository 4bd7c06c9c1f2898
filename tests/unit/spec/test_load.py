import copy
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.waiting import PATIENCE

from perennial.errors import InvalidSpec, UnknownUseCase
from perennial.spec.expectations import Severity
from perennial.spec.folder import read_folder
from perennial.spec.load import check_all, load_all, load_use_case, use_case_names

USE_CASES = Path(__file__).parents[3] / "include" / "use_cases"
MANY = 20
HEAVY = ("pandas", "numpy", "pyarrow", "sklearn", "great_expectations", "mlflow", "sqlalchemy", "deltalake", "airflow")

# Run by an interpreter of its own: what is imported here must not count.
LOAD_ALL = """
import json, sys
from collections import Counter
from pathlib import Path
from perennial.spec.load import load_all
reads = Counter()
sys.addaudithook(
    lambda event, given: event == "open" and str(given[0]).startswith(sys.argv[1]) and reads.update([str(given[0])])
)
found = load_all(Path(sys.argv[1]))
modules = sorted({name.partition(".")[0] for name in sys.modules})
print(json.dumps({"found": len(found), "reads": dict(reads), "modules": modules}))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of our use cases."""
    return Path(shutil.copytree(USE_CASES, tmp_path / "use_cases"))


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_our_use_cases_are_right() -> None:
    assert check_all(USE_CASES) == []
    assert list(load_all(USE_CASES)) == ["air_time", "flight_delays"]


def test_a_use_case_is_loaded_with_its_expectations_and_queries() -> None:
    found = load_use_case(USE_CASES / "flight_delays")
    assert found.name == "flight_delays"
    assert set(found.queries) == {"source.sql", "labels.sql"}
    assert "FROM flights" in found.queries["source.sql"]
    first = found.expectations[0]
    assert (first.type, first.severity, first.quarantine) == (
        "expect_column_values_to_be_in_set",
        Severity.CRITICAL,
        False,
    )
    assert first.kwargs == {"column": "origin", "value_set": ["EWR", "JFK", "LGA"]}
    assert sum(expectation.quarantine for expectation in found.expectations) == 4


def test_many_use_cases_load_with_each_file_read_once_and_without_any_heavy_library(tmp_path: Path) -> None:
    for number in range(MANY):
        name = f"flight_delays_{number}"
        folder = shutil.copytree(USE_CASES / "flight_delays", tmp_path / name)
        change(folder / "use_case.yaml", "name: flight_delays\n", f"name: {name}\n")
    run = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(tmp_path)], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["found"] == MANY
    assert not set(HEAVY) & set(said["modules"])
    needed = {"use_case.yaml", "expectations.yaml", "source.sql", "labels.sql"}
    read = {str(path) for path in tmp_path.rglob("*") if path.name in needed}
    assert said["reads"] == dict.fromkeys(read, 1)


def test_folders_that_are_private_are_no_use_cases(root: Path) -> None:
    (root / "__pycache__").mkdir()
    (root / ".git").mkdir()
    (root / "README.md").write_text("notes")
    assert use_case_names(root) == ["air_time", "flight_delays"]


def test_a_folder_without_a_spec_is_a_mistake_not_a_silence(root: Path) -> None:
    (root / "churn").mkdir()
    (root / "churn" / "usecase.yml").write_text("name: churn\n")
    [violation] = check_all(root)
    assert violation.file == root / "churn" / "use_case.yaml"
    assert violation.suggestion == "usecase.yml"
    with pytest.raises(InvalidSpec, match=r"1 mistake in .*churn:\n.*there is no use_case.yaml in this folder"):
        load_use_case(root / "churn")


def test_an_unknown_use_case_is_told_its_nearest_name(root: Path) -> None:
    with pytest.raises(UnknownUseCase, match=r"no use case 'flight_delay' .*did you mean 'flight_delays'\?"):
        load_use_case(root / "flight_delay")
    with pytest.raises(UnknownUseCase, match=r"there are: air_time, flight_delays\."):
        load_use_case(root / "churn")


def test_a_root_that_is_no_folder_is_not_an_empty_one(tmp_path: Path) -> None:
    for act in (use_case_names, check_all, load_all):
        with pytest.raises(InvalidSpec, match="is not a folder"):
            act(tmp_path / "nowhere")


def test_the_mistakes_of_all_use_cases_are_told_at_once(root: Path) -> None:
    change(root / "air_time" / "use_case.yaml", "metric: mae", "metric: mea")
    change(root / "flight_delays" / "source.sql", ":as_of", ":asof")
    with pytest.raises(InvalidSpec) as error:
        load_all(root)
    assert "2 mistakes" in str(error.value)
    assert "Did you mean 'mae'?" in str(error.value)
    assert "Did you mean ':as_of'?" in str(error.value)


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in inside:
        yield (*at, key)
        yield from places(found, (*at, key))


@pytest.mark.parametrize("file", ["use_case.yaml", "expectations.yaml"])
@pytest.mark.parametrize("surprise", [None, {"type": ["x"]}], ids=["nothing", "mapping"])
def test_whatever_stands_at_a_key_the_answer_is_a_use_case_or_its_mistakes(
    root: Path, file: str, surprise: object
) -> None:
    folder = root / "air_time"
    whole = yaml.safe_load((folder / file).read_text())
    for place in places(whole):
        changed = copy.deepcopy(whole)
        around = reduce(lambda inside, key: inside[key], place[:-1], changed)
        around[place[-1]] = surprise
        (folder / file).write_text(yaml.safe_dump(changed))
        reading = read_folder(folder)
        assert reading.violations or (reading.spec and reading.suite), place


def test_the_suite_digest_follows_expectations_columns_and_quality_only(root: Path) -> None:
    folder = root / "flight_delays"
    before = load_use_case(folder)
    assert load_use_case(folder).suite_digest == before.suite_digest
    change(folder / "use_case.yaml", "max_iter: 100", "max_iter: 200")
    assert load_use_case(folder).suite_digest == before.suite_digest
    change(folder / "use_case.yaml", "max_quarantined_share: 0.01", "max_quarantined_share: 0.02")
    stricter = load_use_case(folder)
    assert stricter.suite_digest != before.suite_digest
    assert replace(stricter, expectations=stricter.expectations[1:]).suite_digest != stricter.suite_digest


def test_the_scoring_digest_follows_the_columns(root: Path) -> None:
    folder = root / "flight_delays"
    before = load_use_case(folder)
    change(folder / "expectations.yaml", "mostly: 0.8", "mostly: 0.7")
    assert load_use_case(folder).scoring_digest == before.scoring_digest
    change(folder / "use_case.yaml", "[minute_of_day, weekday]", "[hour, weekday]")
    assert load_use_case(folder).scoring_digest != before.scoring_digest


def test_what_the_source_calls_a_column_asks_for_no_new_verdict_and_no_new_score(root: Path) -> None:
    before = load_use_case(root / "flight_delays")
    old = "distance: {kind: integer, nullable: false}"
    change(root / "flight_delays" / "use_case.yaml", old, old.replace("}", ", from: 'Miles flown'}"))
    after = load_use_case(root / "flight_delays")
    assert after.spec.columns["distance"].from_ == "Miles flown"
    assert (after.suite_digest, after.scoring_digest) == (before.suite_digest, before.scoring_digest)
    assert type(after.spec).model_validate(after.spec.model_dump()) == after.spec
