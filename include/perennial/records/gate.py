"""The gate between validation and everything that uses rows (invariant I2), with what a person let through."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from perennial.digest import table_digest
from perennial.encoding import json_digest
from perennial.errors import NotIngested, NotValidated, RowsLost, ValidationFailed
from perennial.lake.port import Lake, quarantine_table, raw_table, window_partition
from perennial.ledger.entries import Intervention, InterventionKind, Snapshot, ValidationResult
from perennial.ledger.port import Ledger
from perennial.ordered import OrderedRows
from perennial.ports import Ports
from perennial.quality.outcome import CHECKED_BY
from perennial.quality.unread import without_bad_cells
from perennial.records.retained import quarantine_expired
from perennial.spec import versions
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.stacked import canonical_digest_each
from perennial.verdict import Verdict
from perennial.window import Window
from perennial.wording import counted


@dataclass(frozen=True)
class Gated:
    """A snapshot that may be used, with the verdict that lets it."""

    snapshot: Snapshot
    validation: ValidationResult
    quarantined_keys: pa.Array

    def clean(self, rows: pa.Table, key: str) -> pa.Table:
        """The rows that no row-level check caught, without the column that says which cells could not be read.

        An older snapshot may have columns that the spec no longer has.
        """
        rows = without_bad_cells(rows)
        if len(self.quarantined_keys) == 0:
            return rows
        return rows.filter(pc.invert(pc.is_in(rows.column(key), value_set=self.quarantined_keys)))

    def clean_chunks(self, lake: Lake, spec: UseCase, chunk_rows: int) -> Iterator[pa.Table]:
        """The clean rows of the snapshot, in chunks that come from at most `chunk_rows` rows each.

        Errors: `RowsLost`, before the first chunk, when its version was committed with other rows; after the last one,
        when there are more or fewer rows than the snapshot has.
        """
        snapshot, rows = self.snapshot, 0
        partition = window_partition(snapshot.window)
        committed = lake.committed_digest(raw_table(spec.name), partition, snapshot.version)
        if committed is None:  # the version is another window's, whose commit found these rows in place
            ordered_snapshot(snapshot, lake)
        elif committed != snapshot.digest:
            raise RowsLost(_lost(snapshot, f"rows with the digest {committed[:12]}"))
        for chunk in lake.stream(raw_table(spec.name), partition, version=snapshot.version, chunk_rows=chunk_rows):
            rows += chunk.num_rows
            yield self.clean(chunk, spec.key)
        if rows != snapshot.rows:
            raise RowsLost(_lost(snapshot, f"{rows:,} rows, not {snapshot.rows:,}"))


def gated(use_case: LoadedUseCase, window: Window, ports: Ports) -> Gated:
    """The window's latest snapshot, if the verdict that counts is that exactly it passed today's suite by today's
    checks; what a person accepted in it counts as passed.

    Errors: `NotIngested`, `NotValidated`, `ValidationFailed`.
    """
    snapshot = snapshot_of(use_case, window, ports)
    suite = suite_digest_with(use_case, accepted_rules(snapshot, ports.ledger))
    validation = ports.ledger.counting_verdict(use_case.name, window)
    quarantine = quarantined_rows(snapshot, ports.lake)
    run_first = f"Run `perennial validate {use_case.name} --window {window.start:%Y-%m-%dT%H:%MZ}` first."
    if validation is None or (validation.snapshot_digest, validation.suite_digest) != (snapshot.digest, suite):
        raise NotValidated(
            f"{use_case.name} {window}: snapshot {snapshot.digest[:12]} has no verdict that counts under the present "
            f"expectations, by version {versions.CHECKS_VERSION} of Perennial's checks, and with the rows that people "
            f"accepted in it. {run_first}"
        )
    if (others := _others(validation, quarantine)) is not None:
        if (gone := quarantine_expired(snapshot, quarantine.num_rows, ports.ledger)) is not None:
            raise NotValidated(f"{gone} {run_first}")
        raise NotValidated(
            f"{use_case.name} {window}: the quarantine should hold the {counted(validation.rows_quarantined, 'row')} "
            f"of snapshot {snapshot.digest[:12]} that the run {validation.run_id} set aside; it holds {others}. "
            f"{run_first}"
        )
    if validation.verdict is Verdict.FAIL:
        raise ValidationFailed(failure_text(validation))
    keys = quarantine.column(use_case.spec.key).combine_chunks() if quarantine.num_rows else pa.array([], pa.null())
    return Gated(snapshot, validation, keys)


def _others(validation: ValidationResult, quarantine: pa.Table) -> str | None:
    """What the quarantine holds, in words, where it is not what the verdict set aside. A verdict of before digests were
    kept says how many rows that were, and not which.
    """
    if validation.rows_quarantined != quarantine.num_rows:
        return counted(quarantine.num_rows, "row")
    if validation.quarantine_digest is None or table_digest(quarantine) == validation.quarantine_digest:
        return None
    return "as many, but other ones"


def clean_rows(use_case: LoadedUseCase, window: Window, ports: Ports) -> tuple[Gated, pa.Table]:
    """The gate's answer and the window's clean rows. Errors: as `gated`, and `RowsLost`."""
    gate = gated(use_case, window, ports)
    return gate, gate.clean(snapshot_rows(gate.snapshot, ports.lake), use_case.spec.key)


def snapshot_rows(snapshot: Snapshot, lake: Lake) -> pa.Table:
    """The snapshot's rows, looked up by its version and checked against its digest (invariant I1).

    A lake that an older backup was brought back to gives the version's number to other rows. Errors: `RowsLost`,
    `RowsRemoved`.
    """
    return ordered_snapshot(snapshot, lake).table()


def rows_of_snapshots(snapshots: Sequence[Snapshot], lake: Lake) -> dict[Window, pa.Table]:
    """`snapshot_rows` of many windows of one use case, by window."""
    if not snapshots:
        return {}
    versions = {window_partition(each.window): each.version for each in snapshots}
    found = lake.read_many(snapshots[0].table, versions)
    rows = [found[window_partition(each.window)] for each in snapshots]
    for each, its_rows, digest in zip(snapshots, rows, canonical_digest_each(rows), strict=True):
        _check(each, its_rows.num_rows, digest)
    return {each.window: its_rows for each, its_rows in zip(snapshots, rows, strict=True)}


def ordered_snapshot(snapshot: Snapshot, lake: Lake) -> OrderedRows:
    """`snapshot_rows` without having them all in memory. Errors: as `snapshot_rows`."""
    rows = lake.ordered(snapshot.table, window_partition(snapshot.window), version=snapshot.version)
    _check(snapshot, rows.num_rows, rows.digest())
    return rows


def _check(snapshot: Snapshot, rows: int, found: str) -> None:
    if found != snapshot.digest:
        raise RowsLost(_lost(snapshot, f"{rows:,} rows with the digest {found[:12]}"))


def _lost(snapshot: Snapshot, found: str) -> str:
    name, start = snapshot.use_case, f"{snapshot.window.start:%Y-%m-%dT%H:%MZ}"
    return (
        f"{name} {snapshot.window}: version {snapshot.version} of the lake's {snapshot.table} does not hold snapshot "
        f"{snapshot.digest[:12]}, but {found}: an older lake was restored, or somebody else wrote to it. "
        f"`perennial run {name} --window {start}` takes the rows from the source again."
    )


def quarantined_rows(snapshot: Snapshot, lake: Lake) -> pa.Table:
    """The rows of exactly this snapshot that are in quarantine; without any, a table that may lack the columns."""
    rows = lake.read(quarantine_table(snapshot.use_case), window_partition(snapshot.window))
    return of_snapshot(rows, snapshot.digest) if rows.num_rows else rows


def of_snapshot(quarantine: pa.Table, digest: str) -> pa.Table:
    """Those rows of the quarantine that are about the snapshot with this digest."""
    return quarantine.filter(pc.equal(quarantine.column("snapshot_digest"), digest))


def accepted_rules(snapshot: Snapshot, ledger: Ledger) -> frozenset[str]:
    """The rules whose catch in exactly this snapshot was accepted.

    An acceptance that does not say in which snapshot, as nobody records it any more, lets none in.
    """
    entries = ledger.interventions_on(snapshot.use_case, InterventionKind.ROWS_ACCEPTED, (snapshot.window,))
    return frozenset(
        rule for entry in entries if (rule := entry.details.get("rule")) and is_about(snapshot.digest, entry)
    )


def is_about(snapshot_digest: str, entry: Intervention) -> bool:
    """Whether somebody did something about the rows of exactly this snapshot."""
    return bool(entry.details.get("snapshot_digest") == snapshot_digest)


def suite_digest_with(use_case: LoadedUseCase, accepted: frozenset[str], checks: int | None = None) -> str:
    """The digest of what a verdict depends on, today's or one by that version of our checks: the suite and what was
    accepted.
    """
    suite = use_case.suite_digest if checks is None else use_case.suite_digest_by(checks)
    return json_digest({"suite": suite, "accepted": sorted(accepted)}) if accepted else suite


def is_by_rules_of(use_case: LoadedUseCase, verdict: ValidationResult) -> bool:
    """Whether the verdict was given by today's files, with what was accepted by then, by whichever checks."""
    return verdict.suite_digest == suite_digest_with(use_case, accepted_then(verdict), checks_of(verdict))


