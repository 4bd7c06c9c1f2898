"""What was expected of predictions before their labels came, beside what the labels said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from perennial.ledger.entries import Performance
from perennial.pages.charts import axis
from perennial.pages.charts.svg import svg
from perennial.pages.words import number
from perennial.performance.maturity import Maturity

HEIGHT, LABELS, LEFT, NARROW, WIDE = 170.0, 20.0, 50.0, 14.0, 150.0
HALF_LETTER = 3.1
APART = 0.16  # of a step, to each side: the estimate stands left of the truth


@dataclass(frozen=True)
class Point:
    """A value with its 95% interval, where it has one."""

    value: float
    low: float | None
    high: float | None

    @property
    def ends(self) -> tuple[float, float]:
        """The interval; the value itself twice, where there is none."""
        return (
            self.value if self.low is None else self.low,
            self.value if self.high is None else self.high,
        )


def measured_point(entry: Performance, metric: str) -> Point | None:
    """What the labels said of the metric."""
    if metric not in entry.metrics:
        return None
    return _point({"value": entry.metrics[metric], **(entry.intervals.get(metric) or {})})


def estimated_point(entry: Performance, metric: str) -> Point | None:
    """What the predictions alone let one expect of the metric."""
    return _point(entry.estimates.get(metric) or {})


def _point(said: dict[str, Any]) -> Point | None:
    value = said.get("value")
    return None if value is None else Point(value, said.get("low"), said.get("high"))


def estimates_chart(entries: Sequence[Performance], names: Sequence[str], labels: Sequence[str], metric: str) -> Markup:
    """The deciding metric by entry, from left to right: hollow squares are estimates, points are by labels.

    A point is filled where the window is final. Nothing is drawn without a value. `names` are those of the entries in
    words, `labels` what stands below them; one that would run into its neighbour is left out.
    """
    pairs = [(estimated_point(entry, metric), measured_point(entry, metric)) for entry in entries]
    known = [point for pair in pairs for point in pair if point is not None]
    if not known:
        return Markup("")
    low, high = min(point.ends[0] for point in known), max(point.ends[1] for point in known)
    margin = (high - low or abs(high) or 1.0) * 0.08
    bottom, top = low - margin, high + margin

    def y(value: float) -> float:
        return HEIGHT * (1 - (value - bottom) / (top - bottom))

    step = min(WIDE, max(NARROW, 700 / len(entries)))
    drawn = [
        f'<path class="grid" d="M46 {y(tick):.1f}h{step * len(entries) + 4:.0f}"/>'
        f'<text x="42" y="{y(tick) + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        for tick in axis.ticks(bottom, top)
    ]
    right = LEFT + step * len(entries) + 2
    along = [
        (LEFT + step * (position + 0.5) - min(HALF_LETTER * len(label), 2 * APART * step), label)
        for position, label in enumerate(labels)
    ]
    drawn.append(axis.written(along, HEIGHT + 15, right))
    for position, (entry, name, (estimate, truth)) in enumerate(zip(entries, names, pairs, strict=True)):
        middle = LEFT + step * (position + 0.5)
        inside = ""
        if estimate is not None:
            x = middle - APART * step
            inside += _interval("expected", x, y(estimate.ends[0]), y(estimate.ends[1]))
            inside += f'<rect class="expected" x="{x - 3:.1f}" y="{y(estimate.value) - 3:.1f}" width="6" height="6"/>'
        if truth is not None:
            x = middle + APART * step
            kind = "final" if entry.maturity is Maturity.FINAL else "partial"
            inside += _interval("interval", x, y(truth.ends[0]), y(truth.ends[1]))
            inside += f'<circle class="{kind}" cx="{x:.1f}" cy="{y(truth.value):.1f}" r="3.5"/>'
        drawn.append(f"<g><title>{escape(_said(name, metric, estimate, truth))}</title>{inside}</g>")
    last_name, (estimate, truth) = names[-1], pairs[-1]
    said = f"{_said(last_name, metric, estimate, truth)}. It is the last of {len(entries)}; the table has all."
    return svg("estimates", right, HEIGHT + LABELS, said, "".join(drawn))


def _interval(kind: str, x: float, low: float, high: float) -> str:
    return f'<path class="{kind}" d="M{x:.1f} {high:.1f}V{low:.1f}"/>'


def _said(name: str, metric: str, estimate: Point | None, truth: Point | None) -> str:
    return f"{name}: {metric} expected {described(estimate)}, measured {described(truth)}"


def described(point: Point | None) -> str:
    """A value with its interval.

    >>> described(Point(0.7123, 0.65, 0.76)), described(None)
    ('0.712 (0.65 to 0.76)', 'nothing')
    """
    if point is None:
        return "nothing"
    interval = "" if point.low is None or point.high is None else f" ({number(point.low)} to {number(point.high)})"
    return f"{number(point.value)}{interval}"
