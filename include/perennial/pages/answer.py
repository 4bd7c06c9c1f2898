"""From what was asked to a page: one of the views looks the data up, and it is written as HTML or as JSON."""

import json
from collections.abc import Callable

from perennial.encoding import as_json
from perennial.errors import InvalidWindow, NoModel, PerennialError, TransientError
from perennial.pages.asked import Answer, Asked, Found, NothingThere
from perennial.pages.rendering import rendered
from perennial.pages.views import (
    evaluation,
    evidence,
    home,
    interval,
    preview,
    quarantine,
    retraining,
    use_case,
    window,
)
from perennial.ports import Ports
from perennial.settings import Settings

HTML, JSON = "text/html; charset=utf-8", "application/json"
OK, NOT_FOUND, UNPROCESSABLE, UNAVAILABLE, BROKEN = 200, 404, 422, 503, 500

VIEWS: dict[str, Callable[[Asked, Settings, Ports], Found]] = {
    "home": home.run,
    "use_case": use_case.run,
    "window": window.run,
    "interval": interval.run,
    "retraining": retraining.run,
    "evaluation": evaluation.run,
    "preview": preview.run,
    "quarantine": quarantine.run,
    "evidence": evidence.run,
}
PROBLEMS: dict[type[PerennialError], tuple[int, str]] = {
    InvalidWindow: (UNPROCESSABLE, "This address names no window"),
    NoModel: (UNPROCESSABLE, "No model is meant by that"),
    TransientError: (UNAVAILABLE, "The records can't be read right now"),
    PerennialError: (BROKEN, "This page can't be shown"),
}


def answer(asked: Asked, settings: Settings, ports: Ports) -> Answer:
    """The page that was asked for. What can't be shown is a page, too, that says why and what to do."""
    try:
        found = VIEWS[asked.view](asked, settings, ports)
    except NothingThere as error:
        return _problem(asked, NOT_FOUND, "There is no such page", str(error))
    except PerennialError as error:
        status, title = next(told for kind, told in PROBLEMS.items() if isinstance(error, kind))
        return _problem(asked, status, title, str(error))
    if asked.as_json:
        return Answer(OK, JSON, json.dumps(as_json(found.data)).encode())
    return Answer(OK, HTML, rendered(asked, found.template, data=found.data, **found.extra))


def _problem(asked: Asked, status: int, title: str, said: str) -> Answer:
    if asked.as_json:
        return Answer(status, JSON, json.dumps({"error": title, "detail": said}).encode())
    return Answer(status, HTML, rendered(asked, "problem.html", title=title, said=said))
