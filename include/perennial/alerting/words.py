"""What people say of alerts, on record with why: that they know, or that they want to hear nothing for a while."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from perennial.alerting.alert import Alert
from perennial.alerting.news import NO_WORDS, Told, Words
from perennial.encoding import from_json, json_digest
from perennial.errors import AlertChanged, NotEnoughData
from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.ledger.rows import utc
from perennial.spec.alerts import Telling
from perennial.spec.models import UseCase
from perennial.window import parse_instant

SAYS = {InterventionKind.ALERT_ACKNOWLEDGED: "subjects", InterventionKind.ALERT_SILENCED: "until"}
KINDS = tuple(SAYS)
REMEMBERED = timedelta(days=90)  # after that, what still stands is told again


def read(use_case: str, now: datetime, ledger: Ledger) -> dict[str, Words]:
    """What counts of what people said, by the key of the alert. Errors: `StoreUnavailable`."""
    return of(said(use_case, now, ledger))


def said(use_case: str, now: datetime, ledger: Ledger) -> list[Intervention]:
    """What people said that counted, or does, in the order in which it was recorded. Errors: `StoreUnavailable`.

    An entry that does not say for what or until when counts for nothing: nobody shall miss an alert for its sake.
    """
    found = ledger.interventions_since(use_case, KINDS, now - REMEMBERED)
    return [each for each in found if SAYS[each.kind] in each.details]


def of(entries: Iterable[Intervention]) -> dict[str, Words]:
    """The last word of each kind, of words in the order in which they were recorded."""
    words: dict[str, Words] = {}
    for each in entries:
        before = words.get(each.subject, NO_WORDS)
        if each.kind is InterventionKind.ALERT_SILENCED:
            words[each.subject] = replace(before, silenced_until=parse_instant(each.details["until"]))
        else:
            subjects = frozenset(each.details["subjects"])
            words[each.subject] = replace(before, acknowledged_at=each.recorded_at, acknowledged=subjects)
    return words


def told_of(spec: Telling, ledger: Ledger) -> dict[str, Alert]:
    """What stands and somebody was told of, in the last words, by its key. Errors: `StoreUnavailable`."""
    found: dict[str, Told] = {}
    for route in spec.alerts:
        notice = ledger.last_notice(spec.name, route.name)
        for key, each in (notice.told if notice else {}).items():
            told = from_json(Told, each)
            if key not in found or found[key].last_at < told.last_at:
                found[key] = told
    return {key: told.alert for key, told in found.items()}


def seen(alert: Alert) -> str:
    """A name for what the alert is about, by which a change of it is noticed."""
    return json_digest(list(alert.subjects))


def acknowledge(
    spec: UseCase, key: str, looked_at: str, ledger: Ledger, run_id: str, *, actor: str, reason: str
) -> Intervention:
    """Put on record that somebody knows of what an alert is about; what comes to it later is told again.

    `looked_at` is what `seen` said of the alert that was looked at. Errors: `AlertChanged` when it is about other
    things now; `NotEnoughData` when nobody was told of such an alert, or it has ended; `StoreUnavailable`.
    """
    alert = _told(spec, key, ledger)
    if seen(alert) != looked_at:
        raise AlertChanged(f"The alert {key} of {spec.name} has changed since it was looked at. Load the page again.")
    details = {"subjects": list(alert.subjects)}
    return ledger.record_intervention(
        Intervention(spec.name, InterventionKind.ALERT_ACKNOWLEDGED, key, actor, reason, details, run_id)
    )


def silence(
    spec: UseCase, key: str, until: datetime, ledger: Ledger, run_id: str, *, actor: str, reason: str
) -> Intervention:
    """Put on record that nothing is to be told of the alert until a moment. A moment that has passed ends a silence.

    Errors: as of `acknowledge`.
    """
    _told(spec, key, ledger)
    details = {"until": utc(until, "until").isoformat()}
    return ledger.record_intervention(
        Intervention(spec.name, InterventionKind.ALERT_SILENCED, key, actor, reason, details, run_id)
    )


def _told(spec: UseCase, key: str, ledger: Ledger) -> Alert:
    told = told_of(spec, ledger)
    if key not in told:
        raise NotEnoughData(
            f"{spec.name} has no open alert {key!r} that was sent; open are: {', '.join(told) or 'none'}. "
            "Load the page again."
        )
    return told[key]
