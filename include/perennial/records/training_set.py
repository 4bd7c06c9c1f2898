"""What a training set was made of: its manifest, kept as an artefact under its own digest."""

import json
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from perennial.encoding import as_json, from_json
from perennial.grouping import numbered
from perennial.performance.labels import truth_of
from perennial.ports import Ports
from perennial.spec.columns import Kind
from perennial.spec.models import UseCase
from perennial.spec.names import Task
from perennial.window import Window
from perennial.wording import counted

WINDOW_COLUMN = "window"
REFUSED_FOR = "refused_for"  # among the numbers of the decision not to train on it
LAST_WEIGHTED = "last_weighted_window"  # in the summary, where the refit learnt from immature windows


@dataclass(frozen=True)
class TrainingWindow:
    """One window's part in a training set; `labelled` counts its rows whose outcome was known.

    `without_outcome` counts those of which no outcome will come; 0.1.0 did not tell them from others. `by_people` of
    the labelled ones have a person's answer, and nothing from the source.
    """

    window: Window
    snapshot_digest: str
    version: int
    verdict: str
    labelled: int
    without_outcome: int = 0
    by_people: int = 0

    @property
    def settled(self) -> int:
        """How many rows have a label, or will never have one."""
        return self.labelled + self.without_outcome


@dataclass(frozen=True)
class ExcludedWindow:
    """A window that could not take part, and why."""

    window: Window
    reason: str


@dataclass(frozen=True)
class ImmatureWindow:
    """A window that had ended, but whose labels were not complete yet; `rows` is None where it was not ingested.

    `reason` says why it could not be weighted, where that was asked for.
    """

    window: Window
    rows: int | None
    reason: str = ""


@dataclass(frozen=True)
class WeightedWindow:
    """An immature window that takes part in the refit: its labels 0 and 1 have these weights."""

    part: TrainingWindow
    weights: tuple[float, float]


@dataclass(frozen=True)
class TrainingManifest:
    """A training set as of a moment: where its rows are, their digest, and the windows they came from.

    `excluded` windows could not take part, their labels being overdue or their data refused; `immature` ones were too
    young. `newest` is the event time of the newest row. `too_large` counts the rows that were left out because of a
    number beyond `LARGEST_FEATURE`, by column. `weighted` are immature windows that the winner's refit learns from, by
    weights; their rows lie beside the others, in `weighted_partition` of the same version of the table, with a digest
    of their own, and are counted nowhere else. 0.1.0 wrote none of these.
    """

    use_case: str
    as_of: datetime
    table: str
    partition: str
    version: int
    digest: str
    rows: int
    windows: tuple[TrainingWindow, ...]
    excluded: tuple[ExcludedWindow, ...]
    immature: tuple[ImmatureWindow, ...] = ()
    newest: datetime | None = None
    too_large: dict[str, int] = field(default_factory=dict)
    weighted: tuple[WeightedWindow, ...] = ()
    weighted_partition: str | None = None
    weighted_digest: str | None = None

    @property
    def until(self) -> datetime:
        """The end of the newest window that took part: the holdout is counted back from here."""
        return self.windows[-1].window.end if self.windows else self.as_of

    def behind(self) -> str:
        """What of the newest data takes no part, and how old the newest row is; "" where that is not known."""
        if self.newest is None:
            return ""
        days = (self.as_of - self.newest).total_seconds() / 86_400
        age = f"newest row used is {days:.1f} days old."
        if self.weighted:
            parts = [each.part for each in self.weighted]
            age += (
                f" The refit also learns from {counted(sum(each.labelled for each in parts), 'label')} of "
                f"{counted(len(parts), 'immature window')} up to {parts[-1].window}, weighted by how likely they were "
                "to have arrived."
            )
        if not self.immature:
            return f"The {age}"
        windows = counted(len(self.immature), "newer window")
        rows = sum(each.rows or 0 for each in self.immature)
        of = f"{windows} ({counted(rows, 'row')})" if rows else windows  # none is known of windows that nobody read
        return f"The labels of {of} are not mature yet: the {age}"

    def summary(self) -> dict[str, object]:
        """What the ledger and the registry keep: enough to find the rows again and to know their digest."""
        return {
            "as_of": self.as_of.isoformat(),
            "table": self.table,
            "partition": self.partition,
            "version": self.version,
            "digest": self.digest,
            "rows": self.rows,
            "windows": len(self.windows),
            "first_window": self.windows[0].window.key,
            "last_window": self.windows[-1].window.key,
            "excluded": len(self.excluded),
            "immature": len(self.immature),
            **self._weighted_summary(),
            **({"by_people": people} if (people := sum(each.by_people for each in self.windows)) else {}),
        }

    def _weighted_summary(self) -> dict[str, object]:
        if not self.weighted:
            return {}
        return {
            "weighted": len(self.weighted),
            "weighted_digest": self.weighted_digest,
            LAST_WEIGHTED: self.weighted[-1].part.window.key,
        }


def weighted_partition(partition: str) -> str:
    """Where the rows of immature windows lie beside a training set's own."""
    return f"{partition}-weighted"


def keep_manifest(manifest: TrainingManifest, ports: Ports) -> str:
    """Store the manifest; its digest is the training set's id."""
    return ports.artifacts.put(json.dumps(as_json(manifest), sort_keys=True).encode())


def read_manifest(training_id: str, ports: Ports) -> TrainingManifest:
    """The manifest of that id. Errors: `UntrustedModel` when its bytes are missing or changed."""
    return from_json(TrainingManifest, json.loads(ports.artifacts.get(training_id)))


def read_rows(manifest: TrainingManifest, ports: Ports) -> pa.Table:
    """The training set's rows: the use case's columns, the label, and `window`, the key of each row's window."""
    rows = ports.lake.read(manifest.table, manifest.partition, version=manifest.version)
    pa.default_memory_pool().release_unused()  # decoding took as much again, and fitting takes it from elsewhere
    return rows


def read_weighted_rows(
    spec: UseCase, manifest: TrainingManifest, ports: Ports
) -> tuple[pa.Table, npt.NDArray[np.float64]] | None:
    """The rows of the immature windows, and the weight of each; None where none takes part."""
    if manifest.weighted_partition is None:
        return None
    rows = ports.lake.read(manifest.table, manifest.weighted_partition, version=manifest.version)
    of_window = {each.part.window.key: each.weights for each in manifest.weighted}
    names, of_row = numbered(rows.column(WINDOW_COLUMN))
    weights = np.array([of_window[name] for name in names])
    return rows, weights[of_row, outcomes(spec, rows).astype(np.intp)]


def label_kind(spec: UseCase) -> Kind:
    """What kind of values labels are."""
    return Kind.BOOLEAN if spec.task is Task.BINARY_CLASSIFICATION else Kind.NUMERIC


def label_rows(spec: UseCase, rows: pa.Table) -> pa.Table:
    """The rows' labels alone, as values of `label_kind` however the source writes them."""
    truth = outcomes(spec, rows)
    values = pa.array(truth == 1) if label_kind(spec) is Kind.BOOLEAN else pa.array(truth)
    return pa.table({spec.labels.column: values})


def outcomes(spec: UseCase, rows: pa.Table) -> npt.NDArray[np.float64]:
    """The rows' labels as numbers, shape (rows,)."""
    return truth_of(spec.task, rows.column(spec.labels.column))
