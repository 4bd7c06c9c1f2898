"""Golden cases: what is said about wrong specs, to the letter."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.errors import InvalidSpec
from perennial.spec.load import check_all, load_use_case

GOLDEN = yaml.safe_load((Path(__file__).parents[2] / "golden" / "spec_errors.yaml").read_text())
WHOLE_FILE = "*"


def write(root: Path, case: dict[str, Any]) -> Path:
    folder = root / "churn"
    folder.mkdir()
    for name, text in GOLDEN["base"].items():
        for old, new in case["change"].get(name, {}).items():
            assert old == WHOLE_FILE or old in text, f"the case {case['name']!r} changes nothing"
            text = new if old == WHOLE_FILE else text.replace(old, new)  # noqa: PLW2901
        (folder / name).write_text(text)
    return folder


def cases() -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in GOLDEN["cases"]]


@pytest.mark.parametrize("case", cases())
def test_every_mistake_is_named_with_its_line_and_the_nearest_right_name(case: dict[str, Any], tmp_path: Path) -> None:
    write(tmp_path, case)
    said = [str(violation).removeprefix(f"{tmp_path}/churn/") for violation in check_all(tmp_path)]
    assert said == case["expected"]


@pytest.mark.parametrize("case", [c for c in cases() if c.values[0]["expected"]])
def test_a_wrong_use_case_is_not_loaded_and_the_error_lists_every_mistake(case: dict[str, Any], tmp_path: Path) -> None:
    folder = write(tmp_path, case)
    with pytest.raises(InvalidSpec) as error:
        load_use_case(folder)
    for line in case["expected"]:
        assert line in str(error.value)
