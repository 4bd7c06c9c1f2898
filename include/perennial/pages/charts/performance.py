"""The deciding metric of windows, with its intervals, beside what was expected of the model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from markupsafe import Markup, escape

from perennial.pages.charts import axis
from perennial.pages.charts.axis import Scale
from perennial.pages.charts.svg import linked, svg
from perennial.pages.charts.windows import Address, labels_word
from perennial.pages.words import number, performance_word, window_label
from perennial.performance.gain import metric_named
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.review.timeline import Timeline, WindowState
from perennial.spec.models import UseCase
from perennial.wording import counted

LEFT, TOP, TALL = 84, 20, 200
WIDE, NARROWEST, WIDEST = 960, 2.6, 22.0
EXTREMES = (0.05, 0.95)


def performance(data: Timeline, spec: UseCase, address: Address) -> Markup:
    """The deciding metric by window; nothing where no window was measured or estimated.

    Filled points are final. Hollow ones, on a shaded ground, may still move. Where there are no labels, a dash is what
    the predictions alone let expect. The line is what the model had on its holdout, the dashed line below it the loss
    that calls for retraining; a vertical line is where another model took over.
    """
    windows = data.windows
    if not any(each.value is not None or each.estimate is not None for each in windows):
        return Markup("")
    plot = _Plot.of(data, spec)
    drawn = [*_ground(plot), *_axes(plot, spec), *_expected(plot, spec), *_models(plot)]
    intervals: list[str] = []
    estimates: list[str] = []
    points = []
    for position, each in enumerate(windows):
        x = plot.x(position + 0.5)
        if each.value is not None:
            intervals += _interval(plot, x, each.low, each.high)
            points.append(_point(plot, x, each, data.metric, address, spec))
        elif each.estimate is not None:
            estimates += _interval(plot, x, each.estimate_low, each.estimate_high)
            points.append(_estimate(plot, x, each, data.metric, address, spec))
    width = min(max(plot.step * 0.5, 1.0), 3.0)
    for name, bars in (("interval", intervals), ("interval estimated", estimates)):
        if bars:
            drawn.append(f'<path class="{name}" stroke-width="{width:.1f}" d="{"".join(bars)}"/>')
    return svg("performance", plot.right + 6, TOP + TALL + 20, _said(data), "".join(drawn + points))


@dataclass(frozen=True)
class _Plot:
    windows: Sequence[WindowState]
    step: float
    y: Scale

    @classmethod
    def of(cls, data: Timeline, spec: UseCase) -> "_Plot":
        """Room for all values; of the ends of intervals, for all but the most extreme twentieth."""
        low, high = _range(data, spec)
        margin = (high - low or abs(high) or 1.0) * 0.06
        step = min(max(WIDE / len(data.windows), NARROWEST), WIDEST)
        return cls(data.windows, step, Scale(low - margin, high + margin, TOP + TALL, TOP))

    @property
    def right(self) -> float:
        return LEFT + self.step * len(self.windows)

    def x(self, position: float) -> float:
        return LEFT + self.step * position


def _range(data: Timeline, spec: UseCase) -> tuple[float, float]:
    values = [v for each in data.windows for v in (each.value, each.expected) if v is not None]
    values += [each.estimate for each in data.windows if each.value is None and each.estimate is not None]
    values += [_allowed(each.expected, spec) for each in data.windows if each.expected is not None]
    ends = [v for each in data.windows for v in (each.low, each.high) if v is not None]
    if ends:
        values += [float(each) for each in np.quantile(ends, EXTREMES)]
    return min(values), max(values)


def _allowed(expected: float, spec: UseCase) -> float:
    """The value from which on the loss calls for retraining; `expected` itself where none does."""
    most = spec.monitoring.max_metric_loss or 0.0
    return expected - most if metric_named(spec.training.metric).higher_is_better else expected + most


def _runs(flags: Sequence[object]) -> Iterator[tuple[int, int, object]]:
    """Start, end and value of stretches of equal values."""
    at = 0
    for value, found in groupby(flags):
        count = sum(1 for _ in found)
        yield at, at + count, value
        at += count


def _ground(plot: _Plot) -> Iterator[str]:
    """A shade behind windows whose truth is not final."""
    open_ones = [
        each.maturity not in (None, Maturity.FINAL) and (each.value is not None or each.estimate is not None)
        for each in plot.windows
    ]
    for start, end, is_open in _runs(open_ones):
        if is_open:
            x, width = plot.x(start), plot.step * (end - start)
            title = f"{counted(end - start, 'window')}: labels are still coming"
            yield (
                f'<g><title>{title}</title><rect class="open" x="{x:.1f}" y="{TOP}" width="{width:.1f}" '
                f'height="{TALL}"/></g>'
            )


def _axes(plot: _Plot, spec: UseCase) -> Iterator[str]:
    for tick in axis.ticks(plot.y.low, plot.y.high):
        y = plot.y(tick)
        yield (
            f'<line class="grid" x1="{LEFT}" x2="{plot.right:.0f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{number(tick)}</text>'
            f'<text class="right" x="{plot.right:.0f}" y="{y - 3:.1f}" text-anchor="end">{number(tick)}</text>'
        )
    start, end = plot.windows[0].window.start, plot.windows[-1].window.end
    along = axis.time_scale(start, end, LEFT, plot.right)
    zone = spec.schedule.timezone
    found = axis.dates(start, end, zone, plot.right - LEFT)
    yield axis.written([(along(at.timestamp()), text) for at, text in found], TOP + TALL + 15, plot.right)


def _expected(plot: _Plot, spec: UseCase) -> Iterator[str]:
    """What each model had on its holdout, and how much less calls for retraining, over the windows that it scored."""
    for start, end, expected in _runs([each.expected for each in plot.windows]):
        if not isinstance(expected, float):
            continue
        levels = [("expected", expected)]
        if spec.monitoring.max_metric_loss is not None:
            levels.append(("allowed", _allowed(expected, spec)))
        for name, level in levels:
            y = plot.y(level)
            yield f'<line class="{name}" x1="{plot.x(start):.1f}" x2="{plot.x(end):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'


def _models(plot: _Plot) -> Iterator[str]:
    """A line where another model took over, with its version where there is room until the next one did."""
    changes: list[tuple[float, str]] = []
    for start, _, version in _runs([each.model_version for each in plot.windows]):
        if version and (not changes or version != changes[-1][1]):
            changes.append((plot.x(start), str(version)))
    ends = [*(x for x, _ in changes[1:]), math.inf]
    for (x, version), end in zip(changes, ends, strict=True):
        label = f"v{version}"
        yield f'<line class="change" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{TOP + TALL}"/>'
        if x + 7 * len(label) + 8 <= end:
            yield f'<text x="{x + 3:.1f}" y="{TOP - 8}">{escape(label)}</text>'


def _interval(plot: _Plot, x: float, low: float | None, high: float | None) -> Iterator[str]:
    if low is not None and high is not None:
        yield f"M{x:.1f},{plot.y(high):.1f}V{plot.y(low):.1f}"


def _point(plot: _Plot, x: float, each: WindowState, metric: str, address: Address, spec: UseCase) -> str:
    assert each.value is not None
    said = (
        f"{window_label(each.window, spec.schedule.timezone)}: {metric} {number(each.value)} ({number(each.low)} to "
        f"{number(each.high)}), {performance_word(each.standing, each.value)}, labels {labels_word(each)}"
    )
    kind = "final" if each.maturity is Maturity.FINAL else "partial"
    radius = min(max(plot.step * 0.4, 1.6), 3.5)
    circle = f'<circle class="{kind}" cx="{x:.1f}" cy="{plot.y(each.value):.1f}" r="{radius:.1f}"/>'
    return linked(address(each), said, circle)


def _estimate(plot: _Plot, x: float, each: WindowState, metric: str, address: Address, spec: UseCase) -> str:
    assert each.estimate is not None
    said = (
        f"{window_label(each.window, spec.schedule.timezone)}: {metric} estimated from the predictions alone as "
        f"{number(each.estimate)} ({number(each.estimate_low)} to {number(each.estimate_high)}); no labels yet"
    )
    half, y = min(max(plot.step * 0.4, 1.5), 4.0), plot.y(each.estimate)
    return linked(address(each), said, f'<path class="estimate" d="M{x - half:.1f},{y:.1f}h{2 * half:.1f}"/>')


def _said(data: Timeline) -> str:
    values = [each.value for each in data.windows if each.value is not None]
    final = sum(each.maturity is Maturity.FINAL for each in data.windows)
    estimated = sum(each.value is None and each.estimate is not None for each in data.windows)
    worse = sum(each.standing in (Standing.WORSE, Standing.FAR_WORSE) for each in data.windows)
    if not values:
        return f"{data.metric}, estimated for {counted(estimated, 'window')}; none is measured yet"
    return (
        f"{data.metric} of {counted(len(values), 'window')}, {final} of them final, from {number(min(values))} to "
        f"{number(max(values))}; {worse} worse than expected; {estimated} more are estimated"
    )
