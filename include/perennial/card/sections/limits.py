"""What the version was not tested on, or not taught: only what the evidence says."""

from collections.abc import Iterator

from perennial.card.facts import Facts, artefact_source, entry_source
from perennial.card.sections.data import manifest_source
from perennial.card.sections.drift import reference_source
from perennial.card.statements import Section, Source, SourceKind, Statement, listed, moment, no_evidence
from perennial.drift.reference import PREDICTION
from perennial.judgement.slices import SliceStanding
from perennial.records.judgement import DIGEST, HOLDOUT_END
from perennial.wording import counted


def limits(facts: Facts) -> Section:
    """Sentences about rows, slices and columns that nobody can vouch for."""
    found = (*_of_judgement(facts), *_of_slices(facts), *_of_data(facts), *_of_columns(facts))
    return Section("limits", "Limits", found or (no_evidence("Limits"),))


def _of_judgement(facts: Facts) -> Iterator[Statement]:
    if facts.decision is None:
        yield no_evidence("Judged on", "no decision is on record by which this model was promoted")
        return
    source, numbers = entry_source(facts.decision), facts.decision.numbers
    if end := numbers.get(HOLDOUT_END):
        yield Statement(
            "Judged on", f"Data up to {moment(end)}. It was promoted without a test on anything later.", source, end
        )
    else:
        yield no_evidence("Judged on", "the decision does not say until when")
    if facts.first.training.get("refitted"):
        text = (
            "The deployed model was fitted again with the holdout, so that no rows are left on which it itself was "
            "tested; the metrics are those of the model before."
        )
        yield Statement("Not tested itself", text, entry_source(facts.first))


def _of_slices(facts: Facts) -> Iterator[Statement]:
    if facts.evidence is None or facts.decision is None:
        return
    source = artefact_source("evidence of the judgement", str(facts.decision.numbers.get(DIGEST)), facts.decision)
    if facts.evidence.slices is None:
        return
    for each in facts.evidence.slices.of(SliceStanding.NOT_JUDGED):
        yield Statement("Slice not judged", each.reason, source)
    for each in facts.evidence.slices.of(SliceStanding.UNCLEAR):
        yield Statement("Slice unclear", each.reason, source)


def _of_data(facts: Facts) -> Iterator[Statement]:
    manifest = facts.manifest
    if manifest is None:
        yield no_evidence("Not learnt from", facts.gone.get("manifest", ""))
        return
    source = manifest_source(facts)
    if manifest.excluded:
        names = listed([each.window.key for each in manifest.excluded])
        yield Statement("Not learnt from", f"{counted(len(manifest.excluded), 'window')} left out: {names}", source)
    if manifest.immature:
        rows = sum(each.rows or 0 for each in manifest.immature)
        text = (
            f"{counted(len(manifest.immature), 'newer window')} ({counted(rows, 'row')}), whose labels were not all "
            "known"
        )
        yield Statement("Not learnt from", text, source)


def _of_columns(facts: Facts) -> Iterator[Statement]:
    if facts.reference is None:
        yield no_evidence("Columns without values", facts.gone.get("reference", ""))
        return
    source, inputs = reference_source(facts), facts.reference.inputs
    empty = [each.name for each in inputs.columns if each.bins is None]
    if empty:
        yield Statement("Columns without values", f"Nothing was ever seen in {listed(empty)}.", source)
    if inputs.left_out:
        text = f"{counted(len(inputs.left_out), 'window')} had too few rows to say what is usual."
        yield Statement("Windows too small", text, source, len(inputs.left_out))
    if facts.as_deployed is not None:
        features = facts.as_deployed.features
        unwatched = sorted(set(features) - {each.name for each in inputs.columns} - {PREDICTION})
        if unwatched:
            yield Statement("Drift not measured in", listed(unwatched), source)
        new = sorted(set(facts.spec.feature_columns) - set(features))
        if new:
            today = Source(SourceKind.USE_CASE_FILE, "columns of use_case.yaml as it is today")
            yield Statement("Columns it does not know", f"{listed(new)}: added after it was deployed", today)
    if facts.reference.labels is None:
        yield Statement("Labels not compared", "There were too few labels to say which are usual.", source)
