"""A year of flights in which new models come into service over the shadow and the canary.

Run it as `python tests/bench/year_in_rollout.py`. Four challengers live through March to December 2013 by the jobs of
production, on stores in memory, with the roll-out `shadow: 14d, canary: [5, 25]` and the use case's own metric,
`min_gain` and `margin`: one that is equal to the champion, one that is better, one that is a little better, and one
whose input breaks in mid-canary. It prints when each stage ended and why, the rows that the challenger published, the
mean of the months' ROC AUC of what was published beside never switching and switching at once, and the same as JSON.
Intervals are of 200 resamples of each month's days.

Then the stages' rule decides about the same gains once more, with the roll-out begun on each of `STARTS` days: how
often is it wrong, and how long does it take? It fails when an equal challenger is promoted, a better one is not, or a
row of the broken one stays published.
"""

import json
import logging
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

# Two cases live at the same time, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow as pa
import pyarrow.compute as pc
from replays.flights import recorded_flights
from replays.months import Months, by_month
from replays.rollouts import Case, LivedRollout, Recipe, lived
from replays.stored import Recorded
from sklearn.metrics import roc_auc_score

from perennial.judgement.window_gains import WindowGain
from perennial.policy.rollout import ADVANCE, StageEvidence, decide_stage
from perennial.spec.columns import Role
from perennial.spec.models import UseCase
from perennial.spec.rollout import Rollout
from perennial.spec.training import Candidate
from perennial.verdict import HOLD

FIRST, SINCE = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
MAY, END = datetime(2013, 5, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC)
ROLLOUT = Rollout(shadow=timedelta(days=14), canary=(5, 25))
MATURE = timedelta(days=1)
STARTS, APART, RESAMPLES = 12, timedelta(days=7), 200
EQUAL, BETTER, LITTLE, BREAKS = "equal", "better", "a little better", "breaks in mid-canary"
NEVER, AT_ONCE, OURS = "never", "at once", "rolled out"
FOREST = Candidate(name="forest", estimator="random_forest", parameters={"n_estimators": 100, "min_samples_leaf": 20})
ARRIVAL = "scheduled_arrival_minute"


def cases(spec: UseCase) -> list[Case]:
    """The four challengers, each with the champion of its time."""
    boosting, linear = spec.training.candidates
    other_seed = spec.model_copy(update={"training": spec.training.model_copy(update={"seed": spec.training.seed + 1})})
    departure = spec.columns[spec.event_time].model_copy(update={"derive": ("weekday",)})
    by_arrival = spec.model_copy(update={"columns": {**spec.columns, spec.event_time: departure}})
    arrival = spec.columns[ARRIVAL].model_copy(update={"role": Role.MONITOR})
    by_departure = spec.model_copy(update={"columns": {**spec.columns, ARRIVAL: arrival}})
    return [
        Case(EQUAL, Recipe(spec, FOREST, SINCE), Recipe(other_seed, FOREST, SINCE), SINCE),
        Case(BETTER, Recipe(spec, boosting, SINCE), Recipe(spec, boosting, MAY), MAY),
        Case(LITTLE, Recipe(spec, linear, SINCE), Recipe(spec, boosting, SINCE), SINCE),
        Case(
            BREAKS, Recipe(by_departure, boosting, SINCE), Recipe(by_arrival, boosting, MAY), MAY,
            breaks=as_clock, breaks_at=25, after=timedelta(days=3),
        ),
    ]  # fmt: skip


def as_clock(rows: pa.Table) -> pa.Table:
    """The rows with the scheduled arrival as hours and minutes, 905 for 9:05, where it was minutes of the day."""
    minutes = rows.column(ARRIVAL)
    hours = pc.divide(minutes, 60)
    position = rows.column_names.index(ARRIVAL)
    return rows.set_column(position, rows.schema.field(ARRIVAL), pc.add(minutes, pc.multiply(hours, 40)))


@dataclass(frozen=True)
class Restarted:
    """What the rule decided about one pair of models from each of several first days on.

    `outcomes` counts them; `days` passed until the challenger was the champion, the median of those that became it.
    """

    outcomes: Mapping[str, int]
    days: float | None


def restarted(found: LivedRollout, spec: UseCase) -> Restarted:
    """Let the rule decide about the gains of each window, begun anew `APART` later each time."""
    gains = gains_of(found)
    outcomes, days = Counter[str](), []
    for number in range(STARTS):
        began = found.case.begins + number * APART
        outcome, until = decided(gains, began, spec)
        outcomes[outcome] += 1
        if outcome == "champion":
            days.append((until - began) / timedelta(days=1))
    return Restarted(dict(outcomes), median(days) if days else None)


def gains_of(found: LivedRollout) -> list[WindowGain]:
    """The challenger's gain over the champion in each window, on the rows as they came."""
    gains = []
    for window, champion in found.never.items():
        challenger = found.at_once[window]
        gain = None
        if len(set(champion.truth)) > 1:
            areas = (roc_auc_score(champion.truth, each.predictions) for each in (challenger, champion))
            gain = next(areas) - next(areas)
        gains.append(WindowGain(window, window.end + MATURE, gain, len(champion.truth)))
    return gains


