"""The evidence on one row: the prediction of an entity, in the window that is named or the last of some that has it.

Until an entity is named, a person gets a form that asks for it.
"""

from perennial import clock
from perennial.encoding import as_json
from perennial.errors import NotScored
from perennial.pages.asked import Asked, Found, NoSuchRow, Unnamed, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.review import explain
from perennial.review.comparison import choices
from perennial.review.evidence_page import sections
from perennial.settings import Settings

LOOK_BACK = 60  # windows, where none is named: each is read, and pages are written one after the other


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The evidence on the entity that is named."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case) if asked.arguments.get("window", "").strip() else None
    entity = asked.arguments.get("entity", "").strip()
    if not entity:
        if asked.as_json:
            raise Unnamed(f"Say which {use_case.spec.key} in the address: ?entity=…")
        windows = [each for each in choices.known_windows(use_case.spec, ports) if each.revisions]
        return Found(windows, "evidence_of.html", {"spec": use_case.spec, "window": window, "look_back": LOOK_BACK})
    try:
        found = explain.run(
            use_case, entity, window, clock.now(), ports, airflow_url=asked.airflow, look_back=LOOK_BACK
        )
    except NotScored as error:
        raise NoSuchRow(str(error)) from error
    return Found(found, "evidence.html", {"sections": sections(as_json(found)), "spec": use_case.spec})
