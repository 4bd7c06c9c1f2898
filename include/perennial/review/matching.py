"""Whether two columns of keys name the same entities, and if not, what would make them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

FEW = 0.5  # below this share of labels whose key is among the rows, something is taken to be wrong

# What keys most often differ by, each with what it is called.
_NORMAL: dict[str, Callable[[str], str]] = {
    "spaces around them": str.strip,
    "upper and lower case": str.casefold,
    "zeros in front": lambda key: key.lstrip("0") or "0",
    "a .0 at the end (a number that was written as a float)": lambda key: key.removesuffix(".0"),
    "hyphens, spaces and underscores": lambda key: key.replace("-", "").replace(" ", "").replace("_", ""),
}


@dataclass(frozen=True)
class KeyMatch:
    """How many of the distinct keys are on both sides.

    `mend` names what they differ by, when without it more of them match; `example` is one key of each side.
    """

    rows: int
    labels: int
    both: int
    mend: str | None
    matched_when_mended: int
    example: tuple[str, str] | None

    @property
    def suspicious(self) -> bool:
        """Whether so few labels find their row that something is wrong."""
        return bool(self.labels and self.rows and (self.both < FEW * min(self.labels, self.rows) or self.mend))


def match_keys(rows: Iterable[object], labels: Iterable[object]) -> KeyMatch:
    """Compare keys as texts.

    >>> match_keys(["a-1", "a-2"], ["A-1 ", "A-2 "]).mend
    'spaces around them, upper and lower case'
    """
    ours, theirs = ({str(key) for key in keys if key is not None} for keys in (rows, labels))
    both = len(ours & theirs)
    used: list[str] = []
    left, right = {key: key for key in ours}, {key: key for key in theirs}
    best = both
    for name, normal in _NORMAL.items():
        new_left = {normal(key): original for key, original in left.items()}
        new_right = {normal(key): original for key, original in right.items()}
        # A step may only pay off together with a later one, such as case after spaces, but never costs a match.
        if new_left.keys() != left.keys() or new_right.keys() != right.keys():
            found = len(new_left.keys() & new_right.keys())
            if found >= best and len(new_left) == len(left):
                left, right, best = new_left, new_right, found
                used.append(name)
    if best <= both:
        example = (min(ours), min(theirs)) if ours and theirs else None
        return KeyMatch(len(ours), len(theirs), both, None, both, example)
    needed = _needed(ours, theirs, used, best)
    common = min(left.keys() & right.keys(), key=lambda key: (left[key] == right[key], key))
    return KeyMatch(len(ours), len(theirs), both, ", ".join(needed), best, (left[common], right[common]))


def _needed(ours: set[str], theirs: set[str], used: list[str], best: int) -> list[str]:
    """The steps without which fewer keys match."""

    def matched(names: list[str]) -> int:
        left, right = ours, theirs
        for name in names:
            left, right = {_NORMAL[name](key) for key in left}, {_NORMAL[name](key) for key in right}
        return len(left & right)

    kept = list(used)
    for name in reversed(used):  # the later ones change more
        without = [each for each in kept if each != name]
        if matched(without) >= best:
            kept = without
    return kept
