"""The shape of texts: whether all of a column's values are written in the same way, and the pattern that says how.

Two readings are tried. By **runs**, every text has the same kinds of characters in the same order, and only how many
there are of each may differ: `AB1234` and `CD56` are two capitals and some digits. By **positions**, every text is as
long as the others, with punctuation at the same places: `9E`, `UA` and `B6` are two capitals or digits.
Song and He ("Auto-Validate: Unsupervised Data Validation Using Data-Domain Patterns Inferred from Data Lakes", SIGMOD
2021) infer patterns in this way, of more kinds; here only those count that every value fits. Words and names have
neither, or one that says nothing, such as "some letters".
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import groupby, islice, pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LONGEST = 40  # characters; what is longer is a text that people write
MOST_RUNS = 12
UPPER, LOWER, DIGIT = "A", "a", "0"
CLASSES = {UPPER: "A-Z", LOWER: "a-z", DIGIT: "0-9"}
FIRST_SEEN, LAST_SEEN = 0x20, 0x7E  # ASCII that can be seen, and blanks; there is no pattern of other characters
OTHER = 0

# Each byte's kind as a character; what is no letter or digit stands for itself.
KINDS = np.zeros(256, np.uint8)
KINDS[FIRST_SEEN : LAST_SEEN + 1] = np.arange(FIRST_SEEN, LAST_SEEN + 1)
for _kind, _first, _last in ((UPPER, "A", "Z"), (LOWER, "a", "z"), (DIGIT, "0", "9")):
    KINDS[ord(_first) : ord(_last) + 1] = ord(_kind)

Runs = tuple[tuple[str, int | None], ...]  # the kind of each run and its length; None where that differs


@dataclass(frozen=True)
class Shape:
    """How some texts are written, by runs or by positions; None where they are not. `longest` is in characters."""

    runs: Runs | None
    positions: tuple[frozenset[str], ...] | None
    longest: int

    def merged(self, other: "Shape") -> "Shape":
        """The shape of the texts of both."""
        return Shape(
            _merged_runs(self.runs, other.runs),
            _merged_positions(self.positions, other.positions),
            max(self.longest, other.longest),
        )

    def takes_in(self, other: "Shape | None") -> bool:
        """Whether the pattern, which there must be, is that of all texts of `other`, too; None has no shape.

        A pattern matches every text that it was made from, so that one more text that fits does not change it. A text
        that ends with a line break, which `$` lets pass, counts as one that does not fit.
        """
        return other is not None and replace(self.merged(other), longest=self.longest).pattern == self.pattern

    @cached_property
    def pattern(self) -> str | None:
        """A regular expression that every text matches from its start to its end; None without one that says much."""
        if self.longest > LONGEST:
            return None
        if self.runs is not None and _says_much(self.runs):
            return f"^{''.join(_characters(frozenset(kind)) + _times(length) for kind, length in self.runs)}$"
        if self.positions is not None:
            stretches = [list(same) for _, same in groupby(self.positions, key=_between_punctuation)]
            # A position by itself may lack a kind by chance, so all of a stretch take what one of them takes.
            parts = [(_characters(frozenset().union(*stretch)), len(stretch)) for stretch in stretches]
            return f"^{''.join(part + _times(count) for part, count in parts)}$"
        return None


def shape_of(texts: pa.Array) -> Shape | None:
    """The shape of distinct texts, of which there is one at least; None where they have none.

    Texts with other characters than those of ASCII that can be seen have none, and empty ones.
    """
    texts = texts.cast(pa.large_string())
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    kinds = KINDS[np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]]]
    lengths = np.diff(ends)
    if (kinds == OTHER).any() or lengths.min() == 0:
        return None
    written = kinds.tobytes().decode("ascii")
    at = (ends - ends[0]).tolist()
    masks = {written[start:end] for start, end in pairwise(at)}
    longest = int(lengths.max())
    same_length = lengths.min() == longest <= LONGEST
    found = Shape(_runs(masks), _positions(kinds.reshape(len(texts), -1)) if same_length else None, longest)
    return found if found.runs is not None or found.positions is not None else None


def merged(shapes: Iterable[Shape | None]) -> Shape | None:
    """The shape of all texts together; None where any have none."""
    every = list(shapes)
    present = [shape for shape in every if shape is not None]
    return reduce(Shape.merged, present) if present and len(present) == len(every) else None


def _runs(masks: Iterable[str]) -> Runs | None:
    found: Runs | None = None
    for mask in masks:
        runs = tuple((kind, len(run)) for kind, run in islice(_split(mask), MOST_RUNS + 1))
        found = runs if found is None else _merged_runs(found, runs)
        if found is None or len(found) > MOST_RUNS:
            return None
    return found


def _split(mask: str) -> Iterator[tuple[str, str]]:
    """The runs of a mask; what is no letter or digit is a run by itself."""
    for kind, run in groupby(mask):
        together = "".join(run)
        yield from [(kind, together)] if kind in CLASSES else [(kind, kind)] * len(together)


def _positions(kinds: npt.NDArray[np.uint8]) -> tuple[frozenset[str], ...] | None:
    """By position, of texts (first axis) that are all as long."""
    return _sound(tuple(frozenset(map(chr, np.unique(column))) for column in kinds.T))


def _merged_runs(one: Runs | None, other: Runs | None) -> Runs | None:
    if one is None or other is None or [run[0] for run in one] != [run[0] for run in other]:
        return None
    return tuple((a[0], a[1] if a[1] == b[1] else None) for a, b in zip(one, other, strict=True))


def _merged_positions(
    one: tuple[frozenset[str], ...] | None, other: tuple[frozenset[str], ...] | None
) -> tuple[frozenset[str], ...] | None:
    if one is None or other is None or len(one) != len(other):
        return None
    return _sound(tuple(a | b for a, b in zip(one, other, strict=True)))


def _sound(positions: tuple[frozenset[str], ...]) -> tuple[frozenset[str], ...] | None:
    """The positions, unless punctuation stands where a letter may stand, too: that is how words are written."""
    return positions if all(len(kinds) == 1 or kinds <= CLASSES.keys() for kinds in positions) else None


def _says_much(runs: Runs) -> bool:
    """Whether digits stand at fixed places, or the number of all characters is fixed.

    Letters of any number are words, and "First Last" is a name although its capitals and blanks have an order.
    """
    return any(kind == DIGIT for kind, _ in runs) or all(length is not None for _, length in runs)


def _between_punctuation(kinds: frozenset[str]) -> str:
    """What neighbouring positions have in common that may be written as one."""
    return "" if kinds <= CLASSES.keys() else str(*kinds)


def _characters(kinds: frozenset[str]) -> str:
    """What matches one character of the kinds: those of `CLASSES`, or a single other character."""
    if kinds <= CLASSES.keys():
        return f"[{''.join(members for kind, members in CLASSES.items() if kind in kinds)}]"
    return re.escape(*kinds)


def _times(length: int | None) -> str:
    return "+" if length is None else "" if length == 1 else f"{{{length}}}"
