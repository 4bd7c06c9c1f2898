"""What a judge's refusals cost: the model that stayed against the refused one, on the windows that came after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from perennial.backtest.life import Outcomes, Retraining
from perennial.judgement.comparison import Comparison
from perennial.judgement.rows import Scored
from perennial.judgement.within import compare_within

METRIC = "roc_auc"


@dataclass(frozen=True)
class Refusal:
    """A refused challenger: when it was judged, and by how much it would have been better until the next judgement.

    `cost` is positive where refusing was a mistake. It is measured within windows, weighted by rows, as in service.
    """

    as_of: datetime
    until: datetime | None
    cost: Comparison


def refusals(retrainings: Sequence[Retraining], judged: Outcomes, unjudged: Outcomes) -> list[Refusal]:
    """The cost of every refusal, from what was published with the judge and what would have been without one.

    Both have the same rows in the same order. Errors: `ValueError` where they have not.
    """
    found = []
    for position, each in enumerate(retrainings):
        until = retrainings[position + 1].as_of if position + 1 < len(retrainings) else None
        windows = [
            window for window in judged if each.as_of <= window.start and (until is None or window.start < until)
        ]
        if each.promoted or not windows:
            continue
        truth, same = (np.concatenate([of[window].truth for window in windows]) for of in (judged, unjudged))
        if not np.array_equal(truth, same):
            raise ValueError(f"The rows of the two lives since {each.as_of} are not the same, or not in one order.")
        ours, theirs = (np.concatenate([of[window].predictions for window in windows]) for of in (judged, unjudged))
        keys = [window.key for window in windows for _ in judged[window].truth]
        found.append(Refusal(each.as_of, until, compare_within(METRIC, Scored.of_keys(truth, ours, theirs, keys))))
    return found


def refusal_text(found: Refusal) -> str:
    """The refusal in one line."""
    cost, until = found.cost, f"{found.until:%Y-%m-%d}" if found.until else "the end"
    return (
        f"refused on {found.as_of:%Y-%m-%d}: until {until} it would have been {cost.gain:+.4f} better "
        f"({cost.low:+.4f} to {cost.high:+.4f}) in {cost.windows} windows"
    )
