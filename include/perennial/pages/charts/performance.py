"""The deciding metric of windows, with its intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from perennial.pages.charts.svg import linked, svg
from perennial.pages.charts.windows import Address, labels_word
from perennial.pages.words import number, window_name
from perennial.performance.maturity import Maturity
from perennial.review.timeline import WindowState


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    height: float

    def y(self, value: float) -> float:
        return self.height * (1 - (value - self.low) / (self.high - self.low))


def performance(windows: Sequence[WindowState], metric: str, address: Address) -> Markup:
    """The deciding metric by window with its 95% interval; hollow points are not final."""
    known = [(position, each) for position, each in enumerate(windows) if each.value is not None]
    values = [v for _, each in known for v in (each.value, each.low, each.high) if v is not None]
    if not values:
        return Markup("")
    low, high = min(values), max(values)
    margin = (high - low or abs(high) or 1.0) * 0.08
    scale = _Scale(low - margin, high + margin, 160)
    step = min(18.0, max(5.0, 900 / len(windows)))
    drawn = []
    for tick in (low, (low + high) / 2, high):
        y = scale.y(tick)
        drawn.append(
            f'<line class="grid" x1="46" x2="{50 + step * len(windows):.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="42" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    for position, each in known:
        x = 50 + step * (position + 0.5)
        if each.low is not None and each.high is not None:
            top, bottom = scale.y(each.high), scale.y(each.low)
            drawn.append(f'<line class="interval" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{bottom:.1f}"/>')
        assert each.value is not None
        said = f"{window_name(each.window)}: {metric} {number(each.value)} ({number(each.low)} to {number(each.high)})"
        kind = "final" if each.maturity is Maturity.FINAL else "partial"
        circle = f'<circle class="{kind}" cx="{x:.1f}" cy="{scale.y(each.value):.1f}" r="3.5"/>'
        drawn.append(linked(address(each), f"{said}, {labels_word(each)}", circle))
    said = f"{metric} of {len(known)} windows, from {number(low)} to {number(high)}"
    return svg("performance", 52 + step * len(windows), 162, said, "".join(drawn))
