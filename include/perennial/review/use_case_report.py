"""The report on a use case: its windows and what became of its models, its labels and its policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Literal

from perennial.jobs.upkeep.gaps import expected_between
from perennial.ledger.entries import Backtest, ReviewMeasurement
from perennial.ports import Ports
from perennial.review import going_back, label_delay, matters, models, recent, retirement, rollout, timeline
from perennial.review.going_back import GoingBack
from perennial.review.label_delay import LabelDelay
from perennial.review.models import ModelFamily
from perennial.review.portfolio import WINDOWS
from perennial.review.retirement import EndedUseCase
from perennial.review.rollout import RolloutState
from perennial.review.timeline import Timeline, last_windows
from perennial.spec.models import UseCase
from perennial.window import Every, Window

MISSING_SHOWN = 28  # windows after the last one that was read, if they should have been scored
DAYS_OF_HOURS, FEW_HUNDRED, MOST_DAYS = 21, 372, 90
WINDOWS_SHOWN = 371  # days: a year and a week
BY_LENGTH: dict[Every, int] = {
    Every.HOUR: DAYS_OF_HOURS * 24,
    Every.DAY: WINDOWS_SHOWN,
    Every.WEEK: 106,
    Every.MONTH: 60,
}


@dataclass(frozen=True)
class UseCaseReport:
    """A use case as of a moment.

    `timeline` holds some of its windows. `earlier` and `later` are what to ask for as `until` to see those before and
    after, None where there are none. `newest` is the end of the newest window that there is to show; `more_missing`:
    after it even more are missing. `missing` counts all that are missing, as the page over all use cases does.
    `by_people` is what people's answers say of the newest model, None where nobody is asked. `rollout` is the one under
    way. `going_back` says which version stands by, and what was rolled back; None before the second champion.
    `backtest` is the one of the retraining policies that was recorded last. `ended` is None while the use case goes on.
    """

    use_case: str
    title: str
    owner: str
    metric: str
    max_metric_loss: float | None
    as_of: datetime
    timeline: Timeline
    earlier: datetime | None
    later: datetime | None
    newest: datetime
    more_missing: bool
    missing: int
    family: ModelFamily
    delay: LabelDelay
    backtest: Backtest | None
    ended: EndedUseCase | None = None
    by_people: ReviewMeasurement | None = None
    rollout: RolloutState | None = None
    going_back: GoingBack | None = None
    format: Literal[1] = 1


def run(spec: UseCase, now: datetime, ports: Ports, until: datetime | None = None) -> UseCaseReport:
    """The use case with its windows before `until` (default: the newest). Errors: `StoreUnavailable`."""
    ended = retirement.run(spec.name, ports.ledger)
    end, more_missing = _newest(spec, min(now, ended.at) if ended else now, ports)
    windows = _shown(spec, end, until)
    missing = 0 if ended else len(matters.missing(recent.run([spec], now, ports.ledger, WINDOWS)[spec.name]))
    later = None
    if windows and windows[-1].end < end:
        later = list(islice(spec.grid.between(windows[-1].end, end), windows_on_a_page(spec.schedule.every)))[-1].end
    return UseCaseReport(
        use_case=spec.name,
        title=spec.title,
        owner=spec.owner,
        metric=spec.training.metric,
        max_metric_loss=spec.monitoring.max_metric_loss,
        as_of=now,
        timeline=timeline.run(spec, windows, now, ports.ledger, newest=later is None),
        earlier=windows[0].start if windows and windows[0].start > spec.start else None,
        later=later,
        newest=end,
        more_missing=more_missing,
        missing=missing,
        family=models.run(spec, ports),
        delay=label_delay.run(spec, now, ports.ledger),
        backtest=ports.ledger.last_backtest(spec.name),
        ended=ended,
        by_people=ports.ledger.last_review_measurement(spec.name) if spec.review else None,
        rollout=rollout.run(spec, ports),
        going_back=going_back.run(spec, now, ports.ledger),
    )


def windows_on_a_page(every: Every) -> int:
    """How many windows are shown at once: a year of days, three weeks of hours, whole days of several hours."""
    if every.hours is None:
        return BY_LENGTH[every]
    a_day = 24 // every.hours
    return min(MOST_DAYS, FEW_HUNDRED // a_day) * a_day


def _newest(spec: UseCase, now: datetime, ports: Ports) -> tuple[datetime, bool]:
    """The end of the newest window to show, and whether more are missing after it.

    It is the last that was read, or the first few of those after it that should have been scored; but not where so many
    lie between that the last that was read would not be on a page with them.
    """
    last = ports.ledger.last_ingested(spec.name)
    end = spec.grid.containing(last.end).start if last else spec.start  # an earlier schedule's may end elsewhere
    expected = expected_between(spec, now, ports.ledger.deployments(spec.name))
    if expected is None or expected[1] <= end:
        return end, False
    after = list(islice(spec.grid.between(max(end, expected[0]), expected[1]), MISSING_SHOWN + 1))
    page = windows_on_a_page(spec.schedule.every)
    between = spec.grid.between(end, after[:MISSING_SHOWN][-1].end) if last and after else ()
    if sum(1 for _ in islice(between, page)) == page:
        return end, True
    return (after[:MISSING_SHOWN][-1].end if after else end), len(after) > MISSING_SHOWN


def _shown(spec: UseCase, newest: datetime, until: datetime | None) -> Sequence[Window]:
    """As many windows as fit, the last of which ends at or before `until`; the first one, if that is too early."""
    count = windows_on_a_page(spec.schedule.every)
    end = newest if until is None else min(until, newest)
    return last_windows(spec, end, count) or list(islice(spec.grid.between(spec.start, newest), 1))
