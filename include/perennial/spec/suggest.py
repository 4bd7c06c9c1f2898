"""The name that somebody probably meant."""

import difflib
from collections.abc import Iterable


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that `word` most resembles, letter case and separators aside; None when none is near.

    >>> nearest("RandomForest", ["linear", "random_forest"])
    'random_forest'
    >>> nearest("auc_roc", ["roc_auc", "pr_auc"])
    'roc_auc'
    """
    by_spelling = {spelling: name for name in names for spelling in _spellings(name)}
    close = difflib.get_close_matches(_spellings(word)[0], by_spelling, n=1, cutoff=0.6)
    return by_spelling[close[0]] if close else None


def _spellings(name: str) -> list[str]:
    """The letters alone, with the words in their own order and in the other one."""
    words = name.lower().replace("-", "_").split("_")
    return ["".join(words), "".join(reversed(words))]
