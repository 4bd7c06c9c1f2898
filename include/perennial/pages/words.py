"""How the pages write instants, numbers and states: every state has a word, every time its zone."""

from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from perennial.performance.standing import Standing
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted

NOTHING = "-"
NOT_DONE = "not done"
VALIDATION = {Verdict.PASS: "passed", Verdict.WARN: "passed with warnings", Verdict.FAIL: "refused"}
DRIFT = {Verdict.PASS: "no drift", Verdict.WARN: "drift to look at", Verdict.FAIL: "drifted"}
TOO_LITTLE = "too little data"
DECISIONS = {"hold": "the model stays", "wait": "more windows are needed", "retrain": "a new model is trained"}
# What a newcomer finds at the foot of every page.
MEANINGS = {
    "Window": "The stretch of time that one run reads, checks and scores at once, such as a day.",
    "Snapshot": "The rows of a window as they were ingested. They are kept unchanged, so that all can be repeated.",
    "Validation": "Checks of a window before it is scored: rules for single rows, and expectations of the window as a "
    "whole. A window that is refused is not scored.",
    "Quarantine": "Where rows that broke a rule are set aside: they are not scored. A person may accept them.",
    "Replay": "Doing a window again: it is ingested, validated, scored and monitored anew.",
    "Revision": "One version of a window's predictions. Scoring it anew makes another; the live one is published.",
    "Reference": "What a model considers normal: the values of the windows that it was trained on.",
    "Drift": "Values that differ from the reference more than those of ordinary windows do.",
    "p and level": "p is the share of ordinary windows that would look at least as unusual. At or below the level, a "
    "window is called drifted; the level follows from the false alarms that the use case accepts.",
    "Importance": "By how much the model gets worse when a column is shuffled, as a share of all columns.",
    "SD": "Standard deviation: how far values usually are from their mean.",
    "Champion": "The model version that is in force. A challenger has to beat it, on the same rows, to replace it.",
    "Standby": "The champion before the present one, to which a rollback goes back. It is tried every night where the "
    "spec asks for that.",
    "Holdout": "Rows that were kept from training, to measure models on.",
    "Labels": "What came true. A window is final when its labels have come, partial while they still come, and overdue "
    "when far fewer came than usual.",
    "roc_auc, pr_auc": "How well predictions of yes or no rank rows; 1 is perfect. Chance has a roc_auc of 0.5, and a "
    "pr_auc of the share of rows with the outcome.",
    "log_loss, brier": "How far predicted probabilities are from what came true: the lower, the better.",
    "cost": "What a row costs on average by what was decided and what came true, in the unit of decision.costs: the "
    "lower, the better.",
    "mae, rmse, r2": "How far predicted numbers are from what came true: mae and rmse in the label's unit, the lower "
    "the better; r2 is the share of the variation that is explained.",
    "95% interval": "Where the true value lies in 95 of 100 such cases: few rows make uncertain figures.",
    "Hold, wait, retrain": "The decision after a window: keep the champion, see more windows first, or train anew.",
}
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


def validation_word(verdict: Verdict | None) -> str:
    """What validation said of a window."""
    return NOT_DONE if verdict is None else VALIDATION.get(verdict, TOO_LITTLE)


def drift_word(verdict: Verdict | None) -> str:
    """What drift monitoring said of a window."""
    return NOT_DONE if verdict is None else DRIFT.get(verdict, TOO_LITTLE)


def decision_word(action: str) -> str:
    """What a decision about retraining means; of an action that is not known, the action itself.

    >>> decision_word("hold"), decision_word("promote")
    ('the model stays', 'promote')
    """
    return DECISIONS.get(action, action)


def instant(value: datetime, zone: str = "UTC") -> str:
    """An instant with its zone, such as `1 Mar 2013 00:00 UTC`."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y %H:%M} {local.tzname()}"


@lru_cache(maxsize=8192)  # a page names the same windows again and again
def window_name(window: Window, zone: str = "UTC") -> str:
    """A window by its start, and by its end unless it is a whole day.

    >>> window_name(Window.parse("2013-03-01T00:00Z--2013-03-02T00:00Z"))
    'Fri 1 Mar 2013'
    >>> window_name(Window.parse("2013-03-01T06:00Z--2013-03-01T07:00Z"))
    'Fri 1 Mar 2013, 06:00 to 07:00 UTC'
    """
    start, end = (each.astimezone(ZoneInfo(zone)) for each in (window.start, window.end))
    day = f"{start:%a} {start.day} {start:%b %Y}"
    if (start.hour, start.minute) == (0, 0) and end.date() - start.date() == _DAY and (end.hour, end.minute) == (0, 0):
        return day if zone == "UTC" else f"{day} ({zone})"
    if end - start < _DAY:
        return f"{day}, {start:%H:%M} to {end:%H:%M} {end.tzname()}"
    last = end - _HOUR
    return f"{day} to {last:%a} {last.day} {last:%b %Y}"


def days(value: float | None) -> str:
    """A number of days, whole ones.

    >>> days(0.5), days(1.2), days(1000.0), days(None)
    ('less than a day', '1 day', '1,000 days', '-')
    """
    if value is None:
        return NOTHING
    return counted(int(value), "day") if value >= 1 else "less than a day"


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many significant digits, or a dash.

    >>> number(0.73652), number(None), number(1234567.0)
    ('0.737', '-', '1,230,000')
    """
    if value is None:
        return NOTHING
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 10**digits else f"{rounded:.{digits}g}"


