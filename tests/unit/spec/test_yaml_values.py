"""Values as YAML: what is written is read back as exactly the same, by our reader and by others."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perennial.spec.document import read_document
from perennial.spec.yaml_values import yaml_value

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
# Surrogates are no text that UTF-8 can hold, and the lake refuses them.
texts = st.text(st.characters(exclude_categories=("Cs",)))
values = st.recursive(
    texts | numbers | st.booleans() | st.none(), lambda each: st.lists(each, max_size=4), max_leaves=6
)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("yaml") / "values.yaml"


def read(file: Path, written: str) -> Any:
    file.write_text(f"value: {written}\n", "utf-8")
    document, violations = read_document(file)
    assert document is not None, violations
    return document.value["value"]


@given(values)
def test_what_is_written_is_read_back(file: Path, value: Any) -> None:
    written = yaml_value(value)
    assert "\n" not in written
    again = read(file, written)
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *("no", "On", "NULL", "y", "1e3", "0x1f", "-", "", " a", "a: b", "#", "- x", "{a}", "[", "'", '"', "\\"),
        *("!!int 3", "&a", "*a", "|", ">", "%", "@", "`", "2024-01-01", "12:30", "1_000", "<script>", "---", "..."),
        *("?", "=", "<<", "~", ".inf", ".NaN", "\x85", "\u2028", "\ufeff", "\x00", "\U0001f600"),
    ],
)
def test_texts_that_look_like_something_else_stay_texts_for_every_reader(file: Path, text: str) -> None:
    assert read(file, yaml_value([text, {text: text}])) == [text, {text: text}]
    assert yaml.safe_load(yaml_value([text])) == [text]


def test_plain_names_are_written_without_quotes() -> None:
    assert yaml_value({"column": "origin", "value_set": ["EWR", "B6"]}) == "{column: origin, value_set: [EWR, B6]}"


@given(st.text(st.characters(categories=("Cf", "Cc", "Zl", "Zp", "Co", "Lo", "So"))))
def test_what_can_not_be_seen_is_written_as_an_escape(file: Path, text: str) -> None:
    """So that what a person reads before it is copied is what is copied, and in that order."""
    written = yaml_value([f"road {text}"])
    assert written.isprintable()
    assert read(file, written) == [f"road {text}"]
