"""What a proposed expectation was derived from, window by window, with its limits."""

from markupsafe import Markup, escape

from perennial.pages.charts.svg import svg
from perennial.pages.words import number, window_name
from perennial.quality.proposals.missing import NOT_NULL
from perennial.review.suggestions.suggest import Suggestion, Suggestions
from perennial.window import Window

WIDTH, HEIGHT, EDGE = 220, 56, 4


def limits(suggestion: Suggestion, found: Suggestions) -> Markup:
    """Its values from left to right, oldest first, between the limits that are proposed. The held-out windows have a
    ground of their own, and windows that would have failed are marked.
    """
    low, high = limits_of(suggestion)
    values = [each for series in suggestion.series for each in series.values if each is not None]
    shown = [*values, *(end for end in (low, high) if end is not None)]
    if not values:
        return Markup("")
    least, most = min(shown), max(shown)
    step = WIDTH / len(found.windows)

    def y(value: float) -> float:
        return EDGE + (HEIGHT - 2 * EDGE) * (1 - (value - least) / (most - least) if most > least else 0.5)

    drawn = []
    if found.held_out:
        width = step * found.held_out
        drawn.append(f'<rect class="later" x="{WIDTH - width:.1f}" y="0" width="{width:.1f}" height="{HEIGHT}"/>')
    drawn += [
        f'<line class="limit" x1="0" x2="{WIDTH}" y1="{y(end):.1f}" y2="{y(end):.1f}"/>'
        for end in (low, high)
        if end is not None
    ]
    for series in suggestion.series:
        for position, (window, value) in enumerate(zip(found.windows, series.values, strict=True)):
            if value is not None:
                failed = window in suggestion.failed_windows
                said = _point(window, series.name, value, failed=failed)
                drawn.append(
                    f'<circle class="{"failed" if failed else "final"}" cx="{step * (position + 0.5):.1f}" '
                    f'cy="{y(value):.1f}" r="{3 if failed else 1.5}"><title>{escape(said)}</title></circle>'
                )
    return svg("limits", WIDTH, HEIGHT, _said(suggestion, found, low, high), "".join(drawn))


def limits_of(suggestion: Suggestion) -> tuple[float | None, float | None]:
    """Between which values its series should lie, where limits are of them."""
    if suggestion.type == NOT_NULL:
        return None, 1 - suggestion.kwargs.get("mostly", 1)
    return suggestion.kwargs.get("min_value"), suggestion.kwargs.get("max_value")


def _point(window: Window, name: str, value: float, *, failed: bool) -> str:
    return f"{window_name(window)}: {name} {number(value)}{', would have failed' if failed else ''}"


def _said(suggestion: Suggestion, found: Suggestions, low: float | None, high: float | None) -> str:
    named = ", ".join(
        f"{each.name} from {number(min(there))} to {number(max(there))}"
        for each in suggestion.series
        if (there := [value for value in each.values if value is not None])
    )
    ends = [f"{word} {number(end)}" for word, end in (("at least", low), ("at most", high)) if end is not None]
    return f"{named} in {len(found.windows)} windows{'; proposed: ' if ends else ''}{', '.join(ends)}"
