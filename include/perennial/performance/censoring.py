"""Weights for the labels of windows that are not mature: the inverse of the probability of having arrived.

At an age, a label has arrived with a probability that may depend on the outcome: a loan that fails is known early, one
that is paid back late. Then the labels that are there are a biased sample, and knowing which share of all labels has
arrived by that age does not mend it. The share of each outcome's labels does, and mature windows tell it, because all
of their outcomes are known. A label with the weight 1 / P(arrived by the age | outcome) stands for itself and for those
like it that have not arrived (inverse probability of censoring weighting: Robins and Rotnitzky, 1992, in AIDS
Epidemiology; Horvitz and Thompson, 1952, JASA 47).

This is right if delays are as they were in mature windows, and depend on nothing but the outcome. The first is looked
at: whatever the mix of outcomes, weights add up to as many rows as they did in mature windows. What can't be seen is a
change that cancels in the sum, one too small for a window of that size, or in an outcome too rare, to move it; nor a
delay that depends on features.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perennial.errors import NotEnoughData
from perennial.performance.delay import FEWEST_WINDOWS
from perennial.wording import counted

# A weight above it would let few labels stand for very many, and its own error grow with it.
LARGEST_WEIGHT = 10.0
FEWEST_KNOWN = 100  # labels of each outcome; the relative standard error of a weight is then below 0.1
Z = 3.0

Counts = tuple[int, int]


@dataclass(frozen=True)
class Arrived:
    """A mature window of `rows` rows: how many labels 0 and 1 were `known` at an age, and in the end (`final`)."""

    rows: int
    known: Counts
    final: Counts


@dataclass(frozen=True)
class ArrivalWeights:
    """The weights of labels 0 and 1 at an age, learnt from so many mature `windows`.

    `share` is what the weights of a window's labels add up to, by its rows: the mean of the mature windows, and the
    standard deviation between them.
    """

    weights: tuple[float, float]
    share: float
    share_sd: float
    windows: int

    def check(self, rows: int, known: Counts) -> None:
        """Errors: `NotEnoughData` when the weights of these labels add up to another share of the rows than usual."""
        found = _share(self.weights, rows, known)
        chance = math.sqrt(sum(k * w * max(w - 1, 0) for k, w in zip(known, self.weights, strict=True))) / rows
        spread = max(self.share_sd, chance) * math.sqrt(1 + 1 / self.windows)
        if abs(found - self.share) > Z * spread:
            raise NotEnoughData(
                f"labels arrive differently than before: weighted, {sum(known):,} labels stand for {found:.0%} of "
                f"{counted(rows, 'row')}, where {self.share:.0%} is usual"
            )


def learn_weights(mature: Sequence[Arrived]) -> ArrivalWeights:
    """The weights that make the labels known at an age stand for all. Each window has a row at least.

    Errors: `NotEnoughData`, saying why there are none: too few windows, too few labels of an outcome arrive by that
    age to tell (`FEWEST_KNOWN`), or so small a share of them that weights would be above `LARGEST_WEIGHT`.
    """
    if len(mature) < FEWEST_WINDOWS:
        raise NotEnoughData(f"{counted(len(mature), 'mature window')} can't tell when labels come; it takes five")
    known, final = (np.array([each.known for each in mature]).sum(0), np.array([each.final for each in mature]).sum(0))
    for outcome in (0, 1):
        if known[outcome] < FEWEST_KNOWN or final[outcome] > LARGEST_WEIGHT * known[outcome]:
            raise NotEnoughData(
                f"{known[outcome]:,} of {final[outcome]:,} labels {outcome} have arrived at that age in mature "
                f"windows; it takes {FEWEST_KNOWN} and one in {LARGEST_WEIGHT:.0f}"
            )
    weights = (float(final[0] / known[0]), float(final[1] / known[1]))
    shares = np.array([_share(weights, each.rows, each.known) for each in mature])
    return ArrivalWeights(weights, float(shares.mean()), float(shares.std(ddof=1)), len(mature))


def _share(weights: tuple[float, float], rows: int, known: Counts) -> float:
    return (weights[0] * known[0] + weights[1] * known[1]) / rows
