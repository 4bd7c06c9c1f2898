"""Verdicts on intervals, each with its sentence; and how many labels they ask for."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from perennial.judgement.comparison import Comparison, comparison_of
from perennial.judgement.labels_needed import labels_needed
from perennial.judgement.rows import Unit, Units
from perennial.judgement.sequential import Look, Question, claim_of
from perennial.judgement.verdict import GainVerdict, judge_gain
from perennial.window import Window


def comparison(gain: float, standard_error: float, windows: int = 14, unit: Unit = Unit.WINDOW) -> Comparison:
    """ROC AUC of 12,600 rows in windows of 900."""
    rows = 900 * windows
    count = windows if unit is Unit.WINDOW else rows
    units = Units(unit, np.zeros(0, dtype=np.intp), count, count - 1, windows)
    return comparison_of("roc_auc", (0.7, 0.7 + gain), gain, standard_error, units, rows, "as given")


FACTS = "trees has ROC AUC {} and version 3 0.7000 on 12,600 labelled rows of 14 windows: {}"
CASES = [
    (
        "better",
        (0.012, 0.004, 0.005, 0.0),
        GainVerdict.BETTER,
        FACTS.format("0.7120", "0.0120 better (95% interval: from 0.0034 to 0.0206 better): better beyond chance."),
    ),
    (
        "better, the estimate below what was asked for",
        (0.0045, 0.002, 0.005, 0.0),
        GainVerdict.BETTER,
        FACTS.format(
            "0.7045",
            "0.0045 better (95% interval: from 0.0002 to 0.0088 better): better beyond chance; the 0.005 that was "
            "asked for is within the interval.",
        ),
    ),
    (
        "better, by too little",
        (0.0020, 0.0008, 0.005, 0.0),
        GainVerdict.NOT_WORSE,
        "trees has ROC AUC 0.70200 and version 3 0.70000 on 12,600 labelled rows of 14 windows: 0.00200 better (95% "
        "interval: from 0.00027 to 0.00373 better): better beyond chance, but surely by less than the 0.005 that was "
        "asked for.",
    ),
    (
        "not worse",
        (0.001, 0.0025, 0.02, 0.01),
        GainVerdict.NOT_WORSE,
        FACTS.format(
            "0.7010",
            "0.0010 better (95% interval: from 0.0044 worse to 0.0064 better): not shown to be better, and surely not "
            "worse by the 0.01 that would matter; an improvement of 0.02 or more is ruled out.",
        ),
    ),
    (
        "not worse, and perhaps better",
        (0.001, 0.0025, 0.005, 0.01),
        GainVerdict.NOT_WORSE,
        FACTS.format(
            "0.7010",
            "0.0010 better (95% interval: from 0.0044 worse to 0.0064 better): not shown to be better, and surely not "
            "worse by the 0.01 that would matter; an improvement of 0.005 takes about 35,100 labelled rows in 39 "
            "windows to be noticed four times in five.",
        ),
    ),
    (
        "not worse, and nothing was asked for",
        (0.001, 0.0025, 0.0, 0.01),
        GainVerdict.NOT_WORSE,
        FACTS.format(
            "0.7010",
            "0.0010 better (95% interval: from 0.0044 worse to 0.0064 better): not shown to be better, and surely not "
            "worse by the 0.01 that would matter.",
        ),
    ),
    (
        "worse, within the margin",
        (-0.005, 0.002, 0.0, 0.01),
        GainVerdict.NOT_WORSE,
        FACTS.format(
            "0.6950",
            "0.0050 worse (95% interval: from 0.0007 to 0.0093 worse): worse beyond chance, but surely by less than "
            "the 0.01 that would matter.",
        ),
    ),
    (
        "worse",
        (-0.012, 0.004, 0.005, 0.0),
        GainVerdict.WORSE,
        FACTS.format("0.6880", "0.0120 worse (95% interval: from 0.0034 to 0.0206 worse): worse beyond chance."),
    ),
    (
        "worse by more than the margin",
        (-0.012, 0.004, 0.005, 0.003),
        GainVerdict.WORSE,
        FACTS.format(
            "0.6880",
            "0.0120 worse (95% interval: from 0.0034 to 0.0206 worse): worse beyond chance, by more than the margin of "
            "0.003.",
        ),
    ),
    (
        "worse, perhaps within the margin",
        (-0.012, 0.004, 0.005, 0.01),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.6880",
            "0.0120 worse (95% interval: from 0.0034 to 0.0206 worse): worse beyond chance; whether by more than the "
            "margin of 0.01 is not shown, and more labels will not make it better.",
        ),
    ),
    (
        "open",
        (0.003, 0.004, 0.005, 0.0),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.7030",
            "0.0030 better (95% interval: from 0.0056 worse to 0.0116 better): not enough labels to tell; an "
            "improvement of 0.005 takes about 87,300 labelled rows in 97 windows to be noticed four times in five.",
        ),
    ),
    (
        "open, and nothing was asked for",
        (0.003, 0.004, 0.0, 0.0),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.7030",
            "0.0030 better (95% interval: from 0.0056 worse to 0.0116 better): not enough labels to tell; if it is "
            "what it looks like, it takes about 239,000 labelled rows in 265 windows to be noticed four times in five.",
        ),
    ),
    (
        "open, and it does not look better",
        (-0.001, 0.004, 0.0, 0.0),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.6990",
            "0.0010 worse (95% interval: from 0.0096 worse to 0.0076 better): not enough labels to tell, and no sign "
            "of an improvement that more labels would prove.",
        ),
    ),
    (
        "no improvement, and no margin",
        (0.0, 0.002, 0.01, 0.0),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.7000",
            "0.0000 (95% interval: from 0.0043 worse to 0.0043 better): an improvement of 0.01 or more is ruled out, "
            "and more labels will not make it better.",
        ),
    ),
    (
        "no improvement, and perhaps worse",
        (-0.002, 0.002, 0.01, 0.004),
        GainVerdict.NOT_ENOUGH_LABELS,
        FACTS.format(
            "0.6980",
            "0.0020 worse (95% interval: from 0.0063 worse to 0.0023 better): an improvement of 0.01 or more is ruled "
            "out; to see that it is not worse by 0.004 takes about 35,100 labelled rows in 39 windows to be noticed "
            "four times in five.",
        ),
    ),
]


@pytest.mark.parametrize(("asked", "verdict", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_verdicts(asked: tuple[float, float, float, float], verdict: GainVerdict, reason: str) -> None:
    gain, standard_error, min_effect, margin = asked
    found = judge_gain(comparison(gain, standard_error), min_effect, margin, "trees", "version 3")
    assert found.reasons == (reason,)
    assert found.verdict is verdict
    assert (found.needed is not None) == ("takes about" in reason)


GAINS = st.floats(-0.05, 0.05)


@settings(max_examples=60)
@given(GAINS, st.floats(1e-4, 0.05), st.floats(0, 0.03), st.floats(0, 0.03))
def test_a_verdict_says_no_more_than_the_interval(gain: float, error: float, effect: float, margin: float) -> None:
    made = comparison(gain, error)
    found = judge_gain(made, effect, margin)
    assert (found.verdict is GainVerdict.BETTER) == (made.low > 0 and made.high >= effect)
    if found.verdict is GainVerdict.NOT_WORSE:
        assert made.low > -margin or made.low > 0
    if found.verdict is GainVerdict.WORSE:
        assert made.high < -margin
    if found.verdict is GainVerdict.NOT_ENOUGH_LABELS:
        assert made.low <= 0
        assert made.low <= -margin <= made.high
    if found.needed:
        assert found.needed.labels > made.rows
        assert found.needed.windows > made.windows
    assert found.ruled_out == (made.high < effect or made.high <= 0)


def test_the_same_predictions_are_not_better_and_not_worse() -> None:
    same = comparison(0.0, 0.0)
    assert judge_gain(same, 0.01, 0.005).verdict is GainVerdict.NOT_WORSE
    nothing = judge_gain(same)
    assert nothing.verdict is GainVerdict.NOT_ENOUGH_LABELS
    assert nothing.ruled_out
    assert "an improvement is ruled out, and more labels will not make it better" in nothing.reasons[0]


@settings(max_examples=60)
@given(GAINS, st.floats(1e-4, 0.05), st.floats(0, 0.03), st.floats(0, 0.03))
def test_a_shadow_with_the_same_interval_says_the_same(gain: float, error: float, effect: float, margin: float) -> None:
    """`better`, `not worse` and `worse` mean one thing, whether one looks once or at every window."""
    made = comparison(gain, error)
    at = Window(datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, tzinfo=UTC))
    look = Look(at, at.end, made.windows, made.rows, gain, made.low, made.high)
    claim = claim_of(look, Question("roc_auc", margin, effect))
    verdict = judge_gain(made, effect, margin).verdict
    assert claim == ("undecided" if verdict is GainVerdict.NOT_ENOUGH_LABELS else verdict.value)


def test_too_few_windows_are_told() -> None:
    found = judge_gain(comparison(0.012, 0.004, windows=2, unit=Unit.ROW))
    assert found.verdict is GainVerdict.BETTER
    assert found.reasons[1:] == (
        "There are too few windows to see how much models differ from one to the next, so every row counted as "
        "independent: this holds for these windows, and is less certain for others.",
    )


def test_negative_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="can't be negative"):
        judge_gain(comparison(0.0, 0.1), min_effect=-0.1)
    with pytest.raises(ValueError, match="can't be negative"):
        judge_gain(comparison(0.0, 0.1), margin=-0.1)
    with pytest.raises(ValueError, match="is positive"):
        labels_needed(comparison(0.0, 0.1), 0.0)


def test_with_a_known_error_the_number_is_the_textbooks() -> None:
    """Rows, so many that the standard error is as good as known: n (se (z_0.975 + z_0.8) / effect)^2."""
    made = comparison(0.0, 0.004, windows=4, unit=Unit.ROW)
    z = stats.norm.ppf(0.975) + stats.norm.ppf(0.8)
    assert labels_needed(made, 0.005, power=0.8).labels == pytest.approx(3600 * (0.004 * z / 0.005) ** 2, rel=2e-3)


def test_a_planned_study_has_the_power_that_was_planned() -> None:
    """Pilots of few windows, whose standard errors are only estimates: over all of them the power is as stated."""
    random = np.random.default_rng(3)
    effect, pilot, true, studies = 0.01, 9, 0.05, 100  # the scatter of a window's gain
    noticed = []
    for share in (np.arange(200) + 0.5) / 200:
        error = true / np.sqrt(pilot) * np.sqrt(stats.chi2.ppf(share, pilot - 1) / (pilot - 1))
        windows = labels_needed(comparison(0.0, error, windows=pilot), effect, power=0.8).windows
        spread = true / np.sqrt(windows) * np.sqrt(random.chisquare(windows - 1, studies) / (windows - 1))
        found = random.normal(effect, true / np.sqrt(windows), studies)
        reach = stats.t.ppf(0.975, windows - 1) * spread
        noticed.append(((found > reach) & (found + reach >= effect)).mean())
    assert np.mean(noticed) == pytest.approx(0.8, abs=0.012)  # four standard errors of 20,000 studies


@settings(max_examples=40)
@given(st.floats(1e-3, 0.05), st.floats(1e-3, 0.05), st.integers(5, 60))
def test_smaller_effects_and_more_power_need_more(error: float, effect: float, windows: int) -> None:
    made = comparison(0.0, error, windows=windows)
    needed = labels_needed(made, effect)
    assert labels_needed(made, effect / 2).labels >= needed.labels
    assert labels_needed(made, effect, power=0.9).labels >= needed.labels
    assert labels_needed(replace(made, confidence=0.99), effect).labels >= needed.labels
    assert needed.windows >= 5
    assert needed.labels == 900 * needed.windows
