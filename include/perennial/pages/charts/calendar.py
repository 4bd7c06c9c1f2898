"""The calendar of a use case: all windows by validation, drift and performance, and the model's life, on one axis.

A column is a week of days, a day of hours, or one window; so a year of days is seen at once, and so is a rhythm: what
goes wrong on Mondays lies in one row.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from perennial.pages.charts import axis
from perennial.pages.charts.events import mark
from perennial.pages.charts.marks import Marks
from perennial.pages.charts.svg import linked, svg
from perennial.pages.charts.windows import CLASS, Address, labels_word, models_word
from perennial.pages.words import drift_word, number, performance_word, share, validation_word, window_label
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.review.events import Change
from perennial.review.timeline import Timeline, WindowState
from perennial.spec.models import UseCase
from perennial.verdict import Verdict
from perennial.window import Every, Window
from perennial.wording import counted

LANES = ("Validation", "Drift", "Performance")
WEEKDAYS = ("Mon", "", "Wed", "", "Fri", "", "")
LEFT, WIDE, NARROWEST, WIDEST = 84, 960, 8.0, 34.0
LEAST, TWO_NAMES = 120, 480  # pixels right of `LEFT`: what a lane's name takes, and from where it stands at both ends
EVENT, BAND, TITLE, LABELS = 15, 16, 20, 16
ALWAYS_SAID = ("refused by validation", "drifted", "missing")
DECISIONS = (Change.RETRAINING,)
STAGES = (Change.SHADOW, Change.CANARY, Change.STOPPED, Change.WITHDRAWN)
EVENTS = {
    "Decided": DECISIONS,
    "Deployed": tuple(each for each in Change if each not in DECISIONS + STAGES),
    "Roll-out": STAGES,
}
_STANDING = {Standing.AS_EXPECTED: "pass", Standing.WORSE: "warn", Standing.FAR_WORSE: "fail"}


def calendar(data: Timeline, spec: UseCase, address: Address) -> Markup:
    """The whole drawing."""
    if not data.windows:
        return Markup("")
    place = _Places(data.windows, spec)
    zone = spec.schedule.timezone
    labels = [(place.x(at), text) for at, text in axis.dates(place.start, place.end, zone, place.right - LEFT)]
    drawn = [axis.written(labels, 11, place.edge)]
    y = float(LABELS)
    for name, changes in EVENTS.items():
        events = [each for each in data.events if each.change in changes]
        if changes is STAGES and not events:
            continue
        drawn.append(f'<text x="{LEFT - 8}" y="{y + 11:.0f}" text-anchor="end">{name}</text>')
        drawn += [mark(each, place.x(each.at), y + 7.5, zone) for each in events]
        y += EVENT
    drawn.append(f'<text x="{LEFT - 8}" y="{y + 12:.0f}" text-anchor="end">Scored by</text>')
    drawn += _models(data.windows, place, y)
    y += BAND + 4
    tops = []
    for name in LANES:
        drawn.append(f'<text class="lane" x="{LEFT}" y="{y + 14:.0f}">{name}</text>')
        if place.right - LEFT >= TWO_NAMES:
            drawn.append(f'<text class="lane right" x="{place.right}" y="{y + 14:.0f}" text-anchor="end">{name}</text>')
        y += TITLE
        tops.append(y)
        drawn += [
            f'<text x="{LEFT - 8}" y="{y + (row + 0.5) * place.height + 4:.1f}" text-anchor="end">{text}</text>'
            for row, text in enumerate(place.rows)
            if text
        ]
        y += len(place.rows) * place.height
    drawn += _cells(data, place, tops, address, zone)
    drawn.append(axis.written(labels, y + 14, place.edge))
    return svg("calendar", place.edge + 6, y + LABELS + 4, summary(data), "".join(drawn))


def summary(data: Timeline) -> str:
    """The windows in one sentence."""
    windows = data.windows
    found = {
        "refused by validation": sum(each.validation is Verdict.FAIL for each in windows),
        "drifted": sum(each.drift is Verdict.FAIL for each in windows),
        "missing": sum(each.missing for each in windows),
        "with rows that came late": sum(each.rows_late > 0 for each in windows),
        "performing worse than expected": sum(
            each.standing in (Standing.WORSE, Standing.FAR_WORSE) for each in windows
        ),
        "with labels overdue": sum(each.maturity is Maturity.OVERDUE for each in windows),
    }
    said = ", ".join(f"{count} {what}" for what, count in found.items() if count or what in ALWAYS_SAID)
    return f"{counted(len(windows), 'window')}: {said}"


def performance_kind(state: WindowState) -> str:
    """The class of a window's performance."""
    if state.missing:
        return "missing"
    if state.maturity is Maturity.OVERDUE:
        return "overdue"
    if state.standing is not None:
        return _STANDING[state.standing]
    if state.maturity is Maturity.GIVEN_UP:
        return "little"
    return "none" if state.value is None else "now"


def described(state: WindowState, metric: str, zone: str) -> str:
    """All about a window, for its title."""
    name = window_label(state.window, zone)
    if state.missing:
        return f"{name}: missing, it should have been scored"
    if state.empty:
        return f"{name}: no rows"
    said = [f"{name}: validation {validation_word(state.validation)}", drift_word(state.drift)]
    if state.value is not None:
        said.append(f"{metric} {number(state.value)}, {performance_word(state.standing, state.value)}")
    elif state.estimate is not None:
        said.append(f"{metric} estimated as {number(state.estimate)}")
    said.append(f"labels {labels_word(state)}")
    if state.rows is not None:
        said.append(f"{counted(state.rows, 'row')}, {state.rows_quarantined or 0} of them set aside")
    if state.rows_late:
        said.append(f"{counted(state.rows_late, 'row')} came late or changed")
    if state.model_version is not None:
        said.append(f"scored by {models_word(state)}")
    return "; ".join(said)


