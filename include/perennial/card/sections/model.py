"""Which model it is, what it is for, who answers for it, and how much harm it can do."""

from perennial.card.facts import Facts, entry_source
from perennial.card.statements import Section, Source, SourceKind, Statement, Value, instant, no_evidence, said
from perennial.records.judgement import JUDGED
from perennial.spec.names import Task

EARLIER = "the version was deployed before deployments kept what the use case says of itself"
TASKS = {Task.BINARY_CLASSIFICATION.value: "the probability that {} is true", Task.REGRESSION.value: "the number {}"}
AUTONOMY = {
    "advises": "A person decides; the prediction advises.",
    "acts_unless_stopped": "The prediction takes effect unless a person stops it.",
    "decides": "Nobody is between the prediction and its effect.",
}


def identity(facts: Facts) -> Section:
    """The version, the bytes that serve and those that were judged, and what they were made by."""
    entry, source = facts.first, entry_source(facts.first)
    judged = entry.training.get(JUDGED)
    return Section(
        "model",
        "Model",
        (
            said("Version", entry.model_version, source, entry.model_version),
            said("Role now", f"none; it was {facts.served[-1].deployment.role}", _last(facts))
            if facts.role is None
            else said("Role now", facts.role, _last(facts), facts.role),
            said("Digest of the deployed model", entry.model_digest, source, entry.model_digest),
            said("Digest of the judged model", judged, source, judged),
            _refit(facts, source),
            _recipe(facts),
            said("Deployed", instant(entry.recorded_at) if entry.recorded_at else None, source),
            said("In force for data from", instant(entry.effective_from), source),
            said("Deployed by", entry.actor, source, entry.actor),
            said("Reason", entry.reason, source, entry.reason),
            said("Code", entry.code_version, source, entry.code_version),
            said("Digest of the locked dependencies", entry.lock_digest, source, entry.lock_digest),
        ),
    )


def purpose(facts: Facts) -> Section:
    """What the predictions are used for, and who answers for them, as the use case said when it was deployed."""
    source, then = entry_source(facts.first), facts.as_deployed
    risk = then.risk if then else None
    return Section(
        "purpose",
        "Purpose and owner",
        (
            _then(facts, "Title", then.title if then else None),
            _then(facts, "Description", (then.description or None) if then else None, "the use case has none"),
            _then(facts, "Owner", then.owner if then else None),
            said("Purpose", risk.purpose, source, risk.purpose)
            if risk
            else no_evidence("Purpose", EARLIER if then is None else "the questionnaire about risk was not answered"),
            _then(facts, "Predicts", TASKS.get(then.task, "{}").format(then.label) if then else None),
            _then(
                facts,
                "From",
                ", ".join(f"{name} ({kind})" for name, kind in then.features.items()) if then else None,
            ),
        ),
    )


def risk_tier(facts: Facts) -> Section:
    """The tier of the time, and the answers that it follows from."""
    source, then = entry_source(facts.first), facts.as_deployed
    risk = then.risk if then else None
    names = ("Impact", "Likelihood", "Autonomy", "Personal data", "Score")
    if risk is None:
        why = EARLIER if then is None else "the questionnaire was not answered, and the tier is low without it"
        answers = tuple(no_evidence(name, why) for name in names)
    else:
        texts: tuple[tuple[str, Value], ...] = (
            (risk.impact, risk.impact),
            (risk.likelihood, risk.likelihood),
            (AUTONOMY.get(risk.autonomy, risk.autonomy), risk.autonomy),
            ("Rows are about persons." if risk.personal_data else "No row is about a person.", risk.personal_data),
            (f"{risk.score} of 27: impact times likelihood times autonomy, each from 1 to 3", risk.score),
        )
        answers = tuple(said(name, text, source, value) for name, (text, value) in zip(names, texts, strict=True))
    return Section("risk", "Risk tier", (_then(facts, "Tier", then.risk_tier if then else None), *answers))


def _then(facts: Facts, name: str, value: str | None, why: str = "") -> Statement:
    """What the use case said when the version was deployed."""
    return said(name, value, entry_source(facts.first), value, EARLIER if facts.as_deployed is None else why)


def _last(facts: Facts) -> Source:
    return entry_source(facts.served[-1].deployment)


def _refit(facts: Facts, source: Source) -> Statement:
    training = facts.first.training
    if "refitted" not in training:
        return no_evidence("Fitted again")
    again = training["refitted"]
    if not again:
        return Statement("Fitted again", "No: the deployed model is the one that was judged.", source, value=False)
    agreement = again["agreement"]
    correlation = agreement["correlation"]
    alike = "" if correlation is None else f", where the predictions of the two have a correlation of {correlation:.4f}"
    return Statement(
        "Fitted again",
        f"Yes, on {again['rows']:,} rows, the holdout included, after it was judged without them. "
        f"Both know {agreement['rows']:,} rows{alike} and a mean absolute difference of "
        f"{agreement['mean_absolute_difference']:.4g}.",
        source,
        value=True,
    )


def _recipe(facts: Facts) -> Statement:
    if facts.parameters is None:
        return no_evidence("Recipe", facts.gone.get("parameters", ""))
    winner = facts.decision.numbers.get("winner") if facts.decision else None
    told = ", ".join(f"{name} {value}" for name, value in sorted(facts.parameters.items()))
    source = Source(SourceKind.REGISTRY, f"parameters of version {facts.first.model_version} in the model registry")
    text = f"{winner}: {told}" if winner else told
    return said("Recipe", text or None, source, text)
