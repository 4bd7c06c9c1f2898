"""Were estimates right? Once labels have come, comparing estimates with the truth shows how far to trust them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from perennial.window import Window

LAST = 14
FEWEST = 7
MIN_WITHIN = 0.7
MOST_DRIFTED = 0.25
REACH = 2.0  # standard errors that a single window may be off
Z = 3.0  # and the mean of them, before it counts as persistent: it is looked at again with every window
SMALLEST_SHARE_OF_METRIC = 0.02


class Trust(StrEnum):
    """How far estimates may be believed."""

    TRUSTED = "trusted"
    UNPROVEN = "unproven"
    OFF = "off"


@dataclass(frozen=True)
class Audited:
    """A final window: what was estimated of it, what came true, and whether its inputs were drifted.

    `correction` and `error_sd` are the mean and SD of truth minus estimate in the model's training windows.
    """

    window: Window
    estimate: float
    estimate_error: float
    truth: float
    truth_error: float
    correction: float
    error_sd: float
    drifted: bool


@dataclass(frozen=True)
class Audit:
    """What the last windows say about estimates of a metric.

    `within` is the share of windows whose truth lay within the range of the estimate. `mean_gap` is by how much the
    truth was larger on average (beyond the usual bias), and `low` and `high` are the ends of its confidence interval.
    `concept_drift`: the gap persists while the inputs look ordinary, so what has changed is how the outcome depends on
    them.
    """

    trust: Trust
    windows: int
    within: float | None
    mean_gap: float | None
    low: float | None
    high: float | None
    concept_drift: bool
    reasons: tuple[str, ...]


def _nobody() -> Window | None:
    return None


def audit(metric: str, points: Sequence[Audited], drift_shown_by: Callable[[], Window | None] = _nobody) -> Audit:
    """Compare the last `LAST` final windows' estimates with the truth.

    `drift_shown_by` finds the last window by which evidence of drift had accumulated since the deployment, if there is
    one. It is asked only where the gap persists.

    Trust is off when in fewer than 70% of them the truth lies within two standard errors (those of estimate, truth
    and the usual spread together) of the estimate. The mean gap counts as persistent when it is more than three of its
    standard errors from 0, and more than 2% of the metric. Neighbouring windows resemble each other, so its standard
    error allows for correlation with the window before (Newey and West, 1987, Econometrica 55).
    """
    last = sorted((each for each in points if _usable(each)), key=lambda each: each.window)[-LAST:]
    n = len(last)
    if n < FEWEST:
        reason = f"{n} final windows tell how good estimates of {metric} are; {FEWEST} are needed."
        return Audit(Trust.UNPROVEN, n, None, None, None, None, concept_drift=False, reasons=(reason,))
    gaps = np.array([each.truth - each.estimate - each.correction for each in last])
    errors = np.array([math.hypot(each.estimate_error, each.truth_error, each.error_sd) for each in last])
    within = float(np.mean(np.abs(gaps) <= REACH * errors))
    mean, error = float(gaps.mean()), _error_of_mean(gaps, errors)
    floor = SMALLEST_SHARE_OF_METRIC * float(np.mean([abs(each.truth) for each in last]))
    persistent = abs(mean) > max(Z * error, floor)
    drifted = sum(each.drifted for each in last)
    trust = Trust.TRUSTED if within >= MIN_WITHIN else Trust.OFF
    usual = float(np.mean([each.correction for each in last]))
    facts = (
        f"Estimates of {metric} were right in {within:.0%} of the last {n} final windows; the truth is "
        f"{abs(mean):.4g} {'above' if mean >= 0 else 'below'} them on average, net of the "
        f"{usual:+.4g} that it was in training."
    )
    reasons = [facts]
    if trust is Trust.OFF:
        reasons.append(f"They are switched off: fewer than {MIN_WITHIN:.0%} were right.")
    shown = drift_shown_by() if persistent else None
    accumulated = shown is not None and shown >= last[0].window
    concept = persistent and drifted <= MOST_DRIFTED * n and not accumulated
    if concept:
        reasons.append(
            f"The inputs look ordinary ({drifted} of {n} windows raised an alarm), so this is concept drift: the "
            "outcome depends on them in another way than in training."
        )
    elif persistent:
        reasons.append(
            f"The inputs have drifted ({drifted} of {n} windows raised an alarm"
            f"{', and evidence has accumulated' if accumulated else ''}): this is covariate shift that the estimates "
            "did not follow, or concept drift beside it."
        )
    return Audit(trust, n, within, mean, mean - Z * error, mean + Z * error, concept, tuple(reasons))


def _usable(point: Audited) -> bool:
    return all(map(math.isfinite, (point.estimate, point.estimate_error, point.truth, point.truth_error)))


def _error_of_mean(
    gaps: "np.ndarray[tuple[int], np.dtype[np.float64]]", errors: "np.ndarray[tuple[int], np.dtype[np.float64]]"
) -> float:
    """From the observed scatter and its correlation at lag 1, or from the windows' own errors, whichever is larger."""
    n = len(gaps)
    centred = gaps - gaps.mean()
    variance = centred @ centred / (n - 1)
    covariance = centred[1:] @ centred[:-1] / (n - 1)
    observed = max(variance + covariance, variance) / n  # Bartlett weight 1/2, twice
    known = float(errors @ errors) / n**2
    return math.sqrt(max(observed, known))
