"""Folds in the order of time: a model is always measured on windows after those that it learnt from."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Fold = tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]

FOLDS = 3


def time_folds(windows: Sequence[str], folds: int = FOLDS) -> list[Fold]:
    """For rows of these windows, by their keys, the positions to learn from and those to measure on.

    Windows are cut, in the order of time, into one stretch more than there are folds: the first fold learns from the
    first stretch and is measured on the second, the next learns from two. No window is in both. With fewer windows
    there are fewer folds, with one there is none.
    """
    of_row = np.asarray(windows, dtype=object)
    names = sorted(set(windows))
    stretches = [part for part in np.array_split(np.array(names, dtype=object), folds + 1) if len(part)]
    number = {name: position for position, part in enumerate(stretches) for name in part}
    stretch = np.array([number[name] for name in of_row], dtype=np.intp)
    return [
        (np.flatnonzero(stretch < measured), np.flatnonzero(stretch == measured))
        for measured in range(1, len(stretches))
    ]
