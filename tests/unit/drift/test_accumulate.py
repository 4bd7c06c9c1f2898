"""Evidence: slow drift adds up, ordinary windows don't, and the promised number of false alarms is kept."""

import json
import math

import numpy as np
import pytest
from scipy import stats
from tests.bench.drift_calibration import k_of_n_alarms

import perennial.drift.accumulate as accumulate_module
from perennial.drift.accumulate import (
    accumulate,
    cusum_threshold,
    null_p_values,
    read_thresholds,
    strongest,
    thresholds_of,
    told_apart,
)
from perennial.errors import NotEnoughData
from perennial.spec.false_alarms import FalseAlarms, Period
from perennial.verdict import Verdict
from perennial.window import Every

ONCE_A_YEAR = FalseAlarms(1, Period.YEAR)


def test_p_values_that_are_small_again_and_again_raise_an_alarm() -> None:
    found = accumulate([0.1] * 8, 59, ONCE_A_YEAR, Every.DAY)
    step = math.log(0.5) - 0.5 * math.log(0.1)
    needed = math.ceil(found.threshold / step)
    assert found.alarms == (needed - 1,)
    assert accumulate([0.1] * needed, 59, ONCE_A_YEAR, Every.DAY).verdict is Verdict.FAIL
    assert accumulate([0.1] * (needed - 1), 59, ONCE_A_YEAR, Every.DAY).verdict is Verdict.PASS


def test_after_an_alarm_the_evidence_starts_anew() -> None:
    found = accumulate([1 / 60] * 4, 59, ONCE_A_YEAR, Every.DAY)
    assert found.alarms == (2,)
    assert found.statistic == pytest.approx(math.log(0.5) + 0.5 * math.log(60))
    assert found.verdict is Verdict.PASS


def test_ordinary_windows_take_evidence_away_but_never_below_zero() -> None:
    assert accumulate([0.9] * 50, 59, ONCE_A_YEAR, Every.DAY).statistic == 0
    with_credit = accumulate([0.9] * 50 + [1 / 60] * 3, 59, ONCE_A_YEAR, Every.DAY)
    assert with_credit.alarms == (52,)


def test_windows_without_a_p_value_are_passed_over() -> None:
    found = accumulate([None, 1 / 60, None, 1 / 60, 1 / 60, None], 59, ONCE_A_YEAR, Every.DAY)
    assert (found.alarms, found.windows, found.verdict) == ((4,), 3, Verdict.FAIL)
    assert found.expected == pytest.approx(3 / 365)
    assert "over 3 windows is" in found.reason


def test_no_window_is_no_evidence() -> None:
    for nothing in ([], [None]):
        found = accumulate(nothing, 59, ONCE_A_YEAR, Every.DAY)
        assert (found.verdict, found.statistic) == (Verdict.INSUFFICIENT, 0)


def test_without_a_reference_there_is_nothing_to_rank_among() -> None:
    with pytest.raises(NotEnoughData, match="this one has none"):
        accumulate([0.5], 0, ONCE_A_YEAR, Every.DAY)


def test_a_column_is_heard_where_the_windows_as_wholes_say_nothing() -> None:
    columns = {"hour": [0.5] * 9, "dest": [1 / 60] * 9}
    found = strongest([0.3] * 9, columns, 59, ONCE_A_YEAR, Every.DAY)
    alone = accumulate(columns["dest"], 59, FalseAlarms(0.25, Period.YEAR), Every.DAY)
    assert (found.column, found.alarms, found.threshold) == ("dest", alone.alarms, alone.threshold)
    assert found.expected == pytest.approx(9 / 365)
    assert found.reason.startswith("Evidence of drift of dest over 9 windows is ")


def test_a_large_change_is_told_of_the_windows_as_wholes() -> None:
    found = strongest([1 / 60] * 3, {"hour": [0.5] * 3, "dest": [0.4] * 3}, 59, ONCE_A_YEAR, Every.DAY)
    assert (found.column, found.alarms, found.verdict) == (None, (2,), Verdict.FAIL)
    assert found.threshold == cusum_threshold(59, 0.5, 365)


def test_without_columns_the_windows_have_all_false_alarms_for_themselves() -> None:
    assert strongest([0.01] * 4, {}, 59, ONCE_A_YEAR, Every.DAY) == accumulate([0.01] * 4, 59, ONCE_A_YEAR, Every.DAY)


def test_ordinary_years_have_no_more_alarms_than_accepted_whatever_the_columns_depend_on() -> None:
    """Columns of scores that share half their variance, and their maximum, in years of ordinary windows."""
    random, reference, columns, years, total = np.random.default_rng(5), 59, 6, 150, 0
    accepted = FalseAlarms(4, Period.YEAR)
    for _ in range(years):
        scores = random.normal(size=(reference + 365, columns)) + random.normal(size=(reference + 365, 1))
        series = np.column_stack([scores.max(axis=1), scores])
        known = np.sort(series[:reference], axis=0)
        p = [
            ((1 + reference - np.searchsorted(known[:, i], series[reference:, i])) / (1 + reference)).tolist()
            for i in range(columns + 1)
        ]
        own = {f"x{i}": each for i, each in enumerate(p[1:])}
        total += len(strongest(p[0], own, reference, accepted, Every.DAY).alarms)
    # Alarms on the same day are one, so that fewer are counted than add up; the scatter is about twice Poisson's.
    assert 1 < total / years < 4 + 4 * 2 * math.sqrt(4 / years)


