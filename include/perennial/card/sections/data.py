"""What the version learnt from: windows, rows, and what was left out and why."""

from perennial.card.facts import Facts, artefact_source, entry_source
from perennial.card.statements import Section, Source, Statement, Table, Value, instant, moment, no_evidence, said
from perennial.records.training_set import TrainingManifest
from perennial.wording import counted


def data(facts: Facts) -> Section:
    """The training set, from its manifest, or from what the deployment says of it where the manifest is gone."""
    training, source = facts.first.training, entry_source(facts.first)
    manifest = facts.manifest
    statements = [
        _number("Rows", training.get("rows"), source),
        _number("Windows", training.get("windows"), source),
        said("First window", training.get("first_window"), source, training.get("first_window")),
        said("Last window", training.get("last_window"), source, training.get("last_window")),
        said("As known on", moment(training.get("as_of")), source, training.get("as_of")),
        said("Digest of the rows", training.get("digest"), source, training.get("digest")),
        said(
            "Where the rows are",
            f"{training['table']} version {training['version']}, partition {training['partition']}"
            if {"table", "version", "partition"} <= training.keys()
            else None,
            source,
        ),
    ]
    if manifest is None:
        why = facts.gone.get("manifest", "")
        names = ("Labelled rows", "Newest row", "Windows left out", "Windows too young")
        return Section("data", "Training data", (*statements, *(no_evidence(name, why) for name in names)))
    source = manifest_source(facts)
    labelled = sum(each.labelled for each in manifest.windows)
    statements += [
        Statement("Labelled rows", f"{labelled:,}", source, labelled),
        said("Newest row", instant(manifest.newest) if manifest.newest else None, source),
        Statement("Windows left out", f"{len(manifest.excluded):,}", source, len(manifest.excluded)),
        Statement(
            "Windows too young",
            f"{len(manifest.immature):,}: not all of their labels had come" if manifest.immature else "0",
            source,
            len(manifest.immature),
        ),
    ]
    if manifest.weighted:
        labels = sum(each.part.labelled for each in manifest.weighted)
        text = (
            f"{counted(labels, 'label')} of {counted(len(manifest.weighted), 'immature window')}, by weights, in the "
            "refit alone"
        )
        statements.append(Statement("Learnt from immature windows", text, source, labels))
    statements += [
        Statement("Rows left out", f"{counted(count, 'row')} with a number too large in {name}", source, count)
        for name, count in manifest.too_large.items()
    ]
    return Section("data", "Training data", tuple(statements), tuple(_tables(manifest, source)))


def manifest_source(facts: Facts) -> Source:
    """The training set's manifest as a source."""
    return artefact_source("manifest of the training set", str(facts.first.training.get("training_id")), facts.first)


def _tables(manifest: TrainingManifest, source: Source) -> list[Table]:
    columns: tuple[str, ...] = ("Window", "Validation", "Labelled rows", "Without an outcome", "Snapshot")
    parts = tuple(
        (each.window.key, each.verdict, each.labelled, each.without_outcome, each.snapshot_digest)
        for each in manifest.windows
    )
    tables = [Table("Windows that took part", columns, parts, source)]
    if manifest.excluded:
        rows = tuple((each.window.key, each.reason) for each in manifest.excluded)
        tables.append(Table("Windows left out", ("Window", "Why"), rows, source))
    if manifest.immature:
        young = tuple((each.window.key, each.rows, each.reason or None) for each in manifest.immature)
        tables.append(Table("Windows too young", ("Window", "Rows", "Why not weighted"), young, source))
    return tables


def _number(name: str, value: Value, source: Source) -> Statement:
    return said(name, f"{value:,}" if isinstance(value, int) else None, source, value)
