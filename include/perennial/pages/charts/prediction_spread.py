"""The predictions of a window, of the window before and of the model's reference."""

from markupsafe import Markup, escape

from perennial.pages.charts.svg import svg
from perennial.pages.words import share
from perennial.review.prediction_spread import PredictionBar, PredictionSpread

WIDTH, HEIGHT, MARGIN = 640.0, 150.0, 18.0


def prediction_chart(found: PredictionSpread) -> Markup:
    """Bars for the window, an outline for the reference, and a stroke across each bar for the window before."""
    bars = found.bars
    highest = max(max(bar.reference, bar.window, bar.before or 0.0) for bar in bars) or 1.0
    each = WIDTH / len(bars)

    def level(value: float) -> float:
        return HEIGHT - HEIGHT * value / highest

    drawn, outline = [], []
    for position, bar in enumerate(bars):
        x = position * each
        drawn.append(
            f'<rect class="now" x="{x + 3:.1f}" y="{level(bar.window):.1f}" width="{each - 6:.1f}" '
            f'height="{HEIGHT - level(bar.window):.1f}"><title>{escape(_said(bar))}</title></rect>'
        )
        if bar.before is not None:
            drawn.append(f'<path class="before" d="M{x + 3:.1f} {level(bar.before):.1f}h{each - 6:.1f}"/>')
        outline.append(f"{x:.1f},{level(bar.reference):.1f} {x + each:.1f},{level(bar.reference):.1f}")
        if position + 1 < len(bars):
            edge = escape(_edge(bar.label))
            drawn.append(f'<text x="{x + each:.1f}" y="{HEIGHT + 14:.0f}" text-anchor="middle">{edge}</text>')
    line = f'<polyline class="was" points="{" ".join(outline)}"/>'
    said = "Predictions: share of rows by value, this window, the window before and the reference; the table has them."
    return svg("predictions", WIDTH, HEIGHT + MARGIN, said, "".join(drawn) + line)


def _edge(label: str) -> str:
    """Where a bar ends, by its label; "" where it is no interval."""
    return label.rpartition(" ")[2] if label.startswith("up to ") or " to " in label else ""


def _said(bar: PredictionBar) -> str:
    before = "" if bar.before is None else f", the window before {share(bar.before)}"
    return f"{bar.label}: this window {share(bar.window)}{before}, reference {share(bar.reference)}"
