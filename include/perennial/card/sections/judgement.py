"""How the version was judged: the verdict, the metrics, each slice, calibration, and whatever else was found."""

from collections.abc import Iterator, Mapping
from typing import Any

from perennial.card.facts import Facts, artefact_source, entry_source
from perennial.card.statements import Section, Source, Statement, Table, Value, no_evidence, said
from perennial.judgement.calibration import Calibration
from perennial.judgement.decisions import decision_reasons
from perennial.judgement.slices import SliceJudgement, SliceStanding
from perennial.performance.gain import METRIC_TITLES
from perennial.performance.interval import Interval
from perennial.policy.promotion import text_of
from perennial.records.batch import decision_rule
from perennial.records.judgement import DIGEST, STORED_ROWS, scores
from perennial.spec.names import METRICS

INTERVALS = "metric_intervals"  # among a deployment's `training`: of the judged model, on the holdout
WORST_FIRST = (SliceStanding.WORSE, SliceStanding.UNCLEAR, SliceStanding.NOT_WORSE, SliceStanding.NOT_JUDGED)
Told = float | int | bool | str  # the numbers that are known


def sentence(facts: Facts) -> Statement:
    """The judgement in one sentence."""
    if facts.decision is None:
        return no_evidence("Judgement", "no decision is on record by which this model was promoted")
    numbers = facts.decision.numbers
    if numbers.get("verdict") is None:
        text = f"Promoted as of {facts.decision.as_of:%Y-%m-%d}. {' '.join(facts.decision.reasons[:1])}"
    else:
        rival = facts.evidence.rival if facts.evidence else "its rival"
        title = METRIC_TITLES.get(str(numbers["metric"]), numbers["metric"])
        text = (
            f"Judged {numbers['verdict']}, against {rival}: {numbers['gain']:+.3g} in {title} "
            f"({100 * numbers['confidence']:.3g}% interval: {numbers['low']:+.3g} to {numbers['high']:+.3g}; more is "
            "better)."
        )
    return said("Judgement", text.strip(), entry_source(facts.decision), numbers.get("verdict"))


def judgement(facts: Facts) -> Section:
    """The gain over the rival, with all reasons, and every number that the decision keeps."""
    decision = facts.decision
    names = ("Verdict", "Gain", "Compared with", "Asked for", "Method", "Rows compared", "Windows or days")
    if decision is None:
        why = "no decision is on record by which this model was promoted"
        return Section("judgement", "Judgement", tuple(no_evidence(name, why) for name in names))
    numbers, source = decision.numbers, entry_source(decision)
    gain, low, high = (numbers.get(name) for name in ("gain", "low", "high"))
    verdict = numbers.get("verdict")
    earlier = "" if verdict else "it was judged by the better score alone"
    if gain is None or low is None or high is None:
        told = no_evidence("Gain", earlier)
    else:
        text = f"{gain:+.4g} ({100 * numbers['confidence']:.3g}% interval: {low:+.4g} to {high:+.4g}; more is better)"
        told = Statement("Gain", text, source, gain, low, high)
    least = numbers.get("min_gain")
    asked = (f"a gain of at least {least:g}" if least else "any gain, beyond chance") if verdict else None
    statements = (
        said("Verdict", verdict, source, verdict, earlier),
        told,
        said("Compared with", facts.evidence.rival if facts.evidence else None, *_evidence_source(facts)),
        said("Asked for", asked, source, least, earlier),
        said("Method", numbers.get("method"), source, numbers.get("method"), earlier),
        said("Rows compared", _count(numbers.get("rows_compared")), source, numbers.get("rows_compared"), earlier),
        said("Windows or days", _count(numbers.get("windows")), source, numbers.get("windows"), earlier),
        *(Statement("Reason", reason, source) for reason in decision.reasons),
    )
    kept = tuple((name, value) for name, value in sorted(numbers.items()) if isinstance(value, Told))
    return Section(
        "judgement", "Judgement", statements, (Table("Numbers of the decision", ("Name", "Value"), kept, source),)
    )


def metrics(facts: Facts) -> Section:
    """Every metric of the judged model on its holdout, with its interval, beside its rival and no skill."""
    source = entry_source(facts.first)
    intervals: Mapping[str, Any] = facts.first.training.get(INTERVALS) or {}
    statements = []
    for name, value in facts.first.metrics.items():
        title = METRIC_TITLES.get(name, name)
        if value is None:
            statements.append(no_evidence(title, "it is not defined on these rows"))
            continue
        low, high = (intervals.get(name, {}).get(end) for end in ("low", "high"))
        better = "more" if name not in METRICS or METRICS[name].higher_is_better else "less"
        if low is None or high is None:
            text = f"{text_of(value)} (no interval is on record; {better} is better)"
        else:
            text = f"{text_of(value)} (95% interval: {text_of(low)} to {text_of(high)}; {better} is better)"
        statements.append(Statement(title, text, source, value, low, high))
    if not statements:
        statements.append(no_evidence("Metrics"))
    return Section("metrics", "Metrics on the holdout", tuple(statements), tuple(_compared(facts)))


