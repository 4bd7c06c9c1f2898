"""McNemar's test against scipy's binomial test and a published table; accuracy by windows."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.bench.promotion_errors import World

from perennial.errors import NotEnoughData
from perennial.judgement.decisions import DecisionComparison, compare_decisions, decision_reasons
from perennial.judgement.rows import Scored, Unit


def table(both: int, only_champion: int, only_challenger: int, neither: int) -> DecisionComparison:
    """The comparison of rows that are 1, each decided rightly by so many models."""
    right = np.repeat(
        [[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], [both, only_champion, only_challenger, neither], 0
    )
    rows = len(right)
    return compare_decisions(Scored(np.ones(rows), right[:, 0], right[:, 1], np.zeros(rows)))


def test_agrestis_ratings_of_the_prime_minister() -> None:
    """Agresti (1990, Categorical Data Analysis), the example of R's `mcnemar.test`: chi-square with continuity
    correction 34.712, p = 3.822e-09. The exact p-value is near it, as both count 150 against 86.
    """
    found = table(794, 86, 150, 570)
    assert (found.both_right, found.only_champion_right, found.only_challenger_right, found.both_wrong) == (
        *(794, 86, 150),
        570,
    )
    chi_square = (abs(150 - 86) - 1) ** 2 / (150 + 86)
    assert found.p_two_sided == pytest.approx(stats.chi2.sf(chi_square, 1), rel=0.1)
    assert found.accuracy.gain == pytest.approx((150 - 86) / 1600)


@given(st.integers(0, 40), st.integers(0, 40))
def test_it_is_the_exact_binomial_test_of_discordant_rows(champion: int, challenger: int) -> None:
    found = table(3, champion, challenger, 2)
    if champion + challenger:
        exact = stats.binomtest(challenger, champion + challenger, alternative="greater").pvalue
        assert found.p_value == pytest.approx(exact)
        two_sided = stats.binomtest(challenger, champion + challenger).pvalue
        assert found.p_two_sided == pytest.approx(two_sided)
    else:
        assert (found.p_value, found.p_two_sided, found.accuracy.standard_error) == (1.0, 1.0, 0.0)


def test_few_discordant_rows_by_counting_outcomes() -> None:
    """Of 8 tosses at least 7 heads: 9 of 256."""
    assert table(10, 1, 7, 0).p_value == pytest.approx(sum(math.comb(8, k) for k in (7, 8)) / 256)


def test_accuracy_is_judged_by_windows() -> None:
    made = World(rows=100).holdout(10, 3).scored()
    decided = [(each >= 0.4).astype(float) for each in (made.champion, made.challenger)]
    scored = Scored(made.truth, decided[0], decided[1], made.windows)
    found = compare_decisions(scored)
    right = [each == scored.truth for each in decided]
    assert found.accuracy.champion == pytest.approx(right[0].mean())
    assert found.accuracy.gain == pytest.approx((found.only_challenger_right - found.only_champion_right) / len(scored))
    assert found.accuracy.unit is Unit.WINDOW
    by_window = (right[1].astype(float) - right[0]).reshape(10, -1).mean(axis=1)
    assert found.accuracy.standard_error == pytest.approx(by_window.std(ddof=1) / math.sqrt(10), rel=0.07)


def test_it_is_told_in_sentences() -> None:
    counts, accuracy = decision_reasons(table(794, 86, 150, 570), "trees", "champion version 2")
    assert counts == (
        "Of 1,600 decisions, both trees and champion version 2 are right in 794 and wrong in 570; only trees is right "
        "in 150, and only champion version 2 in 86 (McNemar's test, which counts rows as independent: p = 3.7e-05)."
    )
    assert accuracy.startswith("trees has accuracy 0.5900 and champion version 2 0.5500 on 1,600 labelled rows of 1")
    assert decision_reasons(table(8, 0, 0, 2))[0].endswith("only the champion in 0: they decide alike.")
    sure = decision_reasons(table(0, 0, 99, 0))[0]
    assert "(McNemar's test, which counts rows as independent: p is below 0.000001)" in sure


def test_one_row_is_too_few() -> None:
    with pytest.raises(NotEnoughData, match="on 1 labelled rows"):
        table(1, 0, 0, 0)