@pytest.mark.parametrize(("reference", "per_year"), [(20, 1.0), (59, 1.0), (59, 0.25), (200, 12.0)])
def test_ordinary_years_have_as_many_alarms_as_accepted(reference: int, per_year: float) -> None:
    """Against draws of our own, with another generator and the textbook's loop."""
    random = np.random.default_rng(99)
    threshold = cusum_threshold(reference, per_year, 365)
    total = 0
    for _ in range(400):
        known, statistic = np.sort(random.normal(size=reference)), 0.0
        for score in random.normal(size=365):
            p = (1 + reference - np.searchsorted(known, score)) / (1 + reference)
            statistic = max(0.0, statistic + math.log(0.5 * p**-0.5))
            if statistic >= threshold:
                total, statistic = total + 1, 0.0
    # The number of alarms in a year scatters about twice as much as Poisson's would.
    assert total / 400 == pytest.approx(per_year, abs=4 * 2 * math.sqrt(per_year / 400))


def test_fewer_accepted_alarms_need_more_evidence() -> None:
    thresholds = [cusum_threshold(59, rate, 365) for rate in (12.0, 1.0, 0.1)]
    assert thresholds == sorted(thresholds)


@pytest.mark.parametrize(
    ("reference", "per_year", "threshold"), [(59, 0.5, 3.295257568359375), (59, 0.05, 5.812255859375)]
)
def test_the_same_numbers_have_the_same_threshold_for_ever(reference: int, per_year: float, threshold: float) -> None:
    assert cusum_threshold(reference, per_year, 365) == threshold


def test_a_kept_threshold_is_the_simulated_one_to_the_last_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {"hour": [0.02] * 9, "dest": [0.3] * 9, "carrier": [None] * 9}
    simulated = strongest([0.2] * 9, columns, 41, ONCE_A_YEAR, Every.DAY)
    alone = accumulate([0.2] * 9, 41, ONCE_A_YEAR, Every.DAY)
    kept = json.loads(json.dumps([thresholds_of(41, number, ONCE_A_YEAR, Every.DAY) for number in (3, 0)]))
    calls = count_simulations(monkeypatch)
    assert strongest([0.2] * 9, columns, 41, ONCE_A_YEAR, Every.DAY, read_thresholds(kept[0])) == simulated
    assert accumulate([0.2] * 9, 41, ONCE_A_YEAR, Every.DAY, read_thresholds(kept[1])) == alone
    assert calls == []


def test_a_threshold_that_is_not_kept_is_simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = read_thresholds(thresholds_of(41, 3, ONCE_A_YEAR, Every.DAY))
    expected = accumulate([0.2] * 9, 42, ONCE_A_YEAR, Every.DAY)
    calls = count_simulations(monkeypatch)
    assert accumulate([0.2] * 9, 42, ONCE_A_YEAR, Every.DAY, kept) == expected
    assert calls == [(42, 1.0, 365)]


def count_simulations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float, int]]:
    """The arguments of every call of `cusum_threshold` from here on."""
    calls: list[tuple[int, float, int]] = []

    def counted(reference_windows: int, per_year: float, windows: int) -> float:
        calls.append((reference_windows, per_year, windows))
        return cusum_threshold(reference_windows, per_year, windows)

    monkeypatch.setattr(accumulate_module, "cusum_threshold", counted)
    return calls


def test_one_alarm_of_one_is_the_level() -> None:
    assert k_of_n_alarms(99, 0.05, 1, 1, 365) == pytest.approx(0.05 * 365, rel=0.02)


def test_k_of_n_alarms_are_those_of_the_urn() -> None:
    """Two windows, both alarms: the mean of the squared beta-distributed share below the level."""
    n, ranks = 39, 8  # level 0.2: the eight smallest of 40 p-values
    beta = stats.beta(ranks, n + 1 - ranks)
    assert k_of_n_alarms(n, ranks / (n + 1), 2, 2, 2) == pytest.approx(beta.var() + beta.mean() ** 2, rel=0.05)


def test_simulated_p_values_are_uniform_and_not_independent() -> None:
    found = null_p_values(39, 100)
    assert found.mean() == pytest.approx((1 + 1 / 40) / 2, abs=0.005)
    shares = (found <= 0.05).mean(axis=1)
    expected = stats.betabinom(100, 2, 38)  # Bates et al., 2023, Annals of Statistics 51(1)
    assert shares.std() * 100 == pytest.approx(expected.std(), rel=0.05)


def test_evidence_that_is_just_not_enough_is_told_apart_from_what_it_takes() -> None:
    assert told_apart(3.0159, 3.0161) == ("3.0159", "3.0161")
    assert told_apart(3.02, 6.68) == ("3.02", "6.68")