def slices(facts: Facts) -> Section:
    """Each slice with its own interval, the worst first."""
    found, (source, why) = facts.evidence.slices if facts.evidence else None, _evidence_or_why(facts)
    if found is None or source is None:
        why = why or "the use case names no slices (training.slices)"
        return Section("slices", "Slices", (no_evidence("Slices", why),))
    ordered = sorted(found.slices, key=_worst_first)
    columns = ("Slice", "Standing", "Rows", "Rival", "This model", "Gain", "Low", "High", "p, for all slices")
    rows = tuple(
        (
            each.name, each.standing.value, each.rows,
            *(
                (each.comparison.champion, each.comparison.challenger, each.comparison.gain, each.comparison.low,
                 each.comparison.high)
                if each.comparison
                else (None,) * 5
            ),
            each.p_value,
        )
        for each in ordered
    )  # fmt: skip
    statements = tuple(Statement("Finding", reason, source) for reason in found.reasons)
    return Section("slices", "Slices", statements, (Table("Slices, the worst first", columns, rows, source),))


def calibration(facts: Facts) -> Section:
    """Whether predictions mean what they say."""
    source, why = _evidence_or_why(facts)
    if facts.evidence is None or source is None:
        return Section("calibration", "Calibration", (no_evidence("Calibration", why),))
    compared = facts.evidence.calibration
    columns = ("Model", "Measure", "Value", "Low", "High")
    rows: list[tuple[Value, ...]] = []
    for name, each in ((facts.evidence.tested, compared.challenger), (facts.evidence.rival, compared.champion)):
        rows += [(name, *row) for row in _calibrated(each)]
    statements = tuple(Statement("Finding", reason, source) for reason in facts.evidence.calibration_reasons)
    if not statements:
        statements = (no_evidence("Finding"),)
    table = Table("Calibration of both, on the same rows", columns, tuple(rows), source)
    return Section("calibration", "Calibration", statements, (table,))


def more(facts: Facts) -> Section:
    """What follows from predictions, and how the decisions of both models differ, also between groups."""
    source, why = _evidence_or_why(facts)
    evidence, rule = facts.evidence, decision_rule(facts.first)
    found = [said("Decides for", rule.text, entry_source(facts.first))] if rule else []
    if evidence is None or source is None:
        return Section("more", "Decisions, costs and fairness", (*found, no_evidence("Findings", why)))
    if evidence.decisions is not None:
        reasons = decision_reasons(evidence.decisions, evidence.tested, evidence.rival)
        found += [said("Decisions of both", reason, source) for reason in reasons]
    if evidence.fairness is not None:
        found += [said("Differences between groups", reason, source) for reason in evidence.fairness.reasons]
    return Section(
        "more", "Decisions, costs and fairness", tuple(found) or (no_evidence("Findings", "none was asked for"),)
    )


def _evidence_or_why(facts: Facts) -> tuple[Source | None, str]:
    if facts.decision is None:
        return None, "no decision is on record by which this model was promoted"
    digest = facts.decision.numbers.get(DIGEST)
    if facts.evidence is None or digest is None:
        return None, facts.gone.get("evidence", "the judgement kept nothing beside its numbers")
    return artefact_source("evidence of the judgement", str(digest), facts.decision), ""


def _evidence_source(facts: Facts) -> tuple[Source | None, str | None, str]:
    source, why = _evidence_or_why(facts)
    return source, facts.evidence.rival if facts.evidence else None, why


def _compared(facts: Facts) -> Iterator[Table]:
    """Every score in the decision, a row a metric; those on other rows than the holdout by themselves."""
    if facts.decision is None:
        return
    numbers, source = facts.decision.numbers, entry_source(facts.decision)
    if found := scores(numbers):
        yield _side_by_side("All that were judged, on the same rows", found, source)
    if found := scores(numbers, on_stored_rows=True):
        rows = f"{numbers.get(STORED_ROWS, 0):,} rows that still have its columns"
        yield _side_by_side(f"The champion of the time, on the {rows}", found, source)


def _side_by_side(title: str, found: Mapping[str, Mapping[str, Value]], source: Source) -> Table:
    names = tuple(dict.fromkeys(name for each in found.values() for name in each))
    rows = tuple(
        (METRIC_TITLES.get(metric, metric), *(each.get(name) for name in names)) for metric, each in found.items()
    )
    headings = ("Metric", *(name.replace("no_skill", "without skill") for name in names))
    return Table(title, headings, rows, source)


def _worst_first(judged: SliceJudgement) -> tuple[int, float]:
    return WORST_FIRST.index(judged.standing), judged.comparison.gain if judged.comparison else 0.0


def _calibrated(found: Calibration) -> Iterator[tuple[Value, ...]]:
    named: tuple[tuple[str, Interval | None], ...] = (
        ("mean prediction less mean outcome (0 is ideal)", found.in_the_large),
        ("slope (1 is ideal)", found.slope),
        ("expected calibration error", found.expected_error),
    )
    for name, interval in named:
        if interval is not None:
            yield name, interval.value, interval.low, interval.high
    if found.by_chance is not None:
        yield "the same of a perfectly calibrated model", found.by_chance, None, None


def _count(value: object) -> str | None:
    return f"{value:,}" if isinstance(value, int) else None
