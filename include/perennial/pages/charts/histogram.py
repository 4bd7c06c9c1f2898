"""The values of a column: a window against the reference."""

from markupsafe import Markup, escape

from perennial.drift.columns import ColumnDrift
from perennial.pages.charts.svg import svg
from perennial.pages.words import share


def histogram(column: ColumnDrift) -> Markup:
    """A column's values: the reference as an outline, the window as bars, both as shares of rows."""
    bars = column.measures.bars if column.measures else ()
    if not bars:
        return Markup("")
    highest = max(max(bar.reference, bar.window) for bar in bars) or 1.0
    each, tall = 220 / len(bars), 64
    drawn, outline = [], []
    for position, bar in enumerate(bars):
        x, height = position * each, tall * bar.window / highest
        title = f"{bar.label}: reference {share(bar.reference)}, this window {share(bar.window)}"
        drawn.append(
            f'<rect class="now" x="{x + 1:.1f}" y="{tall - height:.1f}" width="{max(each - 2, 1):.1f}" '
            f'height="{height:.1f}"><title>{escape(title)}</title></rect>'
        )
        level = tall - tall * bar.reference / highest
        outline.append(f"{x:.1f},{level:.1f} {x + each:.1f},{level:.1f}")
    line = f'<polyline class="was" points="{" ".join(outline)}"/>'
    said = f"{column.name}: {column.description or 'reference against this window'}"
    return svg("histogram", 220, tall + 1, said, "".join(drawn) + line)
