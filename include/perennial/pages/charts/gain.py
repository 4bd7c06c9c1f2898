"""By how much a challenger is better: the interval of its gain, beside what was asked for."""

from markupsafe import Markup, escape

from perennial.pages.charts.svg import svg

WIDTH, LEFT, RIGHT, MIDDLE, HEIGHT = 320.0, 8.0, 312.0, 32.0, 88.0
LINES = 8.0  # pixels above and below the interval
ROOM = 0.08  # of the range, to either side
NEAR = 110.0  # pixels: labels that are nearer than that would cover each other
ROW = 14.0


def gain_chart(gain: float, low: float, high: float, min_gain: float, margin: float, said: str) -> Markup:
    """The interval with its estimate, on an axis that is better to the right. All values are in the metric's unit.

    Marked are no difference, the smallest gain of interest, and the loss that would not matter, unless they are 0.
    `said` is the text alternative.
    """
    ends = (low, high, 0.0, min_gain, -margin)
    span = (max(ends) - min(ends)) or 1.0
    first, last = min(ends) - ROOM * span, max(ends) + ROOM * span

    def x(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * (value - first) / (last - first)

    drawn = f'<path class="grid" d="M{LEFT:.0f} {MIDDLE:.0f}H{RIGHT:.0f}"/>'
    taken: list[float] = []
    marks = [(0.0, "equal"), (min_gain, f"{min_gain:g} asked for"), (-margin, f"{margin:g} would not matter")]
    for value, word in marks[:1] + [each for each in marks[1:] if each[0]]:
        at = x(value)
        kind = "level" if value else "was"
        drawn += f'<path class="{kind}" d="M{at:.1f} {MIDDLE - LINES:.0f}v{2 * LINES:.0f}"/>'
        row = MIDDLE + LINES + ROW * (1 + sum(abs(at - each) < NEAR for each in taken))
        taken.append(at)
        anchor = "start" if at < LEFT + NEAR else "end" if at > RIGHT - NEAR else "middle"
        drawn += f'<text x="{at:.1f}" y="{row:.0f}" text-anchor="{anchor}">{escape(word)}</text>'
    drawn += (
        f'<path class="interval" d="M{x(low):.1f} {MIDDLE:.0f}H{x(high):.1f}"/>'
        f'<circle class="final" cx="{x(gain):.1f}" cy="{MIDDLE:.0f}" r="4.5"/>'
        f'<text x="{LEFT:.0f}" y="12">← worse</text><text x="{RIGHT:.0f}" y="12" text-anchor="end">better →</text>'
    )
    return svg("gain", WIDTH, HEIGHT, said, drawn)
