"""Pictures of a candidate: each is a whole PNG file, the same each time, and none is like another."""

import io
from collections.abc import Callable

import matplotlib.image
import numpy as np
import pytest

from perennial.jobs.retrain.trying import pictures

TRUTH = np.tile([0.0, 1.0, 0.0], 40)
PREDICTIONS = np.linspace(0.1, 0.9, 120)


@pytest.fixture(autouse=True)
def unrendered() -> None:
    """Here they are rendered."""


@pytest.mark.parametrize(
    "draw",
    [
        lambda: list(pictures.of_classification(TRUTH, PREDICTIONS).values()),
        lambda: list(pictures.of_regression(TRUTH, PREDICTIONS).values()),
        lambda: [pictures.of_importance({f"a column with a long name, number {n}": n / 30 for n in range(30)})],
        lambda: [pictures.of_learning("roc_auc", [(100, 0.6), (200, 0.7)])],
    ],
    ids=["classification", "regression", "importance", "learning"],
)
def test_every_picture_is_a_whole_png_and_the_same_each_time(draw: Callable[[], list[bytes]]) -> None:
    found = draw()
    assert found == draw()
    assert len(set(found)) == len(found)
    for content in found:
        pixels = matplotlib.image.imread(io.BytesIO(content), format="png")
        assert pixels.shape == (450, 600, 4)
        assert len(np.unique(pixels)) > 10
