"""What is asked of the stores about one window after the other, read for all of an interval at once.

A year of windows takes as many questions as one. What these two answer is what the stores would have answered when
they were made; of the methods of `Ledger` and `Lake` they have those that choosing a model and passing the gate need.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import cast

import pyarrow as pa

from perennial.lake.port import Lake, quarantine_table
from perennial.ledger.entries import (
    Batch,
    DeployedRole,
    Deployment,
    Intervention,
    InterventionKind,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.port import Ledger
from perennial.ledger.rules import in_force
from perennial.ports import Ports
from perennial.spec.load import LoadedUseCase
from perennial.window import Window


def prefetched(use_case: LoadedUseCase, windows: Sequence[Window], ports: Ports) -> Ports:
    """The ports, with what they know of windows that follow each other read at once.

    Errors: `StoreUnavailable`.
    """
    # Casts, because the rest of the two ports is not there: asking for it is a mistake that shows at once.
    return replace(
        ports,
        ledger=cast(Ledger, _Ledger(use_case, windows, ports.ledger)),
        lake=cast(Lake, _Lake(use_case.name, ports.lake)),
    )


class _Ledger:
    """See `Ledger` for each method."""

    def __init__(self, use_case: LoadedUseCase, windows: Sequence[Window], ledger: Ledger) -> None:
        name, start, end = use_case.name, windows[0].start, windows[-1].end
        self._ledger = ledger
        self._snapshots = {each.window: each for each in ledger.snapshots_between(name, start, end)}
        self._batches = {each.window: each for each in ledger.batches_between(name, start, end)}
        self._verdicts = {each.window: each for each in ledger.validations_between(name, start, end)}
        self._deployments = ledger.deployments(name)
        self._accepted = ledger.interventions_on(name, InterventionKind.ROWS_ACCEPTED, windows)

    def latest_snapshot(self, use_case: str, window: Window) -> Snapshot | None:  # noqa: ARG002 - the port's
        return self._snapshots.get(window)

    def latest_batch(self, use_case: str, window: Window) -> Batch | None:  # noqa: ARG002 - the port's
        return self._batches.get(window)

    def batches(self, use_case: str, window: Window) -> Sequence[Batch]:
        live = self._batches.get(window)
        if live is None or live.revision == 1:
            return [live] if live else []
        return self._ledger.batches(use_case, window)

    def counting_verdict(self, use_case: str, window: Window) -> ValidationResult | None:  # noqa: ARG002 - the port's
        return self._verdicts.get(window)

    def interventions_on(
        self, use_case: str, kind: InterventionKind, windows: Collection[Window]
    ) -> Sequence[Intervention]:
        if kind is not InterventionKind.ROWS_ACCEPTED:
            return self._ledger.interventions_on(use_case, kind, windows)
        keys = {window.key for window in windows}
        return [entry for entry in self._accepted if entry.details.get("window") in keys]

    def deployments(self, use_case: str) -> Sequence[Deployment]:  # noqa: ARG002 - the port's
        return self._deployments

    def current_deployment(self, use_case: str, role: DeployedRole) -> Deployment | None:  # noqa: ARG002 - the port's
        held = [each for each in self._deployments if each.role is role]
        return held[-1] if held else None

    def deployment_at(
        self,
        use_case: str,  # noqa: ARG002 - the port's
        role: DeployedRole,
        effective: datetime,
        known_at: datetime | None = None,
    ) -> Deployment | None:
        known = [each for each in self._deployments if known_at is None or _recorded_by(each, known_at)]
        return in_force(known, role, effective)


def _recorded_by(entry: Deployment, moment: datetime) -> bool:
    return entry.recorded_at is not None and entry.recorded_at <= moment


class _Lake:
    """Reads only partitions of the quarantine that hold rows."""

    def __init__(self, use_case: str, lake: Lake) -> None:
        self._lake = lake
        self._table = quarantine_table(use_case)
        self._filled = frozenset(lake.partitions(self._table))

    def read(self, table: str, partition: str, *, version: int | None = None) -> pa.Table:
        if table == self._table and version is None and partition not in self._filled:
            return pa.table({})
        return self._lake.read(table, partition, version=version)
