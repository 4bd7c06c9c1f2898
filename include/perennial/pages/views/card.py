"""The model card of a version that was deployed."""

from perennial import clock
from perennial.card.make import model_card
from perennial.card.statements import cell, sources
from perennial.errors import NoModel
from perennial.pages.asked import Asked, Found, NothingThere, asked_use_case
from perennial.ports import Ports
from perennial.settings import Settings

LONG = 8  # rows of a table that is folded up
MOST_ROWS = 200  # of a table on the page: of an hourly use case, a year of windows takes part


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The card of the version that is named, or of the one that was deployed last."""
    use_case = asked_use_case(asked, settings)
    try:
        found = model_card(use_case.spec, asked.arguments.get("version") or None, clock.now(), ports)
    except NoModel as error:
        raise NothingThere(str(error)) from error
    named = sources(found)
    numbers = {source: number for number, source in enumerate(named, 1)}
    return Found(
        found, "card.html", {"sources": named, "numbers": numbers, "cell": cell, "long_table": LONG, "most": MOST_ROWS}
    )
