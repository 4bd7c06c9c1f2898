"""The states of windows: a strip of cells, and the words for the same."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from perennial.pages.charts.svg import linked, svg
from perennial.pages.words import drift_word, share, validation_word, window_name
from perennial.performance.maturity import Maturity
from perennial.review.timeline import WindowState
from perennial.verdict import Verdict

Address = Callable[[WindowState], str]

STRIP_CELL, STRIP_GAP, STRIP_LANE = 7, 1, 12
CLASS = {
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
    return CLASS[state.validation], CLASS[state.drift], _LABELS[state.maturity]


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
        cells.append(linked(address(state), described(state), rects))
    height = 3 * STRIP_LANE + 2 * STRIP_GAP
    return svg("strip", width, height, counts(windows), "".join(cells))


def counts(windows: Sequence[WindowState]) -> str:
    """The windows of a strip or calendar in one sentence."""
    refused = sum(each.validation is Verdict.FAIL for each in windows)
    drifted = sum(each.drift is Verdict.FAIL for each in windows)
    missing = sum(each.missing for each in windows)
    return f"{len(windows)} windows: {refused} refused by validation, {drifted} drifted, {missing} missing"