def accepted_then(verdict: ValidationResult) -> frozenset[str]:
    """The rules that caught rows which the verdict let in, because a person had accepted them."""
    return frozenset(each["rule"] for each in verdict.result.get("row_rules", ()) if each.get("accepted"))


def checks_of(verdict: ValidationResult) -> int:
    """The version of our checks that gave the verdict. 0.1.0 did not record that it was the first."""
    return int(verdict.result.get(CHECKED_BY, 1))


def snapshot_of(use_case: LoadedUseCase, window: Window, ports: Ports) -> Snapshot:
    """The window's latest snapshot. Errors: `NotIngested`."""
    snapshot = ports.ledger.latest_snapshot(use_case.name, window)
    if snapshot is None:
        raise NotIngested(
            f"{use_case.name} {window} was never ingested. Run `perennial ingest {use_case.name} "
            f"--window {window.start:%Y-%m-%dT%H:%MZ}`, or the DAG {use_case.name}.predict for it."
        )
    return snapshot


def failure_text(validation: ValidationResult) -> str:
    """Why a window failed, and what to do."""
    reasons = "\n".join(f"  - {reason}" for reason in validation.reasons)
    return (
        f"{validation.use_case} {validation.window} failed validation; nothing is scored from it:\n{reasons}\n"
        f"`perennial validation {validation.use_case} --window {validation.window.start:%Y-%m-%dT%H:%MZ}` shows every "
        "check. Correct the source and run the window again, or correct expectations.yaml if the rule is wrong."
    )
