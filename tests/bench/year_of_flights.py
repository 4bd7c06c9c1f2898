"""A year of flights, lived through again: retraining as the spec says against never and against every week.

Run it as `python tests/bench/year_of_flights.py`. The flights of March to December 2013 are scored, monitored, measured
and, where the spec's policy says so, trained on, judged and deployed by the jobs of production, on stores in memory.
`never` keeps its first model, of January and February; `weekly` chooses anew among the same candidates every seven
days and puts the choice into service, whatever a judge would say; `unjudged` does so when the policy retrained. It
prints the ROC AUC of what was published, by month, on final labels, every retraining with its reasons, what each of the
judge's refusals cost, and the same as JSON. Intervals are of 1,000 resamples of each month's days.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

# Two policies live at the same time, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from replays.flights import recorded_flights
from replays.lives import NEVER, OURS, UNJUDGED, WEEKLY, lives
from replays.months import by_month
from replays.picture import draw
from replays.told import against, table, told, verdict

FIRST, SINCE = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 3, 1, tzinfo=UTC)
END = datetime(2014, 1, 1, tzinfo=UTC)
LEAST_GAIN, MOST_LOSS, MOST_RETRAININGS = 0.03, 0.01, 6
SHOWN = {OURS: "the use case's policy", WEEKLY: "a new model every week", NEVER: "never retrained"}


def main() -> int:
    recorded = recorded_flights()
    found = lives(recorded, FIRST, recorded.windows(SINCE, END))
    months = by_month({name: each.outcomes for name, each in found.items()})
    print("\n".join([*table(months, found), "", *told(found), against(months, UNJUDGED, OURS)]))
    above, below = months.gain(OURS, NEVER), months.gain(WEEKLY, OURS)
    asked = len(found[OURS].retrainings)
    reached = {
        f"{above.value:+.4f} above never ({above.low:+.4f} to {above.high:+.4f}), at least {LEAST_GAIN}": (
            above.value >= LEAST_GAIN
        ),
        f"{below.value:+.4f} below weekly ({below.low:+.4f} to {below.high:+.4f}), at most {MOST_LOSS}": (
            below.value <= MOST_LOSS
        ),
        f"{asked} retrainings, at most {MOST_RETRAININGS}": asked <= MOST_RETRAININGS,
    }
    print("\n".join(["", *(f"{'reached' if each else 'MISSED'}: {name}" for name, each in reached.items())]))
    print(f"picture: {draw(months, found[OURS].retrainings, SHOWN, Path(__file__).stem)}")
    print(json.dumps(verdict(months, found)))
    return 0 if all(reached.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
