"""Charts as SVG, drawn here: rectangles and lines, coloured by the stylesheet, each with a text that says the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from perennial.drift.columns import ColumnDrift
from perennial.pages.words import drift_word, number, share, validation_word, window_name
from perennial.performance.maturity import Maturity
from perennial.review.timeline import WindowState
from perennial.verdict import Verdict

Address = Callable[[WindowState], str]

STRIP_CELL, STRIP_GAP, STRIP_LANE = 7, 1, 12
_CLASS = {
    None: "none",
    Verdict.PASS: "pass",
    Verdict.WARN: "warn",
    Verdict.FAIL: "fail",
    Verdict.INSUFFICIENT: "little",
}
_LABELS = {
    None: "none",
    Maturity.ESTIMATED: "none",
    Maturity.PARTIAL: "little",
    Maturity.OVERDUE: "fail",
    Maturity.FINAL: "pass",
    Maturity.GIVEN_UP: "warn",
}


def labels_word(state: WindowState) -> str:
    """How complete a window's labels are."""
    if state.maturity is None or state.maturity is Maturity.ESTIMATED:
        return "no labels yet"
    return f"{str(state.maturity).replace('_', ' ')}, {share(state.completeness)} of rows"


def described(state: WindowState) -> str:
    """A window's state in words, for titles and tables."""
    if state.missing:
        return f"{window_name(state.window)}: missing"
    if state.empty:
        return f"{window_name(state.window)}: no rows"
    return (
        f"{window_name(state.window)}: validation {validation_word(state.validation)}, {drift_word(state.drift)}, "
        f"labels {labels_word(state)}"
    )


def lanes(state: WindowState) -> tuple[str, str, str]:
    """The classes of a window's three cells: validation, drift, labels."""
    if state.missing:
        return ("missing",) * 3
    return _CLASS[state.validation], _CLASS[state.drift], _LABELS[state.maturity]


def strip(windows: Sequence[WindowState], address: Address) -> Markup:
    """Windows from left to right, oldest first; from top to bottom validation, drift, labels."""
    width = max(len(windows) * (STRIP_CELL + STRIP_GAP), 1)
    cells = []
    for position, state in enumerate(windows):
        x = position * (STRIP_CELL + STRIP_GAP)
        rects = "".join(
            f'<rect class="{name}" x="{x}" y="{lane * (STRIP_LANE + STRIP_GAP)}" width="{STRIP_CELL}" '
            f'height="{STRIP_LANE}"/>'
            for lane, name in enumerate(lanes(state))
        )
        cells.append(_linked(address(state), described(state), rects))
    height = 3 * STRIP_LANE + 2 * STRIP_GAP
    return _svg("strip", width, height, counts(windows), "".join(cells))


def counts(windows: Sequence[WindowState]) -> str:
    """The windows of a strip or calendar in one sentence."""
    refused = sum(each.validation is Verdict.FAIL for each in windows)
    drifted = sum(each.drift is Verdict.FAIL for each in windows)
    missing = sum(each.missing for each in windows)
    return f"{len(windows)} windows: {refused} refused by validation, {drifted} drifted, {missing} missing"


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
    return _svg("histogram", 220, tall + 1, said, "".join(drawn) + line)


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
        drawn.append(_linked(address(each), f"{said}, {labels_word(each)}", circle))
    said = f"{metric} of {len(known)} windows, from {number(low)} to {number(high)}"
    return _svg("performance", 52 + step * len(windows), 162, said, "".join(drawn))


def _linked(href: str, title: str, inside: str) -> str:
    """A link for the mouse. The keyboard finds the same windows in the table below the chart."""
    return f'<a href="{escape(href)}" tabindex="-1"><title>{escape(title)}</title>{inside}</a>'


def _svg(kind: str, width: float, height: float, said: str, inside: str) -> Markup:
    return Markup(  # noqa: S704 - every text in it is escaped above
        f'<svg class="{kind}" role="img" aria-label="{escape(said)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">{inside}</svg>'
    )
