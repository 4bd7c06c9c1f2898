"""The values of a column: a window against the reference."""

from markupsafe import Markup, escape

from perennial.drift.columns import ColumnDrift
from perennial.pages.charts.bar_axis import BELOW, LEFT, below, levels
from perennial.pages.charts.svg import svg
from perennial.pages.words import share

WIDTH, TALL = 220, 64


def histogram(column: ColumnDrift) -> Markup:
    """A column's values: the reference as an outline, the window as bars, both as shares of rows."""
    bars = column.measures.bars if column.measures else ()
    if not bars:
        return Markup("")
    highest = max(max(bar.reference, bar.window) for bar in bars) or 1.0
    each = WIDTH / len(bars)
    drawn, outline = [], []
    for position, bar in enumerate(bars):
        x, height = LEFT + position * each, TALL * bar.window / highest
        title = f"{bar.label}: reference {share(bar.reference)}, this window {share(bar.window)}"
        drawn.append(
            f'<rect class="now" x="{x + 1:.1f}" y="{TALL - height:.1f}" width="{max(each - 2, 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(title)}</title></rect>'
        )
        level = TALL - TALL * bar.reference / highest
        outline.append(f"{x:.1f},{level:.1f} {x + each:.1f},{level:.1f}")
    line = f'<polyline class="was" points="{" ".join(outline)}"/>'
    labels = below([bar.label for bar in bars], [bar.window for bar in bars], each, TALL + BELOW - 3)
    said = f"{column.name}: {column.description or 'reference against this window'}"
    inside = levels(highest, TALL, WIDTH, TALL) + "".join(drawn) + line + labels
    return svg("histogram", WIDTH + LEFT, TALL + BELOW, said, inside)
