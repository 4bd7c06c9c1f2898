"""The decision that follows from a prediction, as it was recorded with the version that makes it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from perennial.arrays import Floats
from perennial.ordered import OrderedRows
from perennial.spec.decision import Costs
from perennial.wording import counted

DECIDED = "decided"  # the column of predictions
DECISION = "decision"  # of a deployment's training: the rule
HALF = 0.5

Bools = npt.NDArray[np.bool_]
Rules = Mapping[str, "DecisionRule | None"]  # by model digest, the champion's first


@dataclass(frozen=True)
class Chosen:
    """How a threshold was chosen: on so many `rows` of so many `windows` that the model had not seen.

    `cost`, `never` and `always` are mean costs of a row: at the threshold, when no row is decided for, and when all
    are. `share` of the rows is decided for. `time_ordered` says that each row was predicted by a model of earlier rows.
    """

    cost: float
    never: float
    always: float
    share: float
    rows: int
    windows: int
    time_ordered: bool


@dataclass(frozen=True)
class DecisionRule:
    """For which rows of a window it is decided. One of `threshold`, `top_k` and `top_share` is given.

    It belongs to a deployed version: a window that is scored again by that version is decided in the same way, whatever
    the spec says by then. `costs` are those of that time; `chosen` is None where the spec gave the threshold.
    """

    threshold: float | None = None
    top_k: int | None = None
    top_share: float | None = None
    costs: Costs | None = None
    chosen: Chosen | None = None

    def decide(self, prediction: Floats, keys: pa.Array | pa.ChunkedArray, most: int | None = None) -> Bools:
        """Whether each row of one window is decided for; `keys` are the rows' own, all different.

        A threshold takes rows from it on. The highest predictions are taken otherwise, equal ones by their keys, the
        smaller first, so that the order of the rows makes no difference. A window of fewer rows is taken as a whole.
        `most` is how many may be taken then, by default what the rule gives a window of these rows.
        """
        if self.threshold is not None:
            return np.asarray(prediction >= self.threshold)
        found = np.zeros(len(prediction), dtype=np.bool_)
        rows = pa.table({"prediction": prediction, "key": keys})
        order = pc.sort_indices(rows, [("prediction", "descending"), ("key", "ascending")]).to_numpy()
        found[order[: self.most(len(prediction)) if most is None else most]] = True
        return found

    def decide_windows(
        self, prediction: Floats, keys: pa.Array | pa.ChunkedArray, windows: npt.NDArray[np.generic]
    ) -> Bools:
        """The same for rows of several windows; `windows` names that of each row."""
        if self.threshold is not None:
            return self.decide(prediction, keys)
        found = np.zeros(len(prediction), dtype=np.bool_)
        for name in np.unique(windows):
            at = np.flatnonzero(windows == name)
            found[at] = self.decide(prediction[at], keys.take(pa.array(at)))
        return found

    def most(self, rows: int) -> int:
        """How many of so many rows of a window are decided for, where it is not by a threshold."""
        if self.top_share is not None:
            return math.ceil(self.top_share * rows)
        return min(self.top_k or 0, rows)

    @property
    def text(self) -> str:
        """For whom it is decided, in words.

        >>> DecisionRule(threshold=0.25).text, DecisionRule(top_k=1).text, DecisionRule(top_share=0.05).text
        ('predictions from 0.25 on', 'the highest row of each window', 'the highest 5% of each window')
        """
        if self.threshold is not None:
            return f"predictions from {self.threshold:.4g} on"
        if self.top_share is not None:
            return f"the highest {100 * self.top_share:.4g}% of each window"
        most = self.top_k or 0
        return f"the highest {counted(most, 'row') if most > 1 else 'row'} of each window"


def share_of_rule(share: float) -> float:
    """The `top_share` of a rule that is to take that share of rows: the next number below it.

    0.07 * 100 is 7.000000000000001, so that of the share itself 8 rows would be taken. Versions that were deployed with
    it go on taking what they took.
    """
    return math.nextafter(share, 0.0)


def with_decisions(predictions: pa.Table, key: str, rules: Rules) -> pa.Table:
    """The predictions of one window with the column `DECIDED` after `prediction`; unchanged where no model has a rule.

    Each row is decided by the rule of the model that predicted it, and has null where that has none. Where two models
    predicted a window, and a rule takes the highest of it, each model's rows have their part of the places, in
    proportion, the champion's rounded up: predictions of two models can't be ranked together.
    """
    if not any(rules.values()):
        return predictions
    rows = predictions.num_rows
    prediction, keys = predictions.column("prediction").to_numpy(), predictions.column(key)
    model = predictions.column("model_digest")
    decided, unknown = np.zeros(rows, dtype=np.bool_), np.ones(rows, dtype=np.bool_)
    for position, (digest, rule) in enumerate(rules.items()):
        at = np.flatnonzero(pc.equal(model, digest).to_numpy())
        if rule is None or not len(at):
            continue
        places = rule.most(rows) * len(at)
        most = -(-places // rows) if position == 0 else places // rows
        decided[at], unknown[at] = rule.decide(prediction[at], keys.take(pa.array(at)), most), False
    at_column = predictions.column_names.index("prediction") + 1
    return predictions.add_column(at_column, DECIDED, pa.array(decided, mask=unknown))


def takes_the_highest(rules: Rules) -> bool:
    """Whether a rule looks at all rows of a window, not at each row's own prediction."""
    return any(rule is not None and rule.threshold is None for rule in rules.values())


def with_the_highest(predictions: OrderedRows, key: str, rules: Rules) -> Iterator[pa.Table]:
    """`with_decisions` of rows that come in chunks. Of all rows only what decides is in memory."""
    decided = with_decisions(predictions.table([key, "prediction", "model_digest"]), key, rules).column(DECIDED)
    first = 0
    for rows in predictions.chunks():
        yield rows.append_column(DECIDED, decided.slice(first, rows.num_rows))
        first += rows.num_rows
