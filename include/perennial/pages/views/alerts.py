"""The alerts of a use case: what stands and was told to whom, and what may be said of it."""

from perennial import clock
from perennial.alerting import report
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.settings import Settings


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What stands of the use case that is asked for."""
    spec = asked_use_case(asked, settings).spec
    found = report.run(spec, clock.now(), ports.ledger)
    return Found(found, "alerts.html", {"spec": spec, "may_change": asked.may_change})
