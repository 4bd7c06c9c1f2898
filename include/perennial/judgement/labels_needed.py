"""How many labelled rows would probably be enough to notice a difference."""

import math
from dataclasses import dataclass

from scipy import stats

from perennial.judgement.comparison import Comparison
from perennial.judgement.rows import Unit

# Planned for a little more than the four in five that are promised: real windows are less even than the theory's, so
# that the first standard error is less certain. tests/bench/promotion_errors.py shows what comes of it.
POWER = 0.85
MANY_DEGREES = 300  # of freedom: beyond, Student's distribution is the normal one to within half a per cent
FEWEST_WINDOWS, FEWEST_ROWS = 5.0, 10.0  # a plan for fewer would hang on how alike they are
MOST_ERRORS = 1e6  # an effect that is smaller than so small a part of the standard error is never found
CLOSE, ROUNDS = 1e-4, 40


@dataclass(frozen=True)
class Needed:
    """So many labelled rows, in so many windows like those at hand."""

    labels: int
    windows: int

    def beyond(self, comparison: Comparison) -> bool:
        """Whether it is more than what was compared."""
        return self.labels > comparison.rows


def labels_needed(comparison: Comparison, effect: float, power: float = POWER) -> Needed:
    """The rows with which a true difference of `effect` > 0, in the metric's unit, is noticed with that probability.

    Noticed means: the interval, at the comparison's confidence, lies wholly on one side. The squared standard error
    falls with the number of windows, or of rows where rows are the unit. It is itself only estimated, from so many
    degrees of freedom, and a plan that took it for the truth would find less than it promises; so the factor is the
    quantile of the noncentral t-distribution (Julious and Owen, 2006, Pharmaceutical Statistics 5). More rows in the
    same windows are no substitute for more windows, hence both numbers.
    """
    if effect <= 0:
        raise ValueError(f"a difference to be noticed is positive, not {effect}")
    by_window = comparison.unit is not Unit.ROW
    have = comparison.windows if by_window else comparison.rows
    fewest = FEWEST_WINDOWS if by_window else FEWEST_ROWS
    errors = min(comparison.standard_error / effect, MOST_ERRORS)
    need = float(have)
    for _ in range(ROUNDS):
        before = math.log(need)
        freedom = max(FEWEST_WINDOWS - 1, comparison.degrees_of_freedom * need / have)
        found = max(fewest, have * (errors * _factor(comparison, freedom, power)) ** 2)
        need = math.exp(0.2 * before + 0.8 * math.log(found))  # the whole way would swing about the answer
        if abs(math.log(need) - before) < CLOSE:
            break
    units = math.ceil(need * (1 - CLOSE))
    return Needed(-(-units * comparison.rows // have), -(-units * comparison.windows // have))


def _factor(comparison: Comparison, freedom: float, power: float) -> float:
    """So many standard errors must the effect be away from 0."""
    border = float(stats.t.ppf((1 + comparison.confidence) / 2, freedom))
    if comparison.degrees_of_freedom > MANY_DEGREES:
        return border + float(stats.norm.ppf(power))
    return float(stats.nct.ppf(power, comparison.degrees_of_freedom, border))
