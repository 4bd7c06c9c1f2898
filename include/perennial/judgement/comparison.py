"""What a comparison of two models found: the difference, and how certain it is."""

import math
from dataclasses import dataclass, replace

from scipy import stats

from perennial.judgement.rows import Unit, Units

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """By how much the challenger is better than the champion, on the same rows.

    `gain` is positive when the challenger is better, whatever the metric's direction, in the metric's unit, as are
    `standard_error`, `low` and `high`, the ends of its interval with probability `confidence`. `p_value` is one-sided:
    how often a challenger that is no better would look at least so much better. `unit` says what counted as
    independent; `windows` is the number of windows, or of days where `group` is the day; `method` is how the standard
    error was found, for people.
    """

    metric: str
    champion: float
    challenger: float
    gain: float
    standard_error: float
    degrees_of_freedom: float
    low: float
    high: float
    confidence: float
    p_value: float
    rows: int
    windows: int
    unit: Unit
    group: Unit
    method: str

    def at(self, confidence: float) -> "Comparison":
        """The same with an interval of another confidence, between 0 and 1."""
        reach = self.standard_error * float(stats.t.ppf((1 + confidence) / 2, self.degrees_of_freedom))
        return replace(self, confidence=confidence, low=self.gain - reach, high=self.gain + reach)

    def p_below(self, gain: float) -> float:
        """One-sided p-value against "the true gain is at least this": small when it is surely less."""
        if not self.standard_error:
            return float(self.gain >= gain)
        return float(stats.t.cdf((self.gain - gain) / self.standard_error, self.degrees_of_freedom))

    def p_above(self, gain: float) -> float:
        """One-sided p-value against "the true gain is at most this": small when it is surely more."""
        if not self.standard_error:
            return float(self.gain <= gain)
        return float(stats.t.sf((self.gain - gain) / self.standard_error, self.degrees_of_freedom))


def comparison_of(
    metric: str,
    values: tuple[float, float],
    gain: float,
    standard_error: float,
    units: Units,
    rows: int,
    method: str,
) -> Comparison:
    """The comparison whose gain has that standard error; `values` are champion's and challenger's.

    The interval and the p-value are Student's, with the units' degrees of freedom, because the standard error is
    itself an estimate from so few units (Cameron, Gelbach and Miller, 2008, Review of Economics and Statistics 90).
    """
    if not math.isfinite(gain) or not math.isfinite(standard_error):
        raise ValueError(
            f"the gain in {metric} is {gain} with the standard error {standard_error}, which tells nothing"
        )
    bare = Comparison(
        metric=metric,
        champion=values[0],
        challenger=values[1],
        gain=gain,
        standard_error=standard_error,
        degrees_of_freedom=units.degrees_of_freedom,
        low=gain,
        high=gain,
        confidence=CONFIDENCE,
        p_value=1.0,
        rows=rows,
        windows=units.windows,
        unit=units.unit,
        group=units.group,
        method=method,
    )
    return replace(bare.at(CONFIDENCE), p_value=bare.p_above(0.0))
