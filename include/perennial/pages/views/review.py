"""The review queue: the rows that wait for a person's answer, and what the answers say of the model."""

from perennial import clock
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.review import by_people, open_questions
from perennial.settings import Settings
from perennial.window import parse_instant


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The queue of the windows before `until` (default: the newest). Errors: `InvalidWindow`."""
    use_case = asked_use_case(asked, settings)
    text = asked.arguments.get("until", "")
    until = parse_instant(text, use_case.spec.schedule.timezone) if text else None
    found = open_questions.run(use_case, clock.now(), ports, until)
    extra = {
        "spec": use_case.spec,
        "may_change": asked.may_change,
        "asked_until": until,
        "told": by_people.sentences(found.measured) if found.measured else (),
        "columns": open_questions.seen_columns(use_case.spec),
    }
    return Found(found, "review.html", extra)
