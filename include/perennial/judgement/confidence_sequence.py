"""Intervals for a mean that all hold at once, so that looking after every window is allowed.

An ordinary 95% interval is wrong 1 time in 20 at each look, and sooner or later at one of many. Of confidence
sequences, 1 in 20 at most is ever wrong, however often one looks. The one here has four parts:

- The mean is that of all rows, and the unit of evidence is the window: its rows share the day's weather and are no
  separate samples. Each window adds `rows x (gain - mean)`. Where one window outweighs all others, the interval is
  wide.
- The anytime-valid t-test: a Gaussian mixture over the standardised mean, with a right Haar mixture over the unknown
  spread (Wang and Ramdas, 2023, arXiv 2310.03722; Lindon et al., 2022, arXiv 2210.08589). For independent, normal
  windows of one size it holds exactly, however few they are. Asymptotic confidence sequences (Waudby-Smith et al.,
  2024, Annals of Statistics 52, arXiv 2103.06476) hold for many windows only. Sequences for bounded values
  (Waudby-Smith and Ramdas, 2023, arXiv 2010.09686) need a bound, which log loss and MAE don't have, and much longer
  where gains are small against the bound.
- Skewed windows: the critical value is moved by Hall's transformation of the t-statistic (1992, JRSS B 54), where this
  makes the interval wider, never narrower.
- Windows that resemble the one before: the variance is enlarged by (1 + a) / (1 - a), as for a first-order
  autoregression. `a` is the autocorrelation that was found, corrected for its bias (Marriott and Pope, 1954, Biometrika
  41), and enlarged by `CAUTION` standard errors, because few windows can't show it well.

The last two are approximations. `tests/bench/shadow_errors.py` measures how often all of it is wrong in small, skewed,
heavy-tailed and autocorrelated samples. What must be so:

- The mean gain does not change from window to window. Where it changes with the season, a shadow of one season is
  right about that season only.
- Windows resemble each other no more than an autocorrelation of about 0.6 with the one before would make them.
- No rare kind of window decides the mean. If a challenger is a little better on nine days of ten, and far worse on the
  tenth, then no method can know before it has seen such days, and this one, too, is wrong too often. There is no
  guarantee for every distribution: without a bound there can't be any (Bahadur and Savage, 1956, Annals of Mathematical
  Statistics 27).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats

CAUTION = 1.25
MOST_ALIKE = 0.95


@dataclass(frozen=True)
class Tuning:
    """When a confidence sequence is at its best. It holds with any tuning.

    `mixture` is how many windows the mixture's idea of an effect is worth: small for large effects that show soon. The
    interval is tightest after about eight times as many windows. `fewest` is how many it takes before there is an
    interval: skew and autocorrelation can't be seen in fewer.
    """

    mixture: float
    fewest: int


_FAR = -0.5
PATIENT = Tuning(mixture=8.0, fewest=10)
PROMPT = Tuning(mixture=3.0, fewest=7)


@dataclass(frozen=True)
class ConfidenceSequence:
    """What is known after each window, in order: arrays of shape (windows,).

    `mean` weighs windows by their rows. `low` and `high` are the interval of that look alone, infinite while there is
    none; `autocorrelation` is the one that was found, corrected for its bias, 0 where it is negative.
    """

    mean: Floats
    low: Floats
    high: Floats
    autocorrelation: Floats

    @property
    def lower(self) -> Floats:
        """The highest lower end so far: where all intervals hold, so does their intersection."""
        return np.maximum.accumulate(self.low)

    @property
    def upper(self) -> Floats:
        """The lowest upper end so far."""
        return np.minimum.accumulate(self.high)


def confidence_sequence(
    gains: Sequence[float], rows: Sequence[int], alpha: float, tuning: Tuning = PATIENT
) -> ConfidenceSequence:
    """The confidence sequence of the mean over all rows, at the two-sided level `alpha`.

    `gains` are the finite means of windows in the order in which they became known, `rows` how many rows each is a mean
    of, at least 1.
    """
    x, w = np.asarray(gains, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    if not len(x):
        return ConfidenceSequence(x, x, x, x)
    # Only for the arithmetic: sums of powers stay exact when they are near 1 and around 0. Neither number changes how
    # earlier looks are rounded: the first window stays the first, and a power of two rounds nothing.
    centre = float(x[0])
    unit = 2.0 ** math.frexp(float(np.abs(x - centre).max()))[1]
    sums = _Sums.of((x - centre) / unit, w)
    n = np.arange(1.0, len(x) + 1)
    alike = _autocorrelation(sums, n)
    inflation = _inflation(alike, n)
    critical = critical_values(n, alpha, inflation, tuning)
    below, above = _skewed(critical, sums.skewness, n)
    low, high = sums.mean + _reach(sums, n, below, -1), sums.mean + _reach(sums, n, above, 1)
    return ConfidenceSequence(centre + unit * sums.mean, centre + unit * low, centre + unit * high, alike)


def windows_needed(effect: float, alpha: float, alike: float, most: int) -> int | None:
    """After how many windows an effect is about to be seen; None for more than `most`.

    `effect` is the distance of the mean from what it is to be told apart from, in standard deviations of a window;
    `alike` the autocorrelation. Half of all samples take less, half take more.

    >>> windows_needed(0.5, 0.05, 0.0, 1_000)
    56
    """
    n = np.arange(1.0, most + 1)
    inflation = _inflation(np.full(len(n), alike), n)
    enough = np.sqrt(n) * abs(effect) > critical_values(n, alpha, inflation, PATIENT)
    return int(enough.argmax()) + 1 if enough.any() else None


def critical_values(n: Floats, alpha: float, inflation: Floats, tuning: Tuning) -> Floats:
    """How large the t-statistic of the first `n` windows must be; infinite where no value is enough.

    With M the mixture and T² = (n-1) r / (1-r), the e-process is (M / (n+M))^(1/2) (1 - r n / (n+M))^(-n/2). It reaches
    1 / alpha in a share `alpha` of samples at most (Ville, 1939, Étude critique de la notion de collectif).
    """
    m = tuning.mixture
    share = (n + m) / n * -np.expm1(2 / n * (math.log(alpha) + 0.5 * np.log(m / (n + m))))
    possible = (share < 1) & (n >= tuning.fewest)
    odds = np.divide(share, 1 - share, out=np.zeros(len(n)), where=possible)
    return np.where(possible, np.sqrt((n - 1) * odds * inflation), np.inf)


@dataclass(frozen=True)
class _Sums:
    """Moments of the first n windows, n = 1, 2, …, around the mean of each; y = weight x (value - mean)."""

    mean: Floats
    weight: Floats
    weights_squared: Floats
    squares: Floats  # sum of y²
    crossed: Floats  # sum of y x weight
    skewness: Floats
    products: Floats  # sum of y x the y before

    @classmethod
    def of(cls, x: Floats, w: Floats) -> "_Sums":
        def total(values: Floats) -> Floats:
            return np.cumsum(values)

        def pairs(values: Floats) -> Floats:
            return np.concatenate([[0.0], np.cumsum(values)])

        n, weight = np.arange(1.0, len(x) + 1), total(w)
        mean = total(w * x) / weight
        q0, q1, q2 = total(w**2), total(w**2 * x), total(w**2 * x**2)
        squares = np.maximum(q2 - 2 * mean * q1 + mean**2 * q0, 0.0)
        c0, c1, c2, c3 = (total(w**3 * x**k) for k in range(4))
        cubes = c3 - 3 * mean * c2 + 3 * mean**2 * c1 - mean**3 * c0
        skewness = np.divide(cubes / n, (squares / n) ** 1.5, out=np.zeros(len(x)), where=squares > 0)
        both, one, other = w[1:] * w[:-1], x[1:], x[:-1]
        products = pairs(both * one * other) - mean * pairs(both * (one + other)) + mean**2 * pairs(both)
        return cls(mean, weight, q0, squares, q1 - mean * q0, skewness, products)


def _autocorrelation(sums: _Sums, n: Floats) -> Floats:
    found = np.divide(sums.products, sums.squares, out=np.zeros(len(n)), where=sums.squares > 0)
    return np.clip(found + (1 + 3 * found) / n, 0.0, MOST_ALIKE)


def _inflation(alike: Floats, n: Floats) -> Floats:
    cautious = np.clip(alike + CAUTION / np.sqrt(n), 0.0, MOST_ALIKE)
    return (1 + cautious) / (1 - cautious)


def _skewed(critical: Floats, skewness: Floats, n: Floats) -> tuple[Floats, Floats]:
    """The critical values of the lower and the upper end, where skewed windows call for larger ones."""
    steep = skewness / np.sqrt(n)
    matters = (steep != 0) & np.isfinite(critical)
    steep = np.where(matters, steep, 1.0)

    def moved(t: Floats) -> Floats:
        """The t-statistic that Hall's transformation turns into `t`."""
        bent = steep * (np.where(matters, t, 0.0) - steep / 6)
        # The cube root of 1 + bent, less 1: the first form is exact where there is next to no skewness.
        root = np.where(bent > _FAR, np.expm1(np.log1p(np.maximum(bent, _FAR)) / 3), np.cbrt(1 + bent) - 1)
        return np.asarray(3 / steep * root)

    below, above = np.maximum(critical, moved(critical)), np.maximum(critical, -moved(-critical))
    return np.where(matters, below, critical), np.where(matters, above, critical)


def _reach(sums: _Sums, n: Floats, critical: Floats, side: int) -> Floats:
    """How far the interval's end lies from the mean (`side` -1: the lower, 1: the upper).

    The t-statistic of a mean m takes its spread around m, too, so the end is the root of a quadratic equation (Fieller,
    1954, JRSS B 16), and there is none while the largest windows weigh too much.
    """
    finite = np.isfinite(critical)
    odds = np.divide(np.where(finite, critical, 0.0) ** 2, n - 1, out=np.zeros(len(n)), where=n > 1)
    level = n * odds / (1 + odds)
    room = sums.weight**2 - level * sums.weights_squared
    known = finite & (room > 0)
    root = np.sqrt((level * sums.crossed) ** 2 + np.maximum(room, 0.0) * level * sums.squares)
    end = np.divide(side * root - level * sums.crossed, room, out=np.full(len(n), side * np.inf), where=known)
    return np.asarray(end, dtype=np.float64)
