"""The report of a retraining."""

from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.review import retraining_report
from perennial.settings import Settings


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the run that is named."""
    found = retraining_report.run(asked_use_case(asked, settings), asked.arguments["run_id"], ports)
    return Found(found, "retraining.html", {})
