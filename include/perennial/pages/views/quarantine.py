"""The rows of a window that were set aside, by the rule that did it, and what people did about them."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

from perennial.ledger.entries import InterventionKind
from perennial.pages.asked import Asked, Found, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.quality.caught import always_holds, rule_sentence
from perennial.records.retained import quarantine_expired
from perennial.review import handled, quarantine
from perennial.review.handled import Handled
from perennial.settings import Settings
from perennial.window import Window

MOST_ROWS = 100


@dataclass(frozen=True)
class InQuarantine:
    """What each rule set aside of a window, with the first `MOST_ROWS` rows, and what people did about it.

    `snapshot_digest` names the rows that the window has, None when it has none: whoever accepts says that it is these.
    `removed` says when rows that were set aside went by age.
    """

    use_case: str
    window: Window
    rules: tuple[quarantine.RuleCatch, ...]
    snapshot_digest: str | None = None
    handled: tuple[Handled, ...] = ()
    removed: str | None = None
    format: Literal[1] = 1


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What each rule set aside, with the first rows."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case)
    snapshot = ports.ledger.latest_snapshot(use_case.name, window)
    caught = tuple(quarantine.run(use_case, [window], ports, most=MOST_ROWS))
    gone = quarantine_expired(snapshot, len(caught), ports.ledger) if snapshot else None
    found = InQuarantine(
        use_case.name,
        window,
        caught,
        snapshot.digest if snapshot else None,
        handled.run(use_case.name, window, ports),
        None if gone is None else str(gone),
    )
    accepted = {
        each.rule: each for each in found.handled if each.kind is InterventionKind.ROWS_ACCEPTED and each.of_latest
    }
    rules = quarantine.rules_in_force(use_case, snapshot, ports) if snapshot else {}
    extra = {
        "spec": use_case.spec,
        "in_words": partial(rule_sentence, expectations=rules),
        "window": window,
        "most": MOST_ROWS,
        "accepted": accepted,
        "always_holds": always_holds,
        "is_named_by_key": quarantine.is_named_by_key,
        "spelt": quarantine.spelt,
        "may_change": asked.may_change,
    }
    return Found(found, "quarantine.html", extra)
