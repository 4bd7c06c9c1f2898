"""How unusual a column was, window by window: a row of bars that is small enough to stand in every card."""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from perennial.pages.charts.bar_axis import LEFT
from perennial.pages.charts.svg import svg
from perennial.pages.words import p_value

WIDTH, HEIGHT, NOT_MEASURED = 220.0, 26.0, 1.0
BELOW = 14.0  # for the labels of the first and the last window
LEAST_HIGHEST = 2.0  # decades: a bar is full at p = 0.01, unless one is smaller still


def sparkline(name: str, values: Sequence[float | None], level: float, first: str = "") -> Markup:
    """The p-values of the last windows, oldest first: the smaller p, the taller the bar; the last is this window.

    The dashed line is the level, with its value. `first` says which window is the oldest. Nothing is drawn where no
    window before was measured.
    """
    if len([each for each in values if each is not None]) < 2:  # noqa: PLR2004 - one window is no history
        return Markup("")
    decades = [None if each is None else -math.log10(max(each, 1e-9)) for each in values]
    highest = max([LEAST_HIGHEST, -math.log10(level), *(each for each in decades if each is not None)])
    step = WIDTH / len(values)
    usual: list[str] = []
    beyond: list[str] = []
    for position, (value, decade) in enumerate(zip(values, decades, strict=True)):
        height = NOT_MEASURED if decade is None else max(HEIGHT * decade / highest, NOT_MEASURED)
        mark = f"M{LEFT + step * (position + 0.5):.1f} {HEIGHT:.0f}v-{height:.1f}"
        (beyond if value is not None and value <= level else usual).append(mark)
    y = HEIGHT * (1 + math.log10(level) / highest)
    drawn = (
        f'<path class="past" d="{"".join(usual)}"/><path class="past beyond" d="{"".join(beyond)}"/>'
        f'<path class="level" d="M{LEFT:.0f} {y:.1f}h{WIDTH:.0f}"/>'
        f'<text x="{LEFT - 4:.0f}" y="{min(max(y + 4, 9), HEIGHT):.1f}" text-anchor="end">{level:.2g}</text>'
    )
    if first:
        y = HEIGHT + BELOW - 2
        drawn += f'<text x="{LEFT:.0f}" y="{y:.0f}">{escape(first)}</text>'
        drawn += f'<text x="{LEFT + WIDTH:.0f}" y="{y:.0f}" text-anchor="end">this window</text>'
    height = HEIGHT + BELOW if first else HEIGHT
    return svg("sparkline", LEFT + WIDTH, height, f"{name}: {told(values, level)}", drawn)


def told(values: Sequence[float | None], level: float) -> str:
    """The same in words: how often it was beyond the level, and the smallest p.

    >>> told([0.4, None, 0.01], 0.03)
    'p was at or below the level in 1 of 2 windows; the smallest was 0.010, the last is 0.010'
    """
    known = [each for each in values if each is not None]
    if not known:
        return "not measured in any window"
    beyond = sum(each <= level for each in known)
    last = "not measured" if values[-1] is None else p_value(values[-1])
    return (
        f"p was at or below the level in {beyond} of {len(known)} windows; the smallest was {p_value(min(known))}, "
        f"the last is {last}"
    )
