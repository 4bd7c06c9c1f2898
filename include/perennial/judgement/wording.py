"""Comparisons in words: each difference says in which direction, and no number has more digits than it can bear."""

import math

from perennial.judgement.comparison import Comparison
from perennial.judgement.rows import Unit
from perennial.performance.gain import METRIC_TITLES
from perennial.wording import counted, percent

MOST_DECIMALS = 6


def number_text(value: float, standard_error: float) -> str:
    """The value with as many decimals as its standard error bears: two digits of that.

    >>> number_text(0.71234567, 0.0031), number_text(12345.6, 210.0), number_text(0.25, 0.0)
    ('0.7123', '12,346', '0.25')
    """
    if not standard_error:
        return f"{value:,.4g}"
    return f"{value:,.{min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(standard_error))))}f}"


def gain_text(gain: float, standard_error: float) -> str:
    """A gain as a length and a direction.

    >>> gain_text(0.0123, 0.004), gain_text(-0.0123, 0.004), gain_text(0.0, 0.004)
    ('0.0123 better', '0.0123 worse', '0.0000')
    """
    text = number_text(abs(gain), standard_error)
    return f"{text} {'better' if gain > 0 else 'worse'}" if float(text.replace(",", "")) else text


def interval_text(comparison: Comparison) -> str:
    """The interval of the gain, such as "95% interval: from 0.0021 to 0.0123 better"."""
    low, high = (gain_text(each, comparison.standard_error) for each in (comparison.low, comparison.high))
    (first, *one), (last, *other) = low.split(), high.split()
    if one and one == other:
        first, last = sorted((first, last), key=lambda text: float(text.replace(",", "")))
        return f"{percent(comparison.confidence)} interval: from {first} to {last} {one[0]}"
    return f"{percent(comparison.confidence)} interval: from {low} to {high}"


def where_text(comparison: Comparison) -> str:
    """The rows and windows that were compared."""
    return f"{counted(comparison.rows, 'labelled row')} of {counted(comparison.windows, comparison.group)}"


def facts_text(comparison: Comparison, challenger: str, champion: str) -> str:
    """One clause with both values, the difference and its interval."""
    title = METRIC_TITLES.get(comparison.metric, comparison.metric)
    value, other = (
        number_text(each, comparison.standard_error) for each in (comparison.challenger, comparison.champion)
    )
    return (
        f"{challenger} has {title} {value} and {champion} {other} on {where_text(comparison)}: "
        f"{gain_text(comparison.gain, comparison.standard_error)} ({interval_text(comparison)})"
    )


def caveats(comparison: Comparison) -> tuple[str, ...]:
    """What a reader must know about how certain the numbers are."""
    if comparison.unit is not Unit.ROW:
        return ()
    return (
        f"There are too few {comparison.group}s to see how much models differ from one to the next, so every row "
        f"counted as independent: this holds for these {comparison.group}s, and is less certain for others.",
    )