def decided(gains: Sequence[WindowGain], began: datetime, spec: UseCase) -> tuple[str, datetime]:
    """What the roll-out that begins then comes to, and when; looked at after each window."""
    share, since = ROLLOUT.shares[0], began
    for end in (each.window.end for each in gains if each.window.start >= began):
        known = tuple(each for each in gains if each.window.start >= since and each.matured_at <= end)
        decision = decide_stage(ROLLOUT, spec.training, StageEvidence(share, since, end, known, len(known), len(known)))
        if decision.action == HOLD:
            continue
        if decision.action != ADVANCE:
            return f"{decision.action} at {share}%", end
        following = ROLLOUT.after(share)
        if following is None:
            return "champion", end
        share, since = following, end
    return f"undecided at {share}%", gains[-1].window.end


_recorded: Recorded | None = None


def _lived(position: int) -> tuple[LivedRollout, Months, Restarted, float]:
    """One of the cases. In another process, which sends it back without what was predicted of each row."""
    assert _recorded is not None
    began, case = time.perf_counter(), cases(_recorded.use_case.spec)[position]
    found = lived(case, _recorded, ROLLOUT, FIRST, _recorded.windows(SINCE, END))
    months = by_month({NEVER: found.never, AT_ONCE: found.at_once, OURS: found.published}, resamples=RESAMPLES)
    again = restarted(found, _recorded.use_case.spec)
    found = replace(found, case=replace(case, breaks=None), never={}, at_once={}, published={})
    return found, months, again, time.perf_counter() - began


def main() -> int:
    global _recorded  # noqa: PLW0603
    _recorded = recorded_flights()
    values: dict[str, Any] = {}
    lives: dict[str, LivedRollout] = {}
    with ProcessPoolExecutor(2, multiprocessing.get_context("fork")) as pool:
        everything = pool.map(_lived, range(len(cases(_recorded.use_case.spec))))
        for found, months, again, seconds in everything:
            lives[found.case.name] = found
            values[found.case.name] = value(found, months, again, seconds)
            print("\n".join(told(found, months, again)), flush=True)
    reached = promises(lives)
    print("\n".join(f"{'reached' if each else 'MISSED'}: {name}" for name, each in reached.items()))
    print(json.dumps(values))
    return 0 if all(reached.values()) else 1


def value(found: LivedRollout, months: Months, again: Restarted, seconds: float) -> dict[str, Any]:
    """A case as JSON."""
    return {
        "stages": [
            {**asdict(each), "since": each.since.isoformat(), "until": each.until.isoformat()} for each in found.stages
        ],
        "means": {name: months.mean(name) for name in months.values},
        "against": {name: asdict(months.gain(OURS, name)) for name in (NEVER, AT_ONCE)},
        "rescored": found.rescored,
        "seconds_to_rescore": found.seconds,
        "broke": found.broke.isoformat() if found.broke else None,
        "restarted": asdict(again),
        "seconds": round(seconds),
    }


def told(found: LivedRollout, months: Months, again: Restarted) -> list[str]:
    """A case for people."""
    lines = [f"{found.case.name}, from {found.case.begins:%Y-%m-%d} on"]
    lines.append(f"  {'stage':<24}{'until':<12}{'days':>5}{'windows':>9}{'rows':>9}{'left':>9}  ended by")
    lines += [
        f"  {each.name:<24}{each.until:%Y-%m-%d}  {each.days:>5.0f}{each.windows:>9}{each.rows:>9,}{each.left:>9,}  "
        f"{each.action or 'nothing until the end'}"
        for each in found.stages
    ]
    lines += [f"    {each.name}: {each.reason}" for each in found.stages]
    if found.broke:
        lines.append(f"  its input breaks on {found.broke:%Y-%m-%d}")
    if found.rescored:
        lines.append(f"  {found.rescored} windows were scored again, {found.seconds:.1f} s after the decision")
    lines.append(
        f"  mean ROC AUC of the months: {', '.join(f'{name} {months.mean(name):.4f}' for name in months.values)}"
    )
    lines += [
        f"  {OURS} against {name}: {each.value:+.4f} ({each.low:+.4f} to {each.high:+.4f})"
        for name, each in ((name, months.gain(OURS, name)) for name in (NEVER, AT_ONCE))
    ]
    counts = ", ".join(f"{count} {name}" for name, count in again.outcomes.items())
    days = "" if again.days is None else f"; champion after {again.days:.0f} days (median)"
    lines += [f"  begun on {STARTS} days, {APART.days} days apart: {counts}{days}", ""]
    return lines


def promises(found: Mapping[str, LivedRollout]) -> dict[str, bool]:
    """What must be so, and whether it is."""
    broken = found[BREAKS]
    return {
        "an equal challenger is not promoted": not found[EQUAL].promoted,
        "no canary of a better challenger is rolled back": all(
            each.action != "roll_back" for name in (BETTER, LITTLE) for each in found[name].stages
        ),
        "a better challenger becomes the champion": found[BETTER].promoted,
        "one whose input breaks is rolled back": broken.stages[-1].action == "roll_back",
        "none of its rows stays published": sum(each.left for each in broken.stages) == 0,
    }


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    sys.exit(main())
