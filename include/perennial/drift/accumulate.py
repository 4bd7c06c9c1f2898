"""Evidence that accumulates over windows: slow drift shows in many small p-values, none remarkable by itself.

Two rules, both with a known number of false alarms in a year of ordinary windows:

- a CUSUM of conformal p-values, for whole windows and for each column, the default;
- k alarms in n windows.

The p-values of several windows are not independent, because all are ranks among the same reference windows: a
reference that happens to lack extremes makes many small ones. With exchangeable windows and a score that is fixed,
their joint distribution is that of an urn, whatever the data (Gazin, Blanchard and Roquain, 2024, AISTATS): draw
n + m numbers and rank the last m among the first n. It is simulated here, with a fixed seed, and the rules are set by
it; taking the p-values for independent would promise fewer false alarms than there are.

A threshold of the CUSUM depends on three numbers only. Those that a model will need are simulated once, when it is
deployed, and kept (`thresholds_of`); every other one is simulated when it is asked for, with the same outcome.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.spec.false_alarms import FalseAlarms, windows_per_year
from perennial.verdict import Verdict
from perennial.window import Every

EXPONENT = 0.5
WHOLE_SHARE = 0.5  # of the accepted false alarms; the rest is for the columns
SIMULATED_WINDOWS = 2_000_000  # those of the references included
FEWEST_YEARS = 200
HALVINGS = 16
ROUNDING = 1e-9
MOST_DECIMALS = 17


@dataclass(frozen=True)
class Accumulated:
    """What the windows since a deployment say together. `fail`: the last one of them raised an alarm.

    `column` is the column whose evidence this is, None for that of whole windows. `statistic` is the CUSUM after the
    last window, in nats, and `threshold` where it raises an alarm and starts anew. `alarms` are the positions of
    windows that did, `since` that of the first window of the present climb from zero, `windows` the number of windows
    with a p-value, and `expected` the number of alarms if all of them were ordinary. `shift` is where the present shift
    began: an alarm starts a new climb and does not end a shift, so it is the start of the first of the climbs that
    followed each other without a pause.
    """

    verdict: Verdict
    statistic: float
    threshold: float
    alarms: tuple[int, ...]
    since: int
    windows: int
    expected: float
    reason: str
    column: str | None = None
    shift: int = 0


PValues = Sequence[float | None]
# What `cusum_threshold` returned, by its arguments.
Thresholds = Mapping[tuple[int, float, int], float]
NOTHING_KEPT: Thresholds = {}


def strongest(
    whole: PValues,
    columns: Mapping[str, PValues],
    reference_windows: int,
    accepted: FalseAlarms,
    every: Every,
    kept: Thresholds = NOTHING_KEPT,
) -> Accumulated:
    """The evidence that is nearest to an alarm, or beyond: that of whole windows, or that of one column.

    `whole` and each of `columns` are the p-values of the same windows, oldest first.

    A window's own p-value is that of its most unusual column. A change that is small compared with the ordinary changes
    of other columns hardly moves it, however long the change lasts; the column's own p-values do show it. Half of the
    accepted false alarms is for whole windows, which notice large changes sooner, and half for all columns, the same
    for each: expected numbers of alarms add up, however the columns depend on each other.

    `alarms` are those of any evidence. Thresholds that are not `kept` are simulated. Errors: `NotEnoughData` when there
    is no reference window.
    """
    if not columns:
        return accumulate(whole, reference_windows, accepted, every, kept)
    of_whole, of_column = _shares(accepted, len(columns))
    found = [
        accumulate(whole, reference_windows, of_whole, every, kept),
        *(
            replace(accumulate(own, reference_windows, of_column, every, kept), column=name)
            for name, own in columns.items()
        ),
    ]
    best = max(found, key=lambda each: (each.verdict is Verdict.FAIL, each.statistic / each.threshold))
    windows = found[0].windows
    return replace(
        best,
        alarms=tuple(sorted({position for each in found for position in each.alarms})),
        windows=windows,
        expected=sum(each.expected for each in found),
        reason=_reason(windows, best, accepted),
    )


def accumulate(
    p_values: PValues,
    reference_windows: int,
    accepted: FalseAlarms,
    every: Every,
    kept: Thresholds = NOTHING_KEPT,
) -> Accumulated:
    """Sum up the evidence of windows compared with one reference, oldest first.

    CUSUM (Page, 1954, Biometrika 41) of the logarithms of the power betting function `EXPONENT p^(EXPONENT - 1)` on
    conformal p-values (Vovk, Nouretdinov and Gammerman, 2003, ICML; Volkhonskiy et al., 2017, PMLR 60; Vovk et al.,
    2021, PMLR 152: conformal CUSUM). An ordinary p-value takes evidence away on average, small ones add to it. The
    threshold keeps the expected number of alarms in ordinary windows at `accepted`.

    Windows without a p-value are passed over. Errors: `NotEnoughData` when there is no reference window.
    """
    asked = _asked(reference_windows, accepted, every)
    threshold = kept[asked] if asked in kept else cusum_threshold(*asked)
    statistic, alarms, raised, since, shift = 0.0, [], False, 0, 0
    known = [position for position, p in enumerate(p_values) if p is not None]
    bets = _bet(np.array([p for p in p_values if p is not None], dtype=np.float64)).tolist()
    for position, bet in zip(known, bets, strict=True):
        carried = 0.0 if raised else statistic
        shift = shift if statistic > 0 else position
        since = since if carried > 0 else position
        statistic = max(0.0, carried + bet)
        raised = statistic >= threshold
        if raised:
            alarms.append(position)
    windows = len(known)
    found = Accumulated(
        verdict=_verdict(windows, raised),
        statistic=statistic,
        threshold=threshold,
        alarms=tuple(alarms),
        since=since,
        windows=windows,
        expected=accepted.per_year(every) * windows / windows_per_year(every),
        reason="",
        shift=shift,
    )
    return replace(found, reason=_reason(windows, found, accepted))


def thresholds_of(reference_windows: int, columns: int, accepted: FalseAlarms, every: Every) -> dict[str, Any]:
    """What `strongest` needs for so many columns and reference windows, simulated, as JSON for `read_thresholds`.

    Errors: `NotEnoughData` when there is no reference window.
    """
    shares = _shares(accepted, columns) if columns else (accepted,)
    asked = [_asked(reference_windows, share, every) for share in shares]
    return {
        "reference_windows": reference_windows,
        "windows_per_year": windows_per_year(every),
        "by_alarms_per_year": [[each[1], cusum_threshold(*each)] for each in asked],
    }


def read_thresholds(kept: Mapping[str, Any]) -> Thresholds:
    """What `thresholds_of` said."""
    return {
        (kept["reference_windows"], per_year, kept["windows_per_year"]): threshold
        for per_year, threshold in kept["by_alarms_per_year"]
    }


@lru_cache(maxsize=64)
def cusum_threshold(reference_windows: int, per_year: float, windows: int) -> float:
    """Where the CUSUM raises an alarm, so that a year of `windows` ordinary ones has `per_year` alarms on average.

    Simulated: it takes a tenth of a second and more.
    """
    null = _null_cusum(reference_windows, windows)
    low, high = 0.0, 1.0
    while null.has_more_alarms(high, per_year):
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if null.has_more_alarms(middle, per_year) else (low, middle)
    return high


def null_p_values(reference_windows: int, windows: int) -> Floats:
    """Simulated years (rows) of conformal p-values of exchangeable windows, all ranked among one reference each.

    Errors: `NotEnoughData` when there is no reference window.
    """
    if reference_windows < 1:
        raise NotEnoughData("Evidence needs a reference with windows to rank new ones among; this one has none.")
    years = max(FEWEST_YEARS, SIMULATED_WINDOWS // (reference_windows + windows))
    random = np.random.default_rng(0)
    known = np.sort(random.random((years, reference_windows)), axis=1)
    new = random.random((years, windows))
    below = np.array([known[year].searchsorted(new[year]) for year in range(years)])
    return np.asarray((1 + reference_windows - below) / (1 + reference_windows), dtype=np.float64)


@dataclass(frozen=True)
class _NullCusum:
    """Simulated years of ordinary windows. `bets` is windows x years, `highest` how high the CUSUM of a year gets."""

    bets: Floats
    highest: Floats

    def has_more_alarms(self, threshold: float, per_year: float) -> bool:
        """Whether a year has more than `per_year` alarms on average.

        Evidence starts anew after an alarm only, so a year has alarms where its highest value reaches the threshold.
        """
        some = self.highest >= threshold
        years, fewest = len(some), int(np.count_nonzero(some))
        return fewest / years > per_year or _alarms(self.bets[:, some], threshold) / years > per_year


@lru_cache(maxsize=2)
def _null_cusum(reference_windows: int, windows: int) -> _NullCusum:
    bets = np.ascontiguousarray(_bet(null_p_values(reference_windows, windows)).T)
    statistic, highest = np.zeros(bets.shape[1]), np.zeros(bets.shape[1])
    for step in bets:
        statistic = np.maximum(statistic + step, 0.0)
        np.maximum(highest, statistic, out=highest)
    return _NullCusum(bets, highest)


def _shares(accepted: FalseAlarms, columns: int) -> tuple[FalseAlarms, FalseAlarms]:
    """The accepted false alarms of whole windows, and of each column."""
    return accepted.share(WHOLE_SHARE), accepted.share((1 - WHOLE_SHARE) / columns)


def _asked(reference_windows: int, accepted: FalseAlarms, every: Every) -> tuple[int, float, int]:
    return reference_windows, accepted.per_year(every), windows_per_year(every)


def _bet(p: Floats) -> Floats:
    return np.asarray(math.log(EXPONENT) + (EXPONENT - 1) * np.log(p))


def _alarms(bets: Floats, threshold: float) -> int:
    statistic = np.zeros(bets.shape[1])
    total = 0
    for step in bets:
        statistic = np.maximum(statistic + step, 0.0)
        raised = statistic >= threshold
        total += int(np.count_nonzero(raised))
        statistic[raised] = 0.0
    return total


def _verdict(windows: int, raised: bool) -> Verdict:
    if not windows:
        return Verdict.INSUFFICIENT
    return Verdict.FAIL if raised else Verdict.PASS


def _reason(windows: int, found: Accumulated, accepted: FalseAlarms) -> str:
    if not windows:
        return "No window could be assessed, so there is no evidence."
    outcome = "enough for an alarm" if found.verdict is Verdict.FAIL else "not enough for an alarm"
    of = f" of {found.column.strip('()')}" if found.column else ""
    stands, takes = told_apart(found.statistic, found.threshold)
    return (
        f"Evidence of drift{of} over {windows} {'window' if windows == 1 else 'windows'} is "
        f"{stands}: {outcome}, which needs {takes} ({accepted} in ordinary windows)."
    )


def told_apart(one: float, other: float) -> tuple[str, str]:
    """Two numbers with as many decimals as it takes to see which is larger, at least two.

    >>> told_apart(3.0159, 3.0161), told_apart(1.0, 2.0)
    (('3.0159', '3.0161'), ('1.00', '2.00'))
    """
    for decimals in range(2, MOST_DECIMALS):
        stands, takes = f"{one:.{decimals}f}", f"{other:.{decimals}f}"
        if stands != takes:
            return stands, takes
    return f"{one:.2f}", f"{other:.2f}"
