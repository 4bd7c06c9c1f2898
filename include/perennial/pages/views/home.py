"""All use cases that the reader may see, those that need a person first."""

from collections import Counter
from collections.abc import Sequence

from perennial import clock
from perennial.errors import InvalidSpec
from perennial.pages.asked import Asked, Found, without_folders
from perennial.ports import Ports
from perennial.review import portfolio
from perennial.review.airflow_state import by_dag_id
from perennial.review.matters import Urgency
from perennial.review.portfolio import ORDERS, Summary
from perennial.settings import Settings
from perennial.spec.load import load_again, use_case_names

BY_NEED = "urgency"
CALM = (Urgency.FINE, Urgency.ENDED)
FILTERS = ("owner", "tag", "state")
MOST_CARDS = 20  # what comes after them are lines of a table
FINE_WITH_CARDS = 3  # more use cases that are fine are lines of a table, too


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The use cases, filtered and sorted as asked. A spec with errors is told, and the others are shown."""
    loaded, ended, broken = [], {}, []
    for name in use_case_names(settings.use_cases):
        if name not in asked.use_cases:
            continue
        try:
            found = load_again(settings.use_cases / name)
        except InvalidSpec as error:
            broken.append((name, without_folders(str(error), settings)))
            continue
        loaded.append(found.spec)
        if found.ended is not None:
            ended[name] = found.ended
    shown_all = portfolio.run(loaded, clock.now(), ports.ledger, by_dag_id(asked.dags), ended)
    wanted = {name: asked.arguments.get(name, "") for name in FILTERS}
    order = asked.arguments.get("sort", BY_NEED)
    order = order if order in ORDERS else BY_NEED
    shown = sorted((each for each in shown_all.use_cases if _fits(each, wanted)), key=ORDERS[order])
    cards, lines = _arranged(shown, by_need=order == BY_NEED)
    extra = {
        "cards": cards,
        "lines": lines,
        "tally": Counter(each.urgency for each in shown),
        "wanted": {**wanted, "sort": order},
        "choices": _choices(shown_all.use_cases),
        "by_need": order == BY_NEED,
        "broken": broken,
    }
    return Found(shown_all, "home.html", extra)


def _fits(each: Summary, wanted: dict[str, str]) -> bool:
    owner, tag, state = (wanted[name] for name in FILTERS)
    return owner in ("", each.owner) and (not tag or tag in each.tags) and state in ("", each.urgency)


def _arranged(shown: Sequence[Summary], *, by_need: bool) -> tuple[list[Summary], list[Summary]]:
    """What has a card, and what is a line of the table: use cases in need first, or all in the order asked for."""
    if not by_need:
        return [], list(shown)
    in_need = [each for each in shown if each.urgency not in CALM]
    fine = [each for each in shown if each.urgency in CALM]
    if len(fine) <= FINE_WITH_CARDS and len(shown) <= MOST_CARDS:
        return in_need + fine, []
    return in_need[:MOST_CARDS], in_need[MOST_CARDS:] + fine


def _choices(use_cases: Sequence[Summary]) -> dict[str, list[str]]:
    return {
        "owner": ["", *sorted({each.owner for each in use_cases})],
        "tag": ["", *sorted({tag for each in use_cases for tag in each.tags})],
        "state": ["", *Urgency],
        "sort": list(ORDERS),
    }
