"""How columns go together: what no column shows by itself.

The sums of products of a window's numeric columns are small, add up over windows, and give its correlations, its
reconstruction error and how well a linear classifier tells its rows from others. Values are standardised by the
reference and cut at `FARTHEST_VALUE`, so that no single row decides; a missing one counts as the reference's mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.drift.profiles.bins import NumericBins

FARTHEST_VALUE = 5.0
MOST_COLUMNS = 20
BLOCK_ROWS = 8192  # such a block stays in the processor's cache
# The share of the variance that the principal components of the reconstruction hold.
EXPLAINED = 0.8
RIDGE = 1e-3  # of the variance 1 of a standardised column
SMALLEST_SPREAD = 0.02  # of a correlation over windows: less is too little to matter, or chance
SMALLEST_VARIANCE = 1e-4


@dataclass(frozen=True)
class JointMoments:
    """Sums over `rows` rows: of each of p columns, and of the products of all pairs (p x p, flat, both triangles)."""

    rows: int
    sums: tuple[float, ...]
    products: tuple[float, ...]

    @classmethod
    def of(cls, rows: pa.Table, bins: Mapping[str, NumericBins]) -> "JointMoments":
        """The sums over a chunk's rows of the columns that have `bins`, in their order; other columns are left out."""
        columns = [_aligned(rows.column(name)) for name in bins]
        sums, products = np.zeros(len(bins)), np.zeros((len(bins), len(bins)))
        for first in range(0, rows.num_rows, BLOCK_ROWS):
            block = np.empty((len(bins), min(BLOCK_ROWS, rows.num_rows - first)))
            with np.errstate(over="ignore"):  # what is infinitely far is cut below
                for values, each, row in zip(columns, bins.values(), block, strict=True):
                    np.subtract(values[first : first + BLOCK_ROWS], each.centre, out=row)
                    np.multiply(row, 1 / each.scale, out=row)
            np.clip(block, -FARTHEST_VALUE, FARTHEST_VALUE, out=block)
            block_sums = block.sum(axis=1)
            absent = np.isnan(block_sums)
            if absent.any():  # looking at every value takes as long as all the rest
                block[absent] = np.nan_to_num(block[absent], nan=0.0)
                block_sums = block.sum(axis=1)
            sums += block_sums
            products += block @ block.T
        return cls(rows.num_rows, tuple(sums.tolist()), tuple(products.ravel().tolist()))

    def merge(self, other: "JointMoments") -> "JointMoments":
        """The sums over both; the columns must be the same."""
        return JointMoments(
            rows=self.rows + other.rows,
            sums=tuple(a + b for a, b in zip(self.sums, other.sums, strict=True)),
            products=tuple(a + b for a, b in zip(self.products, other.products, strict=True)),
        )

    @property
    def means(self) -> Floats:
        """The means of the columns, then of the products (p + p * p numbers); they mix linearly. Needs a row."""
        return np.array([*self.sums, *self.products]) / self.rows


@dataclass(frozen=True)
class JointDistances:
    """Of each of n windows from all others, one number each.

    `correlation` is about the pair of columns that is most unusual: by how many SDs the window's correlation of the
    pair lies from the mean of the other windows'. Some pairs go together in the same way every day, others never do.
    `reconstruction` is the change of the variance that the principal components of the others' pool leave over
    (Pearson, 1901, Philosophical Magazine 2), relative to that variance. `separation` is the distance of the means in
    that pool's Mahalanobis metric: a linear domain classifier (Fisher, 1936, Annals of Eugenics 7) tells the window's
    rows from the pool's by it.
    """

    correlation: Floats
    reconstruction: Floats
    separation: Floats


def joint_distances(means: Floats, rows: Floats, columns: int) -> JointDistances:
    """Measure each window (n x (p + p * p) means, n row counts) against all others. Needs p >= 2 and n >= 3."""
    own = rows[:, None]
    rest = (rows @ means - own * means) / (rows.sum() - own)
    mean, covariance = _covariances(means, columns)
    rest_mean, rest_covariance = _covariances(rest, columns)
    moved = mean - rest_mean
    about_rest = covariance + moved[:, :, None] * moved[:, None, :]  # second moments about the pool's mean
    whole = _covariances((rows @ means / rows.sum())[None, :], columns)[1][0]
    spectrum = np.linalg.eigvalsh(whole)[::-1]
    kept = int(np.searchsorted(np.cumsum(spectrum), EXPLAINED * spectrum.sum())) + 1
    values, vectors = np.linalg.eigh(rest_covariance)
    left = columns - min(kept, columns - 1)
    over = vectors[:, :, :left]  # eigenvalues ascend
    expected = values[:, :left].sum(axis=1)
    found = np.einsum("npk,npq,nqk->n", over, about_rest, over)
    inverse = np.linalg.inv(rest_covariance + RIDGE * np.eye(columns))
    return JointDistances(
        correlation=_from_others(_pairs(covariance)).max(axis=1),
        reconstruction=np.abs(found - expected) / (np.maximum(expected, 0.0) + RIDGE * columns),
        separation=np.sqrt(np.einsum("np,npq,nq->n", moved, inverse, moved)),
    )


def of_columns(means: Floats, kept: Sequence[bool]) -> Floats:
    """The means of n windows (n x (p + p * p)) without the columns, and their products, that are not `kept`."""
    chosen = np.array(kept)
    return means[:, np.concatenate([chosen, np.outer(chosen, chosen).ravel()])]


def widest_pair(names: Sequence[str], means: Floats) -> tuple[str, str, float, float]:
    """The pair of columns by which the last window is farthest: their names, its correlation, and the others' mean.

    `means` are those of n windows, as of `JointMoments.means`.
    """
    correlations = _pairs(_covariances(means, len(names))[1])
    widest = int(_from_others(correlations)[-1].argmax())
    one, other = (names[each[widest]] for each in np.triu_indices(len(names), 1))
    return one, other, float(correlations[-1, widest]), float(correlations[:-1, widest].mean())


def _covariances(means: Floats, columns: int) -> tuple[Floats, Floats]:
    """Each window's means (n x p) and covariances (n x p x p)."""
    mean, products = means[:, :columns], means[:, columns:].reshape(-1, columns, columns)
    return mean, products - mean[:, :, None] * mean[:, None, :]


def _pairs(covariance: Floats) -> Floats:
    """Each window's correlations of all pairs of columns (n x p (p - 1) / 2); 0 of columns that hardly vary."""
    sd = np.sqrt(np.maximum(np.einsum("npp->np", covariance), SMALLEST_VARIANCE))
    correlations = covariance / sd[:, :, None] / sd[:, None, :]
    first, second = np.triu_indices(covariance.shape[1], 1)
    return np.asarray(correlations[:, first, second])


def _from_others(values: Floats) -> Floats:
    """By how many SDs of the others each window lies from their mean, in each column (n x k). Needs n >= 3."""
    others = len(values) - 1
    mean = (values.sum(axis=0) - values) / others
    squares = np.square(values).sum(axis=0) - np.square(values) - others * mean**2
    spread = np.sqrt(np.maximum(squares, 0.0) / (others - 1))
    return np.asarray(np.abs(values - mean) / np.maximum(spread, SMALLEST_SPREAD))


def _aligned(column: pa.ChunkedArray) -> Floats:
    """The column's values, one for each row, NaN where there is none."""
    found = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return np.asarray(found, dtype=np.float64)
