"""The report of an evaluation."""

from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.review import evaluation_report
from perennial.settings import Settings
from perennial.window import parse_instant


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the run that is named, as of its moment."""
    use_case = asked_use_case(asked, settings)
    as_of = parse_instant(asked.arguments["as_of"], use_case.spec.schedule.timezone)
    return Found(evaluation_report.run(use_case, asked.arguments["run_id"], as_of, ports), "evaluation.html", {})
