"""The settings that retrain on the flights, on other data: they must be no worse there than never retraining.

Run it as `make bench` does, which makes the environment that the data is in. NannyML's synthetic car loans of twenty
months are lived through as the flights are in `year_of_flights.py`, with the very same training and monitoring. It
prints the same, and fails when the policy is worse than `never` beyond chance, or far from `weekly`.
"""

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

# Two policies live at the same time, each on one core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from replays.lives import NEVER, OURS, UNJUDGED, WEEKLY, lives
from replays.loans import recorded_loans
from replays.months import by_month
from replays.picture import draw
from replays.told import against, table, told, verdict

FIRST, SINCE = datetime(2018, 1, 1, tzinfo=UTC), datetime(2018, 3, 1, tzinfo=UTC)
END = datetime(2019, 8, 29, tzinfo=UTC)
MOST_LOSS = 0.01
SHOWN = {OURS: "the settings of the flights", WEEKLY: "a new model every week", NEVER: "never retrained"}


def main() -> int:
    recorded = recorded_loans()
    found = lives(recorded, FIRST, recorded.windows(SINCE, END))
    months = by_month({name: each.outcomes for name, each in found.items()})
    print("\n".join([*table(months, found), "", *told(found), against(months, UNJUDGED, OURS)]))
    above, below = months.gain(OURS, NEVER), months.gain(WEEKLY, OURS)
    print(f"\n{above.value:+.4f} above never ({above.low:+.4f} to {above.high:+.4f})")
    print(f"{below.value:+.4f} below weekly ({below.low:+.4f} to {below.high:+.4f}), at most {MOST_LOSS}")
    print(f"picture: {draw(months, found[OURS].retrainings, SHOWN, Path(__file__).stem)}")
    print(json.dumps(verdict(months, found)))
    return 0 if above.high >= 0 and below.value <= MOST_LOSS else 1


if __name__ == "__main__":
    sys.exit(main())
