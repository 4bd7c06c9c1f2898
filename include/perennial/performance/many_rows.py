"""What `perennial.performance.interval` says, of more rows than should be in memory: they come in pieces.

Losses are added up as they come. For what depends on the order of predictions the rows are sorted outside of memory,
and gone through by threshold: the rows of one prediction. ROC AUC and its variance are counted exactly, in whole
numbers of pairs; PR AUC is a sum over the thresholds.

Where a small window draws each row again, here up to `GROUPS` groups of neighbouring thresholds are drawn: the rows of
a group are drawn for themselves, their order within it is left out. Of R², whose resamples are sums of many rows, the
sums are drawn from the normal distribution that they have by the central limit theorem.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
import pyarrow as pa

from perennial.arrays import Floats
from perennial.ordered import ordered
from perennial.performance.interval import (
    RESAMPLED_AT_ONCE,
    RESAMPLES,
    Interval,
    area_interval,
    intervals,
    log_losses,
    loss_interval,
    resampled_interval,
    root_interval,
)
from perennial.performance.running import RunningMean
from perennial.performance.thresholds import FEW, GROUPS, HIT, SCORE, Counts, counted_hits
from perennial.spec.names import Task

Pieces = Iterable[tuple[Floats, Floats]]  # truth and prediction of some rows, as `intervals` takes them


def intervals_of_pieces(task: Task, pieces: Pieces) -> dict[str, Interval]:
    """`intervals` of rows that come in pieces, each of shape (rows,). Up to `FEW` of them are looked at in memory.

    Errors: as `perennial.ordered.ordered`.
    """
    coming = iter(pieces)
    few: list[tuple[Floats, Floats]] = []
    for piece in coming:
        few.append(piece)
        if sum(len(truth) for truth, _ in few) > FEW:
            of_many = _of_classification if task is Task.BINARY_CLASSIFICATION else _of_regression
            return of_many(chain(few, coming))
    truth, prediction = (np.concatenate(each) for each in zip(*few, strict=True)) if few else (np.empty(0), np.empty(0))
    return intervals(task, truth, prediction)


def _of_classification(pieces: Pieces) -> dict[str, Interval]:
    log_loss, brier = RunningMean(), RunningMean()
    positives = 0

    def scores() -> Iterator[pa.Table]:
        nonlocal positives
        for truth, prediction in pieces:
            log_loss.add(log_losses(truth, prediction))
            brier.add((truth - prediction) ** 2)
            positives += int(np.count_nonzero(truth == 1))
            yield pa.table({SCORE: -prediction, HIT: truth == 1})

    with ordered(scores()) as rows:
        found = {
            "log_loss": loss_interval(log_loss.value, log_loss.standard_error),
            "brier": loss_interval(brier.value, brier.standard_error),
        }
        if not 0 < positives < rows.num_rows:
            return found
        curve = _Curve(positives, rows.num_rows - positives)
        for hits, misses in counted_hits(rows):
            curve.add(hits, misses)
    smaller = min(curve.positives, curve.negatives)
    area = area_interval(curve.area, curve.variance, smaller)
    return {"roc_auc": area, "pr_auc": curve.average_precision(), **found}


@dataclass
class _Curve:
    """What the thresholds, the highest first, make of all rows: areas under both curves, and how certain these are."""

    positives: int
    negatives: int
    above: int = 0  # positive rows of higher thresholds, and negative ones
    above_negative: int = 0
    pairs: int = 0  # twice those of a positive and a negative row that are in the right order, and once those that tie
    terms: list[float] = field(default_factory=list)
    beaten: RunningMean = field(default_factory=RunningMean)  # of a positive row: the share of negative ones below it
    unbeaten: RunningMean = field(default_factory=RunningMean)  # of a negative row: the share of positive ones above it
    group_hits: Counts = field(default_factory=lambda: np.zeros(GROUPS, dtype=np.int64))
    group_misses: Counts = field(default_factory=lambda: np.zeros(GROUPS, dtype=np.int64))

    def add(self, hits: Counts, misses: Counts) -> None:
        hits_before = self.above + np.cumsum(hits) - hits
        misses_before = self.above_negative + np.cumsum(misses) - misses
        below = self.negatives - misses_before - misses
        taken = hits_before + hits + misses_before + misses
        self.pairs += int((hits * (2 * below + misses)).sum())
        self.terms.append(float((hits * ((hits_before + hits) / taken)).sum()))
        self.beaten.add((below + misses / 2) / self.negatives, hits)
        self.unbeaten.add((hits_before + hits / 2) / self.positives, misses)
        group = (taken - 1) * GROUPS // (self.positives + self.negatives)
        self.group_hits += np.bincount(group, hits, GROUPS).astype(np.int64)
        self.group_misses += np.bincount(group, misses, GROUPS).astype(np.int64)
        self.above += int(hits.sum())
        self.above_negative += int(misses.sum())

    @property
    def area(self) -> float:
        return self.pairs / (2 * self.positives * self.negatives)

    @property
    def variance(self) -> float:
        """DeLong's, as `perennial.performance.interval.auc_variance`."""
        if min(self.positives, self.negatives) <= 1:
            return math.inf
        return self.beaten.variance / self.positives + self.unbeaten.variance / self.negatives

    def average_precision(self) -> Interval:
        value = math.fsum(self.terms) / self.positives
        of_groups = float(_average_precision(self.group_hits[None], self.group_misses[None])[0])
        random, at_once = np.random.default_rng(0), max(1, RESAMPLED_AT_ONCE // GROUPS)
        found: list[float] = []
        for begin in range(0, RESAMPLES, at_once):
            size = (min(at_once, RESAMPLES - begin), GROUPS)
            resampled = _average_precision(
                *(random.poisson(each, size) for each in (self.group_hits, self.group_misses))
            )
            found += (value + resampled - of_groups).clip(0, 1).tolist()
        return resampled_interval(value, found, (0.0, 1.0))


def _average_precision(hits: Counts, misses: Counts) -> Floats:
    """The average precision of each row of counts, whose columns are thresholds; NaN where one class has no rows."""
    above, taken = np.cumsum(hits, axis=1), np.cumsum(hits + misses, axis=1)
    sums = (hits * np.divide(above, taken, out=np.zeros(hits.shape), where=taken > 0)).sum(axis=1)
    both = (above[:, -1] > 0) & (above[:, -1] < taken[:, -1])
    return np.asarray(np.divide(sums, above[:, -1], out=np.full(len(sums), np.nan), where=both))


def _of_regression(pieces: Pieces) -> dict[str, Interval]:
    absolute, squared, outcomes = RunningMean(), RunningMean(), RunningMean()
    sums, products = np.zeros(4), np.zeros((4, 4))
    centre = 0.0
    least, most = math.inf, -math.inf
    for truth, prediction in pieces:
        if not len(truth):
            continue
        error = truth - prediction
        absolute.add(np.abs(error))
        squared.add(error**2)
        centre = centre if outcomes.count else float(truth.mean())
        centred = truth - centre
        outcomes.add(centred)
        least, most = min(least, float(truth.min())), max(most, float(truth.max()))
        each = np.stack([np.ones_like(truth), centred, centred**2, error**2])
        sums += each.sum(axis=1)
        products += each @ each.T
    found = {
        "mae": loss_interval(absolute.value, absolute.standard_error),
        "rmse": root_interval(math.sqrt(squared.value), squared.standard_error),
    }
    if least < most and outcomes.squares > 0:
        value = 1 - squared.value * squared.count / outcomes.squares
        found["r2"] = resampled_interval(value, _r_squared(sums, products), (-math.inf, 1.0))
    return found


def _r_squared(sums: Floats, products: Floats) -> list[float]:
    """R² of resamples. A row is drawn by a Poisson law of mean 1, so that `sums` of what rows say (1, their centred
    outcome, its square, the squared error) vary by the `products` of it.
    """
    scale = np.sqrt(products.diagonal())
    scale[scale == 0] = 1.0
    drawn = np.random.default_rng(0).multivariate_normal(
        sums / scale, products / np.outer(scale, scale), RESAMPLES, method="eigh"
    )
    rows, outcomes, squares, errors = (drawn * scale).T
    total = squares - np.divide(outcomes**2, rows, out=np.zeros_like(rows), where=rows > 0)
    found: list[float] = (1 - np.divide(errors, total, out=np.full(len(rows), np.nan), where=total > 0)).tolist()
    return found
