"""The model card of a version that was deployed."""

from perennial import clock
from perennial.card.make import model_card
from perennial.card.statements import Table, cell, sources
from perennial.errors import NoModel
from perennial.pages.asked import Asked, Found, NothingThere, asked_use_case
from perennial.ports import Ports
from perennial.settings import Settings

LONG = 8  # rows of a table that is folded up
MOST_ROWS = 200  # of a table on the page: of an hourly use case, a year of windows takes part


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The card of the version that is named, or of the champion."""
    use_case = asked_use_case(asked, settings)
    try:
        found = model_card(use_case.spec, asked.arguments.get("version") or None, clock.now(), ports)
    except NoModel as error:
        raise NothingThere(str(error)) from error
    named = sources(found)
    numbers = {source: number for number, source in enumerate(named, 1)}
    extra = {
        "sources": named,
        "numbers": numbers,
        "cell": cell,
        "columns_of_numbers": columns_of_numbers,
        "long_table": LONG,
        "most": MOST_ROWS,
    }
    return Found(found, "card.html", extra)


def columns_of_numbers(table: Table) -> frozenset[int]:
    """The places of the columns, after the first, that hold numbers alone: these are aligned at the right.

    >>> from perennial.card.statements import Source, SourceKind
    >>> rows = (("a", 1, "x", True), ("b", None, 2, True))
    >>> columns_of_numbers(Table("", ("", "", "", ""), rows, Source(SourceKind.ARTEFACT, "")))
    frozenset({1})
    """
    found = set[int]()
    for place in range(1, len(table.columns)):
        values = [row[place] for row in table.rows if row[place] is not None]
        if values and all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
            found.add(place)
    return frozenset(found)
