"""The predictions of a window, of the window before and of the model's reference."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from perennial.pages.charts import axis
from perennial.pages.charts.bar_axis import interval_end
from perennial.pages.charts.svg import svg
from perennial.pages.words import share
from perennial.review.prediction_spread import PredictionBar, PredictionSpread

LEFT, WIDTH, TOP, HEIGHT, MARGIN = 44.0, 640.0, 16.0, 150.0, 34.0


def prediction_chart(found: PredictionSpread) -> Markup:
    """Bars for the window, an outline for the reference, and a stroke across each bar for the window before."""
    bars = found.bars
    highest = max(max(bar.reference, bar.window, bar.before or 0.0) for bar in bars) or 1.0
    each = WIDTH / len(bars)

    def level(value: float) -> float:
        return TOP + HEIGHT - HEIGHT * value / highest

    drawn = [
        f'<path class="grid" d="M{LEFT:.0f} {level(tick):.1f}h{WIDTH:.0f}"/>'
        f'<text x="{LEFT - 6:.0f}" y="{level(tick) + 4:.1f}" text-anchor="end">{share(tick)}</text>'
        for tick in axis.ticks(0.0, highest)
    ]
    foot = TOP + HEIGHT
    drawn.append('<text x="0" y="10">Share of the rows</text>')
    drawn.append(f'<text x="{LEFT + WIDTH / 2:.0f}" y="{foot + 30:.0f}" text-anchor="middle">Prediction</text>')
    outline = []
    for position, bar in enumerate(bars):
        x = LEFT + position * each
        drawn.append(
            f'<rect class="now" x="{x + 3:.1f}" y="{level(bar.window):.1f}" width="{each - 6:.1f}" '
            f'height="{foot - level(bar.window):.1f}"><title>{escape(_said(bar))}</title></rect>'
        )
        if bar.before is not None:
            drawn.append(f'<path class="before" d="M{x + 3:.1f} {level(bar.before):.1f}h{each - 6:.1f}"/>')
        outline.append(f"{x:.1f},{level(bar.reference):.1f} {x + each:.1f},{level(bar.reference):.1f}")
        if position + 1 < len(bars):
            edge = escape(interval_end(bar.label))
            drawn.append(f'<text x="{x + each:.1f}" y="{foot + 14:.0f}" text-anchor="middle">{edge}</text>')
    line = f'<polyline class="was" points="{" ".join(outline)}"/>'
    said = f"Predictions, as shares of the rows. Furthest from the reference: {_furthest(bars)}. The table has all."
    return svg("predictions", LEFT + WIDTH, TOP + HEIGHT + MARGIN, said, "".join(drawn) + line)


def _furthest(bars: Sequence[PredictionBar]) -> str:
    """The bar that differs most from the reference, in words."""
    return _said(max(bars, key=lambda bar: abs(bar.window - bar.reference)))


def _said(bar: PredictionBar) -> str:
    before = "" if bar.before is None else f", the window before {share(bar.before)}"
    return f"{bar.label}: this window {share(bar.window)}{before}, reference {share(bar.reference)}"
