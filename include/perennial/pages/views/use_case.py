"""The windows of a use case, and what happened to its model."""

from perennial import clock
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.review import timeline
from perennial.settings import Settings

WINDOWS_SHOWN = 371  # a year and a week


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The last windows up to the last that was read."""
    use_case = asked_use_case(asked, settings)
    spec = use_case.spec
    last = ports.ledger.last_ingested(spec.name)
    until = last.end if last else spec.start
    windows = timeline.last_windows(spec, until, WINDOWS_SHOWN)
    found = timeline.run(spec, windows, clock.now(), ports.ledger)
    return Found(found, "use_case.html", {"spec": spec})
