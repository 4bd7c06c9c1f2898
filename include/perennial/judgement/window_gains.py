"""The evidence of a shadow: what each matured window said of champion and challenger."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from perennial.errors import InvalidWindow
from perennial.window import Window
from perennial.wording import counted

MOST_NAMED = 3


@dataclass(frozen=True)
class WindowGain:
    """By how much the challenger was better than the champion on the same labelled rows of one window.

    `gain` is in the metric's unit, negative where the challenger was worse (see `perennial.performance.gain.gain`), and
    None where the metric is undefined on these rows. `matured_at` is when the window's labels were complete enough to
    judge by. A window that was measured again has one entry for each time.
    """

    window: Window
    matured_at: datetime
    gain: float | None
    rows: int


@dataclass(frozen=True)
class Evidence:
    """The windows that count, in the order in which they matured, and what was left out, in sentences.

    A window counts once, with what was known when it matured. To judge by a value that was mended later would be to
    look again at evidence that was already used, which no sequential test allows. `remeasured` are the windows that
    were measured again, each with its newest value; they are there to see whether it would change the answer.
    """

    windows: tuple[WindowGain, ...]
    remeasured: tuple[WindowGain, ...]
    left_out: tuple[str, ...]

    @property
    def gains(self) -> tuple[float, ...]:
        """The gain of each window that counts."""
        return tuple(each.gain for each in self.windows if each.gain is not None)

    @property
    def rows(self) -> tuple[int, ...]:
        """The rows of each window that counts."""
        return tuple(each.rows for each in self.windows)

    def with_newest(self) -> "Evidence":
        """The same windows, those that were measured again with their newest values."""
        newest = {each.window: each for each in self.remeasured}
        return Evidence(tuple(newest.get(each.window, each) for each in self.windows), (), self.left_out)


def evidence(found: Iterable[WindowGain]) -> Evidence:
    """Sort out what counts. The order of `found` makes no difference.

    Windows that matured at the same time are in the order of their data. Errors: `InvalidWindow` when a window's rows
    are negative, or its time of maturity has no zone or lies before its end.
    """
    measured: dict[Window, list[WindowGain]] = {}
    empty: list[WindowGain] = []
    undefined: list[WindowGain] = []
    for each in found:
        _refuse_impossible(each)
        if each.rows == 0:
            empty.append(each)
        elif each.gain is None or not math.isfinite(each.gain):
            undefined.append(each)
        else:
            measured.setdefault(each.window, []).append(each)
    for entries in measured.values():
        # Of two at the same time, the one with more rows; of equals, the less flattering one.
        entries.sort(key=lambda each: (each.matured_at, -each.rows, each.gain))
    first = sorted((entries[0] for entries in measured.values()), key=lambda each: (each.matured_at, each.window))
    again = sorted(
        (_newest(entries) for entries in measured.values() if len(entries) > 1), key=lambda each: each.window
    )
    left_out = (
        *_told([each for each in empty if each.window not in measured], "had no labelled rows"),
        *_told(
            [each for each in undefined if each.window not in measured], "had labels that leave the metric undefined"
        ),
    )
    return Evidence(tuple(first), tuple(again), left_out)


def _newest(entries: list[WindowGain]) -> WindowGain:
    latest = max(each.matured_at for each in entries)
    return next(each for each in entries if each.matured_at == latest)


def _refuse_impossible(each: WindowGain) -> None:
    if each.rows < 0:
        raise InvalidWindow(
            f"The gain of {each.window} is said to be that of {each.rows} rows; count its labelled rows."
        )
    if each.matured_at.tzinfo is None:
        raise InvalidWindow(
            f"{each.window} is said to have matured at {each.matured_at}, without a time zone; give one."
        )
    if each.matured_at < each.window.end:
        raise InvalidWindow(
            f"{each.window} is said to have matured at {each.matured_at:%Y-%m-%dT%H:%MZ}, before it ended; judge it "
            "after its labels have come."
        )


def _told(windows: list[WindowGain], why: str) -> tuple[str, ...]:
    if not windows:
        return ()
    keys = sorted({each.window for each in windows})
    named = ", ".join(f"{key.start:%Y-%m-%dT%H:%MZ}" for key in keys[:MOST_NAMED])
    more = f" and {len(keys) - MOST_NAMED:,} more" if len(keys) > MOST_NAMED else ""
    return (f"{counted(len(keys), 'window')} {why} and {'does' if len(keys) == 1 else 'do'} not count: {named}{more}.",)
