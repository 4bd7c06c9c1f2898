"""The evidence on one row: the prediction of an entity, in the window that is named or the last of some that has it."""

from perennial import clock
from perennial.encoding import as_json
from perennial.errors import NotScored
from perennial.pages.asked import Asked, Found, NothingThere, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.review import explain
from perennial.review.evidence_page import sections
from perennial.settings import Settings

LOOK_BACK = 60  # windows, where none is named: each is read, and pages are written one after the other


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The evidence on the entity that is named."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case) if asked.arguments.get("window") else None
    entity = asked.arguments.get("entity", "").strip()
    if not entity:
        raise NothingThere(f"Say which {use_case.spec.key} in the address: ?entity=…")
    try:
        found = explain.run(
            use_case, entity, window, clock.now(), ports, airflow_url=asked.airflow, look_back=LOOK_BACK
        )
    except NotScored as error:
        raise NothingThere(str(error)) from error
    return Found(found, "evidence.html", {"sections": sections(as_json(found)), "spec": use_case.spec})
