"""What became of the version: performance in service, roles, approvals, exports and interventions."""

from perennial.card.facts import Facts, entry_source
from perennial.card.statements import Section, Source, SourceKind, Statement, Table, Value, instant, no_evidence, said
from perennial.ledger.entries import Performance
from perennial.performance.gain import METRIC_TITLES
from perennial.performance.interval import Interval, trailing
from perennial.policy.promotion import text_of
from perennial.wording import counted


def performance(facts: Facts) -> Section:
    """The deciding metric over the last final windows of the version's service, and in each."""
    entries, metric = facts.performance, facts.metric
    title = METRIC_TITLES.get(metric, metric)
    if not entries:
        why = "no window that it scored is final yet"
        return Section("service", "Performance in service", (no_evidence(title or "Performance", why),))
    source = _performance_source(entries)
    known = []
    rows: list[tuple[Value, ...]] = []
    for each in entries:
        value, interval = each.metrics.get(metric), each.intervals.get(metric, {})
        rows.append(
            (each.window.key, value, interval.get("low"), interval.get("high"), each.labelled, each.rows, each.id)
        )
        error = interval.get("standard_error")
        if value is not None and error is not None and each.labelled:
            known.append((Interval(value, value, value, error), each.labelled))
    statements = [Statement("Final windows", f"{len(entries)}, the last ones", source, len(entries))]
    if known:
        found = trailing(metric, known)
        text = (
            f"{text_of(found.value)} (95% interval: {text_of(found.low)} to {text_of(found.high)}), the mean of "
            f"{counted(len(known), 'window')} by their labelled rows"
        )
        statements.append(Statement(title, text, source, found.value, found.low, found.high))
    else:
        statements.append(no_evidence(title, "no window has an interval"))
    expected = facts.first.expected(metric)
    statements.append(
        said(
            f"{title} when it was judged",
            text_of(expected) if expected is not None else None,
            entry_source(facts.first),
            expected,
        )
    )
    columns = ("Window", title, "Low", "High", "Labelled rows", "Rows", "Entry")
    table = Table("Final windows, as they were measured last", columns, tuple(rows), source)
    return Section("service", "Performance in service", tuple(statements), (table,))


def roles(facts: Facts) -> Section:
    """Every time in a role."""
    statements = []
    for each in facts.served:
        entry = each.deployment
        ended = f"until {instant(each.until)}" if each.until else "on, and still"
        again = ", rolled back to" if each.again else ""
        text = f"{entry.role} for data from {instant(entry.effective_from)} {ended}{again}: {entry.reason}"
        statements.append(Statement("Role", text, entry_source(entry), entry.role.value))
    return Section("roles", "Roles over time", tuple(statements))


def approvals(facts: Facts) -> Section:
    """Who was asked about the version and what they answered, and who agreed to each of its deployments."""
    statements = [
        Statement(
            "Answer",
            f"{each.approver or 'Nobody'} {each.answer.value} it"
            + (f" as {each.role}" if each.role else "")
            + f" at {instant(each.answered_at)}"
            + (f", asked by {each.requester}" if each.requester else "")
            + f": {each.reason}",
            entry_source(each),
            each.answer.value,
        )
        for each in facts.approvals
    ]
    for each in facts.served:
        entry = each.deployment
        who = f"approved by {entry.approved_by}" if entry.approved_by else "nobody was asked: the policy decided alone"
        at = instant(entry.recorded_at) if entry.recorded_at else "an unknown time"
        stage = "" if entry.share is None else f" for {entry.share}% of the rows" if entry.share else " in the shadow"
        text = f"Deployed as {entry.role}{stage} by {entry.actor} at {at}; {who}."
        statements.append(Statement("Deployment", text, entry_source(entry), entry.approved_by))
    return Section("approvals", "Approvals", tuple(statements))


def exports(facts: Facts) -> Section:
    """The version in other formats, each with its certificate or why it was refused."""
    statements = [
        Statement(
            str(each.numbers.get("format", "Export")).upper(),
            f"{each.action}: {' '.join(each.reasons)}",
            entry_source(each),
            each.numbers.get("digest"),
        )
        for each in facts.exports
    ]
    if not statements:
        statements = [no_evidence("Exports", "none was made")]
    return Section("exports", "Exports", tuple(statements))


def interventions(facts: Facts) -> Section:
    """What people and maintenance did that touches the version."""
    statements = [
        Statement(
            each.kind.value.replace("_", " "), f"{each.subject}, by {each.actor}: {each.reason}", entry_source(each)
        )
        for each in facts.interventions
    ]
    statements += [
        Statement(
            "rollback",
            f"Version {each.deployment.model_version} took the role again, by {each.deployment.actor}: "
            f"{each.deployment.reason}",
            entry_source(each.deployment),
        )
        for each in facts.served
        if each.again
    ]
    if not statements:
        statements = [no_evidence("Interventions", "none is on record that touches this version")]
    return Section("interventions", "Interventions", tuple(statements))


def _performance_source(entries: tuple[Performance, ...]) -> Source:
    last = max(entries, key=lambda each: each.id or 0)
    name = f"performance of {counted(len(entries), 'window')}, the newest entry named"
    return Source(SourceKind.PERFORMANCE, name, last.id, last.recorded_at, last.run_id)