class _Places:
    """Where each window lies: its column and row, and the pixels of instants between."""

    def __init__(self, windows: Sequence[WindowState], spec: UseCase) -> None:
        every = spec.schedule.every
        # Windows of one hour are hours of UTC (see `perennial.window.Grid`).
        zone = UTC if every is Every.HOUR else ZoneInfo(spec.schedule.timezone)
        self.rows = _row_labels(every)
        self._starts = [each.window.start for each in windows]
        keys = [_key(each.window, every, zone) for each in windows]
        columns = {key: at for at, key in enumerate(dict.fromkeys(column for column, _ in keys))}
        self._cells = [(columns[column], row) for column, row in keys]
        self.pitch = min(max(WIDE / len(columns), NARROWEST), WIDEST)
        self.height = _row_height(len(self.rows))
        self.right = round(LEFT + self.pitch * len(columns))
        self.edge = max(self.right, LEFT + LEAST)  # of the drawing: few windows leave room for names and dates
        self.start, self.end = windows[0].window.start, windows[-1].window.end

    def cell(self, position: int) -> tuple[float, float]:
        """The left end of a window's cell, and its distance from its lane's top."""
        column, row = self._cells[position]
        return LEFT + column * self.pitch, row * self.height

    def x(self, at: datetime) -> float:
        """Where an instant lies: as far into its column as its window is."""
        if at >= self.end:
            return self.right
        column, row = self._cells[max(bisect_right(self._starts, at) - 1, 0)]
        return LEFT + (column + row / len(self.rows)) * self.pitch


def _key(window: Window, every: Every, zone: tzinfo) -> tuple[object, int]:
    local = window.start.astimezone(zone)
    if every is Every.DAY:
        return local.date() - timedelta(days=local.weekday()), local.weekday()
    if every in (Every.WEEK, Every.MONTH):
        return window.start, 0
    return local.date(), local.hour // (every.hours or 1)


def _row_labels(every: Every) -> tuple[str, ...]:
    if every is Every.DAY:
        return WEEKDAYS
    if every in (Every.WEEK, Every.MONTH):
        return ("",)
    hours = every.hours or 1
    return tuple(f"{hour:02d}:00" if hour % 6 == 0 else "" for hour in range(0, 24, hours))


def _row_height(rows: int) -> float:
    return 22.0 if rows == 1 else min(max(150 / rows, 8.0), 16.0)


def _models(windows: Sequence[WindowState], place: _Places, y: float) -> list[str]:
    """Which versions scored which windows, as a band; neighbours differ in shade, and a canary is underlined."""
    drawn = []
    scored = [each for each in windows if each.model_version is not None]
    by_models = groupby(scored, lambda each: (each.model_version, each.challenger))
    runs = [(models, list(found)) for models, found in by_models]
    for position, ((version, challenger), found) in enumerate(runs):
        left, right = place.x(found[0].window.start), place.x(found[-1].window.end)
        title = f"Version {version} scored {counted(len(found), 'window')} one after the other"
        if challenger is not None:
            shares = [each.challenger_share or 0.0 for each in found]
            title += f", {share(sum(shares) / len(shares))} of the rows by version {challenger} in roll-out"
        width = max(right - left - 1, 2)
        drawn.append(
            f'<g><title>{escape(title)}</title><rect class="model{position % 2}" x="{left:.1f}" y="{y:.0f}" '
            f'width="{width:.1f}" height="{BAND}"/>'
        )
        if challenger is not None:
            drawn.append(f'<rect class="canary" x="{left:.1f}" y="{y + BAND - 3:.0f}" width="{width:.1f}" height="3"/>')
        label = f"v{version}" if challenger is None else f"v{version} + v{challenger}"
        if width > 7 * len(label) + 4:
            drawn.append(f'<text class="in" x="{left + 4:.1f}" y="{y + 12:.0f}">{escape(label)}</text>')
        drawn.append("</g>")
    return drawn


def _cells(data: Timeline, place: _Places, tops: Sequence[float], address: Address, zone: str) -> list[str]:
    gap = 2.0 if place.height > 10 else 1.0  # noqa: PLR2004 - pixels
    width, height = place.pitch - gap, place.height - gap
    marks = Marks()
    drawn = []
    for position, state in enumerate(data.windows):
        x, down = place.cell(position)
        kinds = ("missing",) * 3 if state.missing else (CLASS[state.validation], CLASS[state.drift])
        kinds = (*kinds[:2], performance_kind(state))
        rects = []
        for top, kind in zip(tops, kinds, strict=True):
            rects.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{top + down:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
            )
            marks.add(kind, x, top + down, width, height)
        if state.maturity in (Maturity.PARTIAL, Maturity.ESTIMATED) and state.value is not None:
            y, size = tops[2] + down, min(width, height)
            marks.draw("hatch", f"M{x:.1f},{y + height:.1f}l{size:.1f},{-size:.1f}")
            marks.draw("hatch", f"M{x + width - size / 2:.1f},{y + height:.1f}l{size / 2:.1f},{-size / 2:.1f}")
        if state.rows_late:
            size = min(width, height) * 0.6
            marks.draw("corner", f"M{x + width:.1f},{tops[0] + down:.1f}v{size:.1f}l{-size:.1f},{-size:.1f}z")
        drawn.append(linked(address(state), described(state, data.metric, zone), "".join(rects)))
    return [*drawn, *marks.drawn()]
