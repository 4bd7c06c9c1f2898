"""The deciding metric by month under each policy, and how sure the differences are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perennial.arrays import Floats
from perennial.backtest.life import Outcomes

Units = np.ndarray[tuple[int], np.dtype[np.int64]]

RESAMPLES = 1_000
LOW, HIGH = 2.5, 97.5


@dataclass(frozen=True)
class Gain:
    """By how much one policy's mean of months is above another's, with its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Months:
    """ROC AUC of all rows of each month, by policy, and each month's ROC AUC on resamples of its windows.

    The same windows are drawn for all policies, so that differences are paired. `resampled` has shape
    (resamples, months).
    """

    names: tuple[str, ...]
    values: dict[str, dict[str, float]]
    resampled: dict[str, Floats]

    def mean(self, policy: str) -> float:
        """The mean of the months, each counting the same."""
        return float(np.mean(list(self.values[policy].values())))

    def gain(self, policy: str, rival: str) -> Gain:
        """The policy's gain over the rival in the mean of the months."""
        found = (self.resampled[policy] - self.resampled[rival]).mean(axis=1)
        low, high = (float(each) for each in np.percentile(found, [LOW, HIGH]))
        return Gain(self.mean(policy) - self.mean(rival), low, high)


def by_month(outcomes: Mapping[str, Outcomes], seed: int = 0, resamples: int = RESAMPLES) -> Months:
    """Measure every policy by month, on the windows that all of them scored."""
    known = [set(found) for found in outcomes.values()]
    windows = sorted(set.intersection(*known))
    names = tuple(dict.fromkeys(f"{window.start:%Y-%m}" for window in windows))
    random = np.random.default_rng(seed)
    values: dict[str, dict[str, float]] = {policy: {} for policy in outcomes}
    resampled: dict[str, list[Floats]] = {policy: [] for policy in outcomes}
    for month in names:
        own = [window for window in windows if f"{window.start:%Y-%m}" == month]
        counts = random.multinomial(len(own), np.full(len(own), 1 / len(own)), size=resamples)
        for policy, found in outcomes.items():
            truth = np.concatenate([found[window][0] for window in own])
            said = np.concatenate([found[window][1] for window in own])
            unit = np.repeat(np.arange(len(own)), [len(found[window][0]) for window in own])
            areas = weighted_areas(truth, said, np.vstack([np.ones(len(own)), counts]), unit)
            values[policy][month] = float(areas[0])
            resampled[policy].append(areas[1:])
    return Months(names, values, {policy: np.column_stack(found) for policy, found in resampled.items()})


def weighted_areas(
    truth: Floats, said: Floats, weights: Floats, unit: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> Floats:
    """The area under the ROC curve for each row of `weights`, which weigh units; `unit` says whose each row is.

    Ties count half. Shape (weightings,).
    """
    order = np.argsort(said, kind="stable")
    sorted_said, positive, of = said[order], truth[order] == 1, unit[order]
    ends = np.flatnonzero(np.append(np.diff(sorted_said) != 0, True))
    found = np.empty(len(weights))
    for position, weight in enumerate(weights):
        each = weight[of]
        ones = np.diff(np.cumsum(each * positive)[ends], prepend=0.0)
        zeros = np.diff(np.cumsum(each * ~positive)[ends], prepend=0.0)
        below = np.cumsum(zeros) - zeros / 2
        found[position] = (ones @ below) / (ones.sum() * zeros.sum())
    return found
