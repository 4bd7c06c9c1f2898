"""Whether predictions mean what they say: calibration of champion and challenger on the same rows."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from perennial.arrays import Floats
from perennial.judgement.comparison import CONFIDENCE, Comparison, comparison_of
from perennial.judgement.resampling import resamples
from perennial.judgement.rows import Scored, Units
from perennial.judgement.wording import facts_text, number_text
from perennial.performance.interval import Interval, midranks
from perennial.spec.names import Task
from perennial.wording import percent

BINS = 10
CLIPPED = 1e-6  # probabilities of 0 and 1 have no logit
STEPS, CONVERGED, FARTHEST = 50, 1e-10, 30.0


@dataclass(frozen=True)
class Calibration:
    """One model's calibration.

    `in_the_large` is the mean prediction minus the mean outcome, in the label's unit or as a share: 0 is ideal. `slope`
    is that of outcomes on predictions, on the logit scale for probabilities: 1 is ideal, less means that predictions
    are too extreme; None where predictions don't vary or separate the classes. `expected_error` is the expected
    calibration error: the distance between prediction and outcome, as means of ten groups of equally many rows,
    ordered by prediction. It is never 0: `by_chance` is what a perfectly calibrated model would have on so many rows.
    Both are None for regression.
    """

    in_the_large: Interval
    slope: Interval | None
    expected_error: Interval | None
    by_chance: float | None


@dataclass(frozen=True)
class CalibrationCompared:
    """Both models' calibration. `gain` is the challenger's gain in expected calibration error, None for regression."""

    champion: Calibration
    challenger: Calibration
    gain: Comparison | None


def compare_calibration(task: Task, scored: Scored) -> CalibrationCompared:
    """Calibration in the large, slope and expected calibration error, with intervals by windows where they suffice.

    Slope: Cox (1958, Biometrika 45); Van Calster et al. (2019, BMC Medicine 17), with the standard error of Liang and
    Zeger (1986, Biometrika 73). Expected calibration error: Naeini et al. (2015, AAAI 29), in groups of equal size,
    with the bootstrap of `compare_resampled`. `scored` has at least two rows.
    """
    units = scored.units()
    parts = [_calibration(task, scored.truth, each, units) for each in (scored.champion, scored.challenger)]
    if task is not Task.BINARY_CLASSIFICATION:
        return CalibrationCompared(parts[0][0], parts[1][0], None)
    (champion, one), (challenger, other) = parts
    assert champion.expected_error
    assert challenger.expected_error
    values = champion.expected_error.value, challenger.expected_error.value
    error = _scatter(one - other, units)
    name, method = "expected calibration error", "paired bootstrap"
    gain = comparison_of(name, values, values[0] - values[1], error, units, len(scored), method)
    return CalibrationCompared(champion, challenger, gain)


def calibration_reasons(
    compared: CalibrationCompared, challenger: str = "the challenger", champion: str = "the champion"
) -> tuple[str, ...]:
    """The comparison in sentences."""
    models = ((champion, compared.champion), (challenger, compared.challenger))
    reasons = [f"{_large_text(name, each)}{_slope_text(each)}." for name, each in models]
    if compared.gain is None:
        return tuple(reasons)
    chance = number_text(compared.challenger.by_chance or 0.0, compared.gain.standard_error)
    told = facts_text(compared.gain, challenger, champion)
    return (*reasons, f"{told}; a perfectly calibrated challenger would have about {chance}.")


def _large_text(name: str, found: Calibration) -> str:
    large = found.in_the_large
    value, low, high = (number_text(each, large.standard_error) for each in (large.value, large.low, large.high))
    sure = "too high" if large.low > 0 else "too low" if large.high < 0 else "not surely too high or too low"
    interval = f"{percent(CONFIDENCE)} interval: {low} to {high}"
    return f"Calibration of {name}: predictions are {sure}; their mean minus the mean outcome is {value} ({interval})"


def _slope_text(found: Calibration) -> str:
    if found.slope is None:
        return ""
    slope = found.slope
    value, low, high = (number_text(each, slope.standard_error) for each in (slope.value, slope.low, slope.high))
    sure = (
        "too extreme"
        if slope.high < 1
        else "too cautious"
        if slope.low > 1
        else "neither surely too extreme nor too cautious"
    )
    return f"; with a slope of {value} ({low} to {high}) they are {sure}"


def _calibration(task: Task, truth: Floats, prediction: Floats, units: Units) -> tuple[Calibration, Floats]:
    """The calibration, and the expected calibration error of each resample."""
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, units.degrees_of_freedom))
    off = prediction - truth
    large = float(off.mean())
    spread = units.sums(off - large)
    error = math.sqrt(_correction(units) * float((spread**2).sum())) / len(truth)
    in_the_large = _interval(large, error, reach)
    if task is not Task.BINARY_CLASSIFICATION:
        slope = _slope(truth, prediction, units, reach, logistic=False)
        return Calibration(in_the_large, slope, None, None), np.empty(0)
    slope = _slope(truth, logit(np.clip(prediction, CLIPPED, 1 - CLIPPED)), units, reach, logistic=True)
    groups = np.floor(BINS * (midranks(prediction) - 0.5) / len(truth))  # equal predictions stay together
    members = np.equal.outer(groups, np.arange(BINS)).astype(np.float64)
    value = float(np.abs(off @ members).sum() / len(truth))
    sums = units.sums(np.column_stack([members * off[:, None], np.ones(len(truth))]))
    found = np.concatenate([_errors(counts @ sums) for counts in resamples(units)])
    expected = _interval(value, _scatter(found, units), reach)
    bounded = Interval(value, max(0.0, expected.low), min(1.0, expected.high), expected.standard_error)
    variance = (prediction * (1 - prediction)) @ members
    by_chance = float(np.sqrt(2 / math.pi * variance).sum() / len(truth))
    return Calibration(in_the_large, slope, bounded, by_chance), found


def _errors(sums: Floats) -> Floats:
    return np.asarray(np.abs(sums[:, :-1]).sum(axis=1) / sums[:, -1])


def _slope(truth: Floats, score: Floats, units: Units, reach: float, logistic: bool) -> Interval | None:
    """The slope of a regression of outcomes on scores; None where there is none."""
    if np.ptp(score) == 0 or np.ptp(truth) == 0:
        return None
    unit = 1.0
    if not logistic:  # of numbers, the slope of those in standard deviations: it converges in whatever unit they are
        unit = float(truth.std() / score.std())
        truth, score = truth / truth.std(), score / score.std()
    design = np.column_stack([np.ones(len(score)), score - score.mean()])
    found = np.array([logit(truth.mean()) if logistic else truth.mean(), 0.0])
    for _ in range(STEPS):
        fitted = expit(design @ found) if logistic else design @ found
        weights = fitted * (1 - fitted) if logistic else np.ones(len(truth))
        information = design.T @ (weights[:, None] * design)
        if np.linalg.cond(information) > 1 / np.finfo(np.float64).eps:
            return None
        step = np.linalg.solve(information, design.T @ (truth - fitted))
        found = found + step
        if np.abs(found).max() > FARTHEST and logistic:
            return None
        if np.abs(step).max() < CONVERGED * max(1.0, float(np.abs(found).max())):
            scores = units.sums((truth - fitted)[:, None] * design)
            bread = np.linalg.inv(information)
            variance = _correction(units) * bread @ (scores.T @ scores) @ bread
            return _interval(unit * float(found[1]), unit * math.sqrt(variance[1, 1]), reach)
    return None


def _scatter(values: Floats, units: Units) -> float:
    return float(np.std(values, ddof=1)) * math.sqrt(_correction(units))


def _correction(units: Units) -> float:
    return units.count / (units.count - 1)


def _interval(value: float, error: float, reach: float) -> Interval:
    return Interval(value, value - reach * error, value + reach * error, error)
