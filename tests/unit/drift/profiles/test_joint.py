"""What columns are together: the sums merge, and the measures are what NumPy and scikit-learn say of the raw rows."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import roc_auc_score

from perennial.arrays import Floats
from perennial.drift.profiles.bins import NumericBins
from perennial.drift.profiles.joint import FARTHEST_VALUE, JointMoments, joint_distances, widest_pair

RANDOM = np.random.default_rng(17)
BINS = {name: NumericBins((0.0,), 0.0, 1.0, False) for name in "xyz"}
values = st.lists(st.one_of(st.none(), st.floats()), max_size=8)


def table(rows: Floats) -> pa.Table:
    return pa.table({name: rows[:, i] for i, name in enumerate("xyz")})


def measured(*windows: Floats) -> tuple[Floats, Floats]:
    moments = [JointMoments.of(table(rows), BINS) for rows in windows]
    return np.array([each.means for each in moments]), np.array([float(each.rows) for each in moments])


def draw(rows: int, correlation: float = 0.6, shift: float = 0.0) -> Floats:
    mixed = RANDOM.normal(size=(rows, 3)) @ np.array([[1, correlation, 0.2], [0, 0.7, 0.1], [0, 0, 0.5]])
    return np.asarray(np.clip(mixed + shift, -4, 4))


@given(values, values)
def test_sums_merge_whatever_the_values(a: list[float | None], b: list[float | None]) -> None:
    parts = [pa.table({name: pa.array(each, pa.float64()) for name in "xyz"}) for each in (a, b)]
    one, other = (JointMoments.of(part, BINS) for part in parts)
    whole = JointMoments.of(pa.concat_tables(parts), BINS)
    merged = one.merge(other)
    assert merged == other.merge(one)
    assert merged.rows == whole.rows == len(a) + len(b)
    assert merged.sums == pytest.approx(whole.sums)
    assert merged.products == pytest.approx(whole.products)
    assert np.isfinite(merged.products).all()


def test_far_values_are_cut_and_missing_ones_count_as_the_mean() -> None:
    rows = pa.table({name: pa.array([None, float("nan"), float("inf"), -1e308, 2.0]) for name in "xyz"})
    found = JointMoments.of(rows, {name: NumericBins((0.0,), 1.0, 0.1, False) for name in "xyz"})
    assert found.sums == pytest.approx([FARTHEST_VALUE] * 3)  # 0 + 0 + 5 - 5 + 5
    assert found.products == pytest.approx([3 * FARTHEST_VALUE**2] * 9)


def test_correlations_are_numpys_and_far_where_they_are_unlike_the_others() -> None:
    windows = [draw(300, correlation) for correlation in (0.6, 0.6, -0.4, 0.5, 0.9)]
    means, rows = measured(*windows)
    found = joint_distances(means, rows, 3).correlation
    correlations = np.array([np.corrcoef(window.T)[np.triu_indices(3, 1)] for window in windows])
    for i in range(len(windows)):
        others = np.delete(correlations, i, axis=0)
        spread = np.maximum(others.std(axis=0, ddof=1), 0.02)
        assert found[i] == pytest.approx((np.abs(correlations[i] - others.mean(axis=0)) / spread).max())
    assert found.argmax() == 2


def test_a_pair_that_never_varied_is_not_far_for_a_hair() -> None:
    same = np.tile(draw(300), (4, 1, 1))
    nearly = same[0] + RANDOM.normal(scale=0.01, size=same[0].shape)
    means, rows = measured(*same, nearly)
    assert joint_distances(means, rows, 3).correlation.max() < 0.5


def test_the_reconstruction_error_is_scikit_learns() -> None:
    windows = [draw(300, correlation) for correlation in (0.6, 0.6, -0.9)]
    means, rows = measured(*windows)
    found = joint_distances(means, rows, 3).reconstruction
    whole = PCA().fit(np.concatenate(windows)).explained_variance_ratio_
    components = int(np.searchsorted(np.cumsum(whole), 0.8)) + 1
    for i, window in enumerate(windows):
        rest = np.concatenate(windows[:i] + windows[i + 1 :])
        model = PCA(components).fit(rest)
        errors = [
            np.square(each - model.inverse_transform(model.transform(each))).sum(1).mean() for each in (window, rest)
        ]
        assert found[i] == pytest.approx(abs(errors[0] - errors[1]) / (errors[1] + 0.003), rel=1e-6)


def test_the_separation_is_that_of_a_linear_classifier() -> None:
    reference, window = draw(4000), draw(4000, shift=0.4)
    means, rows = measured(reference[:2000], reference[2000:], window)
    separation = float(joint_distances(means, rows, 3).separation[-1])
    both, domain = np.concatenate([reference, window]), np.repeat([0, 1], 4000)
    classifier = LinearDiscriminantAnalysis().fit(both, domain)
    expected = roc_auc_score(domain, classifier.decision_function(both))
    assert stats.norm.cdf(separation / np.sqrt(2)) == pytest.approx(expected, abs=0.01)


def test_columns_that_do_not_vary_are_no_obstacle() -> None:
    windows = [np.column_stack([draw(100)[:, :2], np.full(100, 2.0)]) for _ in range(4)]
    found = joint_distances(*measured(*windows), 3)
    for distances in (found.correlation, found.reconstruction, found.separation):
        assert np.isfinite(distances).all()
    same = [np.full((100, 3), 1.0)] * 4
    assert joint_distances(*measured(*same), 3).separation.tolist() == pytest.approx([0] * 4, abs=1e-9)


def test_the_pair_that_changed_most_is_named() -> None:
    means, _ = measured(*(draw(2000, correlation) for correlation in (0.9, 0.9, 0.89, 0.91, -0.9)))
    one, other, now, before = widest_pair(["x", "y", "z"], means)
    assert (one, other) == ("x", "y")
    assert now == pytest.approx(-0.79, abs=0.05)
    assert before == pytest.approx(0.79, abs=0.05)
