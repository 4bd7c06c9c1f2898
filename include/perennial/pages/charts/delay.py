"""How the labels of a window come: the share of its rows that are settled, by age."""

from markupsafe import Markup

from perennial.pages.charts.axis import Scale
from perennial.pages.charts.svg import svg
from perennial.pages.words import duration, share
from perennial.review.label_delay import LabelDelay

LEFT, TOP, WIDE, TALL, MOST_LABELS = 84, 10, 560, 160, 5


def delay_curve(delay: LabelDelay) -> Markup:
    """The median over windows as a line, the range of 90% of them as a band; nothing where too few are final."""
    if not delay.ages:
        return Markup("")
    x, y = Scale(0, delay.ages[-1], LEFT, LEFT + WIDE), Scale(0, 1, TOP + TALL, TOP)
    drawn = []
    for level in (0, 0.25, 0.5, 0.75, 1):
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{100 * level:.0f}%</text>'
        )
    there = [f"{x(age):.1f},{y(value):.1f}" for age, value in zip(delay.ages, delay.high, strict=True)]
    back = [f"{x(age):.1f},{y(value):.1f}" for age, value in zip(delay.ages, delay.low, strict=True)]
    drawn.append(f'<polygon class="band" points="{" ".join([*there, *reversed(back)])}"/>')
    middle = [f"{x(age):.1f},{y(value):.1f}" for age, value in zip(delay.ages, delay.median, strict=True)]
    drawn.append(f'<polyline class="median" points="{" ".join(middle)}"/>')
    last = len(delay.ages) - 1
    for at in range(0, last + 1, last // (MOST_LABELS - 1)):
        anchor = "start" if at == 0 else "end" if at == last else "middle"
        text = "window's end" if at == 0 else f"{duration(delay.ages[at])} later"
        drawn.append(f'<text x="{x(delay.ages[at]):.1f}" y="{TOP + TALL + 16}" text-anchor="{anchor}">{text}</text>')
    said = (
        f"Share of rows whose label is settled, by age: {share(delay.median[0])} at the window's end, "
        f"{share(delay.median[-1])} after {duration(delay.ages[-1])} (median of {delay.windows} windows)"
    )
    return svg("delay", LEFT + WIDE + 6, TOP + TALL + 22, said, "".join(drawn))
