"""Rows in the order of their predictions, gone through by threshold: the rows of one prediction, the highest first."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from perennial.arrays import Floats
from perennial.ordered import CHUNK_ROWS, OrderedRows

FEW = CHUNK_ROWS  # rows; up to so many are looked at in memory, each for itself
GROUPS = 16_384  # of neighbouring thresholds, where not every row is drawn for itself
SCORE, HIT = "a_score", "b_hit"  # rows are sorted by the first of them, which is minus the prediction

Counts = npt.NDArray[np.int64]


def counted_hits(rows: OrderedRows) -> Iterator[tuple[Counts, Counts]]:
    """How many rows of each threshold have a hit, and how many have none; those of many thresholds at a time.

    `rows` have `SCORE` and `HIT`, and are at least one.
    """
    for _, counts in _counted(rows, with_hits=True):
        yield counts[0], counts[1] - counts[0]


def counted_scores(rows: OrderedRows) -> Iterator[tuple[Floats, Counts]]:
    """The score of each threshold, and how many rows it has. `rows` have `SCORE`, and are at least one."""
    for scores, counts in _counted(rows, with_hits=False):
        yield scores, counts[-1]


def _counted(rows: OrderedRows, *, with_hits: bool) -> Iterator[tuple[Floats, Counts]]:
    """Scores, and below each other their hits, if these are asked for, and their rows."""
    held = np.empty(0), np.empty((2 if with_hits else 1, 0), dtype=np.int64)
    for chunk in rows.chunks():
        score = chunk.column(SCORE).to_numpy()
        begins = np.flatnonzero(np.append(True, score[1:] != score[:-1]))
        each = [np.diff(np.append(begins, len(score)))]
        if with_hits:
            each.insert(0, np.add.reduceat(chunk.column(HIT).to_numpy().astype(np.int64), begins))
        scores, counts = score[begins], np.array(each)
        if len(held[0]) and held[0][0] == scores[0]:
            counts[:, 0] += held[1][:, 0]
        else:
            scores, counts = np.append(held[0], scores), np.append(held[1], counts, axis=1)
        if len(scores) > 1:
            yield scores[:-1], counts[:, :-1]
        held = scores[-1:], counts[:, -1:]  # more rows with this score may follow
    yield held
