"""What the version is sensitive to: how much it relies on each column, and what it considers usual there."""

from perennial.card.facts import Facts, entry_source
from perennial.card.statements import Section, Source, SourceKind, Statement, Table, listed, no_evidence
from perennial.drift.reference import PREDICTION, ColumnReference
from perennial.spec.columns import Kind

MOST_NAMED = 5


def drift(facts: Facts) -> Section:
    """The columns by importance, with the distances that are usual between ordinary windows."""
    if facts.reference is None:
        return Section(
            "drift", "Drift sensitivities", (no_evidence("Drift sensitivities", facts.gone.get("reference", "")),)
        )
    source, inputs = reference_source(facts), facts.reference.inputs
    columns = sorted((each for each in inputs.columns if each.name != PREDICTION), key=_by_importance)
    relied = [each for each in columns if each.importance > 0]
    most = listed([f"{each.name} ({each.importance:.0%})" for each in relied], MOST_NAMED)
    idle = [each.name for each in columns if not each.importance]
    statements = [
        Statement("Relies most on", most, source)
        if relied
        else no_evidence("Relies most on", "no column's importance was above 0"),
        Statement(
            "Ordinary windows",
            f"{len(inputs.windows):,}, with which every new window is ranked",
            source,
            len(inputs.windows),
        ),
        Statement("Smallest window that is compared", f"{inputs.min_rows:,} rows", source, inputs.min_rows),
    ]
    statements.append(_unusual(facts))
    if idle:
        statements.append(
            Statement(
                "Relies not at all on",
                f"{listed(idle)}: shuffling these columns on the holdout made the model no worse",
                source,
            )
        )
    headings = ("Column", "Kind", "Importance", "Usual distance", "Usual change of missing", "Missing in training")
    rows = tuple(
        (each.name, Kind(each.kind).value, each.importance, each.usual, each.usual_missing, each.missing_rate)
        for each in columns
    )
    table = Table("Columns by importance, a share of all", headings, rows, source)
    return Section("drift", "Drift sensitivities", tuple(statements), (table,))


def _unusual(facts: Facts) -> Statement:
    if facts.as_deployed is None:
        return no_evidence("Unusual", "the version was deployed before deployments kept the level")
    level = facts.as_deployed.drift_level
    text = f"When it was deployed, a window was called drifted at p = {level:.3g} or below: p is the share of ordinary "
    text += "windows that would look at least as unusual."
    return Statement("Unusual", text, entry_source(facts.first), level)


def reference_source(facts: Facts) -> Source:
    """What the version considers normal, as a source."""
    name = f"reference.json beside version {facts.first.model_version} in the model registry"
    return Source(SourceKind.REGISTRY, name)


def _by_importance(column: ColumnReference) -> tuple[float, str]:
    return -column.importance, column.name
