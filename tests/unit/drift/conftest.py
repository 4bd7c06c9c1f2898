"""Fixtures for drift: an ordinary reference of forty windows."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from perennial.drift.reference import Reference, fit_reference
from perennial.spec.columns import Kind

COLUMNS = {"height": Kind.NUMERIC, "age": Kind.INTEGER, "colour": Kind.CATEGORICAL, "member": Kind.BOOLEAN}
COLOURS = ["red", "green", "blue"]


class People:
    """Windows of rows whose distributions never change, unless told."""

    columns = COLUMNS

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def window(self, rows: int = 200, shift: float = 0.0) -> pa.Table:
        """One window; `shift` moves the height, in its SDs."""
        return pa.table(
            {
                "height": self._random.normal(170 + 10 * shift, 10, rows),
                "age": self._random.integers(18, 66, rows),
                "colour": self._random.choice(COLOURS, rows, p=[0.5, 0.3, 0.2]),
                "member": self._random.random(rows) < 0.4,
            }
        )

    def windows(self, count: int, rows: int = 200) -> list[tuple[str, pa.Table]]:
        """Several windows, with names."""
        return [(f"w{i:03}", self.window(rows)) for i in range(count)]

    @staticmethod
    def replace(table: pa.Table, name: str, values: Sequence[object]) -> pa.Table:
        """The table with other values in one column."""
        return table.set_column(table.column_names.index(name), name, pa.array(values))


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Forty windows of 200 rows; `height` is the important column."""
    return fit_reference(People(1).windows(40), COLUMNS, {"height": 3.0, "colour": 1.0})
