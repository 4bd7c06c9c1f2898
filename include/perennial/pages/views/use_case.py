"""A use case: its windows, its models, its labels and its policies."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from perennial import clock
from perennial.errors import InvalidWindow
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.pages.charts.windows import CLASS
from perennial.performance.gain import metric_named
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.ports import Ports
from perennial.records import retained
from perennial.review import by_people, use_case_report
from perennial.review.timeline import WindowState
from perennial.review.use_case_report import UseCaseReport
from perennial.settings import Settings
from perennial.spec.models import UseCase
from perennial.spec.retirement import RowClass
from perennial.verdict import Verdict
from perennial.window import longest_run, parse_instant
from perennial.wording import date

VERSIONS_SHOWN, REJECTED_SHOWN = 15, 20
STANDING_KINDS = {Standing.AS_EXPECTED: "pass", Standing.WORSE: "warn", Standing.FAR_WORSE: "fail"}
WORSE = (Standing.WORSE, Standing.FAR_WORSE)
# The windows that the table shows: what to ask for, how it is called, and which they are.
FILTERS: dict[str, tuple[str, Callable[[WindowState], bool]]] = {
    "": ("all windows", lambda _: True),
    "refused": ("refused by validation", lambda each: each.validation is Verdict.FAIL),
    "warned": ("passed with warnings", lambda each: each.validation is Verdict.WARN),
    "quarantined": ("with rows in quarantine", lambda each: bool(each.rows_quarantined)),
    "drifted": ("drifted", lambda each: each.drift is Verdict.FAIL),
    "worse": ("worse than expected", lambda each: each.standing in WORSE),
    "missing": ("missing", lambda each: each.missing),
    "late": ("with rows that came late", lambda each: each.rows_late > 0),
    "overdue": ("with labels overdue", lambda each: each.maturity is Maturity.OVERDUE),
}


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The windows before `until` (default: the newest), those of a kind (`show`) in the table, and all else.

    Errors: `InvalidWindow` when `until` is no date or time, or there is no such kind.
    """
    spec = asked_use_case(asked, settings).spec
    zone = spec.schedule.timezone
    text, show = asked.arguments.get("until", ""), asked.arguments.get("show", "")
    if show not in FILTERS:
        raise InvalidWindow(f"There is no filter {show!r}; there are: {', '.join(filter(None, FILTERS))}.")
    until = parse_instant(text, zone) if text else None
    report = use_case_report.run(spec, clock.now(), ports, until)

    last_read = _last(report.timeline.windows, lambda each: each.validation is not None)
    results = report.backtest.results if report.backtest else ()
    services = [service for each in reversed(report.family.versions) for service in each.services]

    def paging(moment: datetime | None) -> str:
        page = f"{asked.base}/dags/{spec.name}.predict"
        return page if moment is None else f"{page}?until={moment:%Y-%m-%dT%H:%MZ}"

    return Found(
        report,
        "use_case.html",
        {
            **shown_windows(spec, report.timeline.windows, show),
            "paging": paging,
            "by_people": by_people.sentences,
            "asked_until": until,
            "until": date(until, zone) if until else "",
            "shown_versions": VERSIONS_SHOWN,
            "most_rejected": REJECTED_SHOWN,
            "last_read": last_read,
            "last_kind": _kind(last_read),
            "last_final": _last(
                report.timeline.windows, lambda each: each.maturity is Maturity.FINAL and each.value is not None
            ),
            "months": sorted({month for each in results for month in each["months"]}),
            "to_backtest": _to_backtest(spec, report, services[0].since if services else spec.start),
        },
    )


def _to_backtest(spec: UseCase, report: UseCaseReport, since: datetime) -> tuple[str, str] | None:
    """The `--from` and `--to` of the last backtest; else of the longest run of windows that one could live through."""
    if report.backtest:
        ends = report.backtest.since, report.backtest.until
    else:
        gone = retained.due(spec, RowClass.RAW, report.as_of)
        since = since if gone is None else max(since, gone)
        there = (each.window for each in report.timeline.windows if each.validation is not None)
        run = longest_run(window for window in there if window.start >= since)
        if not run:
            return None
        ends = run[0].start, run[-1].end
    start, end = (spec.grid.name_of(spec.grid.containing(each)) for each in ends)
    return start, end


def _last(windows: Sequence[WindowState], wanted: Callable[[WindowState], bool]) -> WindowState | None:
    return next((each for each in reversed(windows) if wanted(each)), None)


def _kind(state: WindowState | None) -> str:
    """The class of the worst that was found of a window."""
    if state is None:
        return "none"
    found = {CLASS[state.validation], CLASS[state.drift], STANDING_KINDS[state.standing] if state.standing else "none"}
    return next(kind for kind in ("fail", "warn", "pass", "little", "none") if kind in found)


def shown_windows(spec: UseCase, windows: Iterable[WindowState], show: str = "") -> dict[str, Any]:
    """What the templates of windows need besides the timeline."""
    return {
        "spec": spec,
        "zone": spec.schedule.timezone,
        "higher_is_better": metric_named(spec.training.metric).higher_is_better,
        "instant_before": timedelta(microseconds=1),
        "rows": [each for each in windows if FILTERS[show][1](each)],
        "show": show,
        "filters": {name: words for name, (words, _) in FILTERS.items()},
        "standing_kinds": STANDING_KINDS,
        "verdict_kinds": CLASS,
        "paging": None,
        "asked_until": None,
    }
