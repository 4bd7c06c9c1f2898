from pathlib import Path

import pytest

from perennial.spec.document import Document, read_document


def document(tmp_path: Path, text: str) -> Document:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    found, violations = read_document(file)
    assert found is not None
    assert violations == []
    return found


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("1e-3", 0.001),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("1_000_000", 1_000_000),
        ("010", "010"),
        ("12:30", "12:30"),
        ("2013-01-01", "2013-01-01"),
        ("", None),
        ("null", None),
        ("'7'", "7"),
    ],
)
def test_scalars_mean_what_editors_show(tmp_path: Path, written: str, value: object) -> None:
    found = document(tmp_path, f"key: {written}\n").value["key"]
    assert found == value
    assert type(found) is type(value)


def test_lines_are_those_of_the_keys(tmp_path: Path) -> None:
    found = document(tmp_path, "# note\na: 1\nb:\n  - c: 2\n    d: 3\n")
    assert found.line(("a",)) == 2
    assert found.line(("b", 0, "d")) == 5
    assert found.line(("b", 0, "missing", "deeper")) == 4
    assert found.line(("b", 7)) == 3
    assert found.line(()) == 2
    assert found.text(("b", 0, "d")) == "3"
    assert found.text(("b",)) is None
    assert found.text(("b", 0, "missing")) is None


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        (b"a: 1\nb: \xff\n", 2, "not UTF-8 text; save the file as UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "not YAML: unacceptable character"),
        (b"a: 1\nb: !secret x\n", 2, "not YAML: could not determine a constructor for the tag '!secret'"),
        (b"a: !!int x\n", 1, "not YAML: invalid literal for int()"),
        (b"a: 1\n---\nb: 2\n", 2, "not YAML: but found another document"),
        (b"a: [1\n", 2, "not YAML: did not find expected"),
        (b"# nothing\n", 1, "the file must hold keys and values"),
        (b"- a\n", 1, "the file must hold keys and values"),
        (b"", 1, "the file is empty"),
    ],
)
def test_a_file_that_is_no_yaml_is_reported_with_its_line(
    tmp_path: Path, content: bytes, line: int, problem: str
) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes(content)
    found, violations = read_document(file)
    assert found is None
    [violation] = violations
    assert violation.line == line
    assert violation.problem.startswith(problem)


def test_keys_written_twice_are_found_at_any_depth(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("a:\n  - {b: 1, c: 2, b: 3}\nd: 4\nd: {e: 5}\n")
    _, violations = read_document(file)
    assert [(v.line, v.key, v.value) for v in violations] == [(2, "a[0].b", "3"), (4, "d", None)]


def test_a_file_may_start_with_a_byte_order_mark_and_use_aliases(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_bytes("\ufeffa: &same {b: 1}\nc: *same\n".encode())
    found, violations = read_document(file)
    assert violations == []
    assert found is not None
    assert found.value == {"a": {"b": 1}, "c": {"b": 1}}
