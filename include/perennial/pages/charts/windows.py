"""The states of windows: a strip of cells, and the words for the same."""

from collections.abc import Callable, Sequence

from markupsafe import Markup

from perennial.pages.charts.marks import Marks
from perennial.pages.charts.svg import linked, svg
from perennial.pages.words import drift_word, number, share, validation_word, window_name
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.review.timeline import WindowState
from perennial.verdict import Verdict
from perennial.wording import counted

Address = Callable[[WindowState], str]

STRIP_CELL, STRIP_GAP, STRIP_LANE = 7, 1, 12
SMALL_CELL, SMALL_LANE = 3, 6
_STANDING = {
    Standing.AS_EXPECTED: ("pass", "as expected"),
    Standing.WORSE: ("warn", "worse than expected"),
    Standing.FAR_WORSE: ("fail", "far worse than expected"),
}
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


def models_word(state: WindowState) -> str:
    """Which versions predicted the window's rows, and what share of them each."""
    of_challenger = state.challenger_share
    if state.challenger is None or of_challenger is None:
        return f"version {state.model_version}"
    return (
        f"version {state.model_version} ({share(1 - of_challenger)} of the rows) and version {state.challenger} in "
        f"roll-out ({share(of_challenger)})"
    )


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


def state_word(state: WindowState) -> str:
    """What became of a window, in half a sentence."""
    if state.missing:
        return "missing"
    if state.empty:
        return "no rows"
    if not state.scored:
        unscored = {None: "read, not validated yet", Verdict.FAIL: "refused by validation, not scored"}
        return unscored.get(state.validation, "validated, not scored yet")
    aside = f" ({counted(state.rows_quarantined, 'row')} set aside)" if state.rows_quarantined else ""
    drift = "drift not looked at" if state.drift is None else drift_word(state.drift)
    labels = labels_word(state)
    labels = labels if labels.startswith("no ") else f"labels {labels}"
    return f"scored by {models_word(state)}{aside}, {drift}, {labels}"


def _performance(state: WindowState) -> str:
    if state.value is None:
        return "performance not measured"
    word = "nothing to compare with" if state.standing is None else _STANDING[state.standing][1]
    return f"performance {number(state.value)}, {word}"


def strip_lanes(state: WindowState) -> tuple[str, str, str]:
    """The classes of a window's three cells: validation, drift, performance, which is `early` until it is final."""
    validation, drift, _ = lanes(state)
    if state.missing or state.maturity is Maturity.OVERDUE:
        return validation, drift, "missing" if state.missing else "overdue"
    if state.value is None:
        return validation, drift, "none"
    performance = "now" if state.standing is None else _STANDING[state.standing][0]
    early = state.maturity in (Maturity.ESTIMATED, Maturity.PARTIAL)
    return validation, drift, f"{performance} early" if early else performance


def strip(windows: Sequence[WindowState], address: Address) -> Markup:
    """Windows from left to right, oldest first; from top to bottom validation, drift, performance."""
    width = max(len(windows) * (STRIP_CELL + STRIP_GAP), 1)
    cells, marks = [], Marks()
    for position, state in enumerate(windows):
        x = position * (STRIP_CELL + STRIP_GAP)
        rects = "".join(
            f'<rect class="{name}" x="{x}" y="{lane * (STRIP_LANE + STRIP_GAP)}" width="{STRIP_CELL}" '
            f'height="{STRIP_LANE}"/>'
            for lane, name in enumerate(strip_lanes(state))
        )
        for lane, name in enumerate(strip_lanes(state)):
            marks.add(name.partition(" ")[0], x, lane * (STRIP_LANE + STRIP_GAP), STRIP_CELL, STRIP_LANE)
        cells.append(linked(address(state), f"{described(state)}, {_performance(state)}", rects))
    height = 3 * STRIP_LANE + 2 * STRIP_GAP
    return svg("strip", width, height, counts(windows), "".join([*cells, *marks.drawn()]))


def small_strip(windows: Sequence[WindowState]) -> Markup:
    """The same for a line of a table: without links, and all cells of a kind in one path, so that it stays small."""
    cells: dict[str, list[str]] = {}
    for position, state in enumerate(windows):
        for lane, name in enumerate(strip_lanes(state)):
            corner = f"M{position * (SMALL_CELL + STRIP_GAP)} {lane * (SMALL_LANE + STRIP_GAP)}"
            cells.setdefault(name, []).append(f"{corner}h{SMALL_CELL}v{SMALL_LANE}h-{SMALL_CELL}z")
    paths = "".join(f'<path class="{name}" d="{"".join(corners)}"/>' for name, corners in sorted(cells.items()))
    width = max(len(windows) * (SMALL_CELL + STRIP_GAP), 1)
    return svg("strip", width, 3 * SMALL_LANE + 2 * STRIP_GAP, counts(windows), paths)


def counts(windows: Sequence[WindowState]) -> str:
    """The windows of a strip or calendar in one sentence."""
    refused = sum(each.validation is Verdict.FAIL for each in windows)
    drifted = sum(each.drift is Verdict.FAIL for each in windows)
    missing = sum(each.missing for each in windows)
    return f"{len(windows)} windows: {refused} refused by validation, {drifted} drifted, {missing} missing"