def plain(value: object) -> str:
    """A value of an expectation as a person would write it.

    >>> plain(1001.7075664621677), plain(["JFK", "LGA"]), plain(None), plain(1439)
    ('1,001.71', 'JFK, LGA', '', '1439')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(plain(each) for each in value)
    return str(value)


def p_value(value: float | None) -> str:
    """A p-value; what is smaller than a thousandth is said to be."""
    if value is None:
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"  # noqa: PLR2004 - the customary least


def share(value: float | None) -> str:
    """A share as a percentage; what is not nothing is never written as 0%.

    >>> share(0.0), share(0.0004), share(0.25)
    ('0%', '< 0.1%', '25%')
    """
    if value is None:
        return NOTHING
    if 0 < value < 0.001:  # noqa: PLR2004 - the least that is written with one digit
        return "< 0.1%"
    return f"{100 * value:.3g}%"


STANDING = {
    Standing.AS_EXPECTED: "as expected",
    Standing.WORSE: "worse than expected",
    Standing.FAR_WORSE: "far worse than expected",
}


def performance_word(standing: Standing | None, value: float | None) -> str:
    """How a window's performance compares to what was expected of its model."""
    if standing is not None:
        return STANDING[standing]
    return "not measured" if value is None else "nothing to compare with"


def window_label(window: Window, zone: str = "UTC") -> str:
    """A window of a list whose head names the zone: its day, its hours, its days, or its month.

    >>> window_label(Window.parse("2013-03-01T05:00Z--2013-03-02T05:00Z"), "America/New_York")
    'Fri 1 Mar 2013'
    >>> window_label(Window.parse("2013-03-01T06:00Z--2013-03-01T07:00Z"))
    'Fri 1 Mar 2013, 06:00 to 07:00'
    """
    start, end = (each.astimezone(ZoneInfo(zone)) for each in (window.start, window.end))
    last = end - timedelta(microseconds=1)
    first_day = f"{start:%a} {start.day} {start:%b %Y}"
    if start.date() == last.date():
        whole = (start.hour, start.minute, end.hour, end.minute) == (0, 0, 0, 0)
        return first_day if whole else f"{first_day}, {start:%H:%M} to {end:%H:%M}"
    return f"{first_day} to {last:%a} {last.day} {last:%b %Y}"


def day(value: datetime, zone: str = "UTC") -> str:
    """The date of an instant in the zone, such as `1 Mar 2013`."""
    local = value.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %Y}"


def duration(seconds: float) -> str:
    """A length of time in the largest unit that it fills.

    >>> duration(0), duration(5400), duration(86_400), duration(200_000), duration(40)
    ('0', '1.5 hours', '24 hours', '2.3 days', '40 s')
    """
    for unit, length, least in (("days", 86_400, 172_800), ("hours", 3_600, 3_600), ("min", 60, 60)):
        if seconds >= least:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.0f} s" if seconds else "0"


def signed(value: float | None, digits: int = 3) -> str:
    """A difference, with its sign.

    >>> signed(0.027), signed(-0.00123), signed(0.0), signed(None)
    ('+0.027', '-0.00123', '0', '-')
    """
    return NOTHING if value is None else f"{value:+.{digits}g}" if value else "0"


def setting(value: object) -> str:
    """A setting of a spec as a person would write it: lists and groups without brackets.

    >>> setting(["drift", "age"]), setting({"alarms": 2, "of": 3}), setting([]), setting(None), setting("P7D")
    ('drift, age', 'alarms 2, of 3', 'none', 'none', '7 days')
    """
    if value is None or value in ([], {}):
        return "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {setting(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ", ".join(setting(each) for each in value)
    if isinstance(value, str) and value.startswith("P"):
        return duration(TypeAdapter(timedelta).validate_python(value).total_seconds())
    return str(value)
