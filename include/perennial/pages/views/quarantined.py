"""The evidence on one row in quarantine: by its key, or, where it has none, by its fingerprint."""

from functools import partial

from perennial.errors import NotIngested
from perennial.pages.asked import Asked, Found, NoSuchRow, NothingThere, Unnamed, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.quality.caught import rule_sentence
from perennial.review import quarantine, quarantined
from perennial.settings import Settings


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The evidence on the row that is named."""
    use_case = asked_use_case(asked, settings)
    if not asked.arguments.get("window"):
        raise Unnamed("Say which window in the address: ?window=…&entity=…")
    window = asked_window(asked, use_case)
    entity, row = (asked.arguments.get(name) or None for name in ("entity", "row"))
    if entity is None and row is None:
        raise Unnamed(f"Say which {use_case.spec.key} in the address: ?window=…&entity=…")
    try:
        found = quarantined.run(use_case, window, ports, entity=entity, row=row)
    except NotIngested as error:
        raise NothingThere(str(error)) from error
    if found is None:
        raise NoSuchRow("The window has no such row. It may have been ingested anew since: look at its quarantine.")
    in_words = partial(rule_sentence, expectations=quarantine.rules_in_force(use_case, found.snapshot, ports))
    return Found(found, "quarantined.html", {"spec": use_case.spec, "spelt": quarantine.spelt, "in_words": in_words})
