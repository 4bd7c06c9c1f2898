"""Commands to look at how the models are doing: drift and performance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.text import Text

from perennial.cli.next_steps import measuring
from perennial.cli.session import Session, console, show, start_of, windows_of
from perennial.cli.steps import AsJson, From, To, UseCaseName, WindowStart
from perennial.cli.tables import print_table
from perennial.wording import counted

if TYPE_CHECKING:
    from perennial.review.performance import WindowPerformance

BARS = " ▁▂▃▄▅▆▇█"
MOST_BARS = 12  # so that a table fits 80 columns, if names are not long
LARGE = 100
FINAL, OVERDUE, GIVEN_UP = "final", "overdue", "given_up"
MARKS = {"pass": "green", "fail": "red", "warn": "yellow", "insufficient": "yellow"}


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    for command in (drift, performance):
        app.command()(command)


def drift(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Show how far a window, or several merged, lies from what its model considers normal."""
    from perennial.review import drift as job

    session = Session()
    loaded = session.use_case(use_case)
    found = job.run(loaded, windows_of(loaded, window, start, end), session.ports)
    if json:
        show([found], as_json_lines=True)
        return
    assessment = found.assessment
    first, last, count = found.windows[0].start, found.windows[-1].end, len(found.windows)
    _line(
        f"{found.use_case}, {first:%Y-%m-%d %H:%MZ} to {last:%Y-%m-%d %H:%MZ} ({count} "
        f"{'window' if count == 1 else 'windows'}, {assessment.rows:,} rows), against model {found.model_version} "
        f"({assessment.reference_windows} windows)"
    )
    for left_out in found.left_out:
        _line(f"left out: {left_out}, of another model or never monitored", "yellow")
    _line(" ".join(assessment.reasons), MARKS[assessment.verdict])
    rows = []
    for column in (*assessment.columns, *assessment.joint):
        bars = column.measures.bars if column.measures else ()
        was, now = condensed([bar.reference for bar in bars]), condensed([bar.window for bar in bars])
        highest = max((*was, *now), default=0.0)
        rows.append(
            (
                Text("●", "red") if column.drifted else "",
                column.name,
                f"{column.importance:.0%}" if column.measures else "",
                _number(column.distance),
                _number(column.usual),
                _number(column.p_value),
                f"{column.missing_rate:.1%}" if column.measures else "",
                sparkline(was, highest),
                sparkline(now, highest),
            )
        )
    print_table(("", "column", "imp.", "distance", "usual", "p", "missing", "was", "is"), rows)
    alarms = found.alarms
    _line(
        f"Since its deployment: {counted(alarms.observed, 'alarm')} in {counted(alarms.windows, 'window')}; "
        f"{alarms.expected:.1f} would be expected if all were ordinary ({alarms.accepted})."
    )
    _line(" ".join(found.evidence.reasons))


def performance(
    use_case: UseCaseName, window: WindowStart = None, start: From = None, end: To = None, json: AsJson = False
) -> None:
    """Show how good predictions were, or are expected to be, and how far that may be believed."""
    from perennial.review import performance as job

    session = Session()
    loaded = session.use_case(use_case)
    windows = windows_of(loaded, window, start, end)
    found = job.run(loaded, windows, session.ports)
    if json:
        show([found], as_json_lines=True)
        return
    if not found.windows:
        for line in ("None of these windows has been measured.", *measuring(loaded.spec, windows[-1].end)):
            _line(line)
        return
    headings = ("window", "model", "labels", f"{found.metric} (95%)", "expected", "data drift", "label drift")
    rows = []
    for each in found.windows:
        settled = each.labelled + each.without_outcome
        share = settled / each.rows if each.rows else 0.0
        rows.append(
            (
                start_of(each.window),
                each.model_version,
                f"{each.maturity.replace('_', ' ')}, {share:.0%}" + _usual_share(each) + _without_outcome(each),
                _interval(each.measured),
                _interval(each.estimated),
                _mark(each.data_drift),
                _mark(each.label_drift),
            )
        )
    print_table(headings, rows)
    for what, late in (("are overdue", OVERDUE), ("never came, and are given up", GIVEN_UP)):
        lacking = [each for each in found.windows if each.maturity == late]
        if lacking:
            labelled, scored = sum(each.labelled for each in lacking), sum(each.rows for each in lacking)
            _line(
                f"Labels of {counted(len(lacking), 'window')} {what}: {labelled:,} of "
                f"{scored:,} rows have one" + _usual_count(lacking) + ". They are not used for decisions.",
                "yellow",
            )
    if found.trailing is not None:
        _line(f"Over the final windows of the last model: {_interval(vars(found.trailing))}.")
    if found.movement is not None:
        _line(
            f"Partial figures are biased: until they were final they moved by {found.movement.mean:+.4f} on average "
            f"({found.movement.low:+.4f} to {found.movement.high:+.4f} in 90% of {found.movement.windows} windows)."
        )
    for reason in found.audit.reasons:
        _line(reason)
    if found.by_people is not None:
        from perennial.review.by_people import sentences

        for sentence in sentences(found.by_people):
            _line(sentence)


def sparkline(shares: Sequence[float], highest: float) -> str:
    """Shares as a row of bars, of which the highest possible stands for `highest`.

    >>> sparkline([0.0, 0.1, 0.2, 0.4], 0.4)
    ' ▂▄█'
    """
    steps = len(BARS) - 1
    return "".join(BARS[min(steps, -int(-share / highest * steps // 1))] if share > 0 else " " for share in shares)


def condensed(shares: Sequence[float]) -> list[float]:
    """At most `MOST_BARS` shares: where there are more, the last one is that of all others.

    >>> [round(each, 2) for each in condensed([0.5, *[0.025] * 20])]
    [0.5, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.25]
    """
    if len(shares) <= MOST_BARS:
        return list(shares)
    return [*shares[: MOST_BARS - 1], sum(shares[MOST_BARS - 1 :])]


def _usual_share(each: "WindowPerformance") -> str:
    """What completeness was to be expected at that age; a final window has what it has."""
    expected = each.expected_completeness
    return f" (usually {expected[1]:.0%})" if expected and each.maturity != FINAL else ""


def _without_outcome(each: "WindowPerformance") -> str:
    """How many of the settled rows have no outcome and will not get one."""
    return f", {each.without_outcome:,} without an outcome" if each.without_outcome else ""


def _usual_count(windows: "Sequence[WindowPerformance]") -> str:
    """How many labels windows of these ages usually have."""
    known = [each.expected_completeness[1] * each.rows for each in windows if each.expected_completeness]
    return f" (usually about {sum(known):,.0f})" if known else ""


def _mark(drift: dict[str, Any]) -> Text:
    return Text(drift["verdict"], MARKS[drift["verdict"]]) if drift else Text()


def _interval(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    low, high = found.get("low"), found.get("high")
    reach = f" ({_figure(low)}-{_figure(high)})" if low is not None and high is not None else ""
    return f"{_figure(found['value'])}{reach}"


def _figure(value: float) -> str:
    return f"{value:.3f}" if abs(value) < LARGE else f"{value:.0f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _line(text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
