"""The values of a column in two windows, over the same bins and to the same scale."""

from markupsafe import Markup, escape

from perennial.pages.charts.bar_axis import BELOW, LEFT, below, levels
from perennial.pages.charts.svg import svg
from perennial.pages.words import share
from perennial.review.comparison.columns import ColumnCompared

WIDTH, TALL, GAP = 220, 46, 8


def compared(column: ColumnCompared, before: str, after: str) -> Markup:
    """Two rows of bars, one a window, each with the reference as an outline; all are shares of rows."""
    if not column.bars:
        return Markup("")
    highest = max(max(bar.reference, bar.before, bar.after) for bar in column.bars) or 1.0
    each = WIDTH / len(column.bars)
    drawn = []
    for row, (name, side) in enumerate(((before, "before"), (after, "after"))):
        floor = TALL + row * (TALL + GAP)
        outline = []
        for position, bar in enumerate(column.bars):
            x, value = LEFT + position * each, bar.before if side == "before" else bar.after
            height = TALL * value / highest
            title = f"{name}, {bar.label}: {share(value)} of rows; reference {share(bar.reference)}"
            drawn.append(
                f'<rect class="{"little" if side == "before" else "now"}" x="{x + 1:.1f}" y="{floor - height:.1f}" '
                f'width="{max(each - 2, 1):.1f}" height="{height:.1f}"><title>{escape(title)}</title></rect>'
            )
            level = floor - TALL * bar.reference / highest
            outline.append(f"{x:.1f},{level:.1f} {x + each:.1f},{level:.1f}")
        drawn.append(f'<polyline class="was" points="{" ".join(outline)}"/>')
        drawn.append(levels(highest, floor, WIDTH, TALL))
    heights = [max(bar.before, bar.after) for bar in column.bars]
    drawn.append(below([bar.label for bar in column.bars], heights, each, 2 * TALL + GAP + BELOW - 2))
    moved = "" if column.moved is None else f": {share(column.moved)} of rows moved to other bars"
    said = f"{column.name}, {before} above, {after} below{moved}"
    return svg("histogram", WIDTH + LEFT, 2 * TALL + GAP + BELOW + 1, said, "".join(drawn))
