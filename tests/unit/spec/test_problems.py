from pathlib import Path

import pytest

from perennial.spec.problems import Violation, dotted, nearest


def test_a_violation_reads_as_one_line() -> None:
    violation = Violation(Path("a/use_case.yaml"), 7, "training.metric", "auc", "no such metric", "roc_auc")
    assert str(violation) == "a/use_case.yaml:7: training.metric 'auc': no such metric. Did you mean 'roc_auc'?"


def test_a_violation_of_a_whole_file_has_neither_key_nor_value() -> None:
    assert str(Violation(Path("x.yaml"), 1, "", None, "the file is empty")) == "x.yaml:1: the file is empty."


def test_keys_are_dotted() -> None:
    assert dotted(("a", 0, "b", 2)) == "a[0].b[2]"
    assert dotted(()) == ""


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("roc_acu", "roc_auc"),
        ("AUC-ROC", "roc_auc"),
        ("RandomForest", "random_forest"),
        ("zzz", None),
        ("", None),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, ["roc_auc", "random_forest", "mae"]) == meant


def test_nothing_is_near_when_there_is_nothing() -> None:
    assert nearest("mae", []) is None
