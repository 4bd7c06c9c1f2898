"""What a use case may say about the review queue."""

from pathlib import Path

import pytest
from tests.unit.spec.test_spec_errors import GOLDEN

from perennial.errors import InvalidSpec
from perennial.spec.load import load_use_case


def written(folder: Path, review: str, task: str = "binary_classification") -> Path:
    for name, text in GOLDEN["base"].items():
        spec = text.replace("binary_classification", task)
        if task == "regression":
            spec = spec.replace("roc_auc", "mae")
        (folder / name).write_text(f"{spec}review: {review}\n" if name == "use_case.yaml" else spec)
    return folder


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    home = tmp_path / "churn"
    home.mkdir()
    review = load_use_case(written(home, "{band: [0.4, 0.6]}")).spec.review
    assert review is not None
    assert (review.band, review.random_share, review.limit, review.columns) == ((0.4, 0.6), 0.02, 50, ())


@pytest.mark.parametrize(
    ("review", "task", "said"),
    [
        ("{band: [0.6, 0.4]}", "binary_classification", "review.band: write two probabilities, the lower one first"),
        ("{band: [0.4, 1.4]}", "binary_classification", "review.band: write two probabilities"),
        ("{random_share: 0}", "binary_classification", "review.random_share '0'"),
        ("{columns: [contry]}", "binary_classification", "Did you mean 'country'?"),
        ("{band: [0.4, 0.6]}", "regression", "is about probabilities, and regression predicts none: leave it out"),
        ("{share: 0.1}", "binary_classification", "unknown key"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, review: str, task: str, said: str) -> None:
    home = tmp_path / "churn"
    home.mkdir()
    with pytest.raises(InvalidSpec) as error:
        load_use_case(written(home, review, task))
    assert said in str(error.value)
