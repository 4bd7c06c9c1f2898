"""From what was asked to a page: one of the views looks the data up, and it is written as HTML or as JSON."""

import json
from collections.abc import Callable

from perennial.encoding import json_bytes
from perennial.errors import InvalidSettings, InvalidWindow, NoModel, PerennialError, RowsExpired, TransientError
from perennial.pages.asked import Answer, Asked, Found, NothingThere, Unnamed, without_folders
from perennial.pages.rendering import rendered
from perennial.pages.views import (
    alerts,
    card,
    compare,
    evaluation,
    evidence,
    home,
    interval,
    metrics,
    preview,
    quarantine,
    quarantined,
    retraining,
    review,
    suggestions,
    use_case,
    window,
)
from perennial.ports import Ports
from perennial.settings import Settings

HTML, JSON = "text/html; charset=utf-8", "application/json"
OK, NOT_FOUND, GONE, UNPROCESSABLE, UNAVAILABLE, BROKEN = 200, 404, 410, 422, 503, 500
RIGHT_NOW, AS_SET_UP = "The records can't be read right now", "The records can't be read with the present setup"
# What the reader can do about it; nothing, where the page is told by the address.
RETRY = {
    RIGHT_NOW: "Load this page again in a minute; if it stays so, tell whoever runs this Airflow.",
    AS_SET_UP: "Tell whoever runs this Airflow, and load this page again when it is fixed.",
}

VIEWS: dict[str, Callable[[Asked, Settings, Ports], Found]] = {
    "home": home.run,
    "use_case": use_case.run,
    "window": window.run,
    "interval": interval.run,
    "retraining": retraining.run,
    "evaluation": evaluation.run,
    "preview": preview.run,
    "compare": compare.run,
    "quarantine": quarantine.run,
    "quarantined": quarantined.run,
    "evidence": evidence.run,
    "suggestions": suggestions.run,
    "alerts": alerts.run,
    "review": review.run,
    "card": card.run,
}
# What answers in a form of its own, which is neither HTML nor JSON.
TEXTS: dict[str, Callable[[Asked, Settings, Ports], Answer]] = {"metrics": metrics.run}
PROBLEMS: dict[type[PerennialError], tuple[int, str]] = {
    InvalidWindow: (UNPROCESSABLE, "This address names no window"),
    RowsExpired: (GONE, "These rows were removed by retention"),
    NoModel: (UNPROCESSABLE, "That names no model"),
    InvalidSettings: (UNAVAILABLE, AS_SET_UP),
    TransientError: (UNAVAILABLE, RIGHT_NOW),
    PerennialError: (BROKEN, "This page can't be shown"),
}


def answer(asked: Asked, settings: Settings, ports: Ports) -> Answer:
    """The page that was asked for. What can't be shown is a page, too, that says why and what to do."""
    try:
        if asked.view in TEXTS:
            return TEXTS[asked.view](asked, settings, ports)
        found = VIEWS[asked.view](asked, settings, ports)
    except NothingThere as error:
        return problem(asked, NOT_FOUND, error.title, str(error))
    except Unnamed as error:
        return problem(asked, UNPROCESSABLE, "This address names no row", str(error))
    except PerennialError as error:
        status, title = next(told for kind, told in PROBLEMS.items() if isinstance(error, kind))
        return problem(asked, status, title, without_folders(str(error), settings))
    if asked.as_json:
        return Answer(OK, JSON, json_bytes(found.data))
    return Answer(OK, HTML, rendered(asked, found.template, data=found.data, **found.extra))


def problem(asked: Asked, status: int, title: str, said: str) -> Answer:
    """The page that says why there is no other."""
    if asked.as_json:
        return Answer(status, JSON, json.dumps({"error": title, "detail": said}).encode())
    name = asked.arguments.get("use_case")
    values = {
        "title": title,
        "said": said,
        "retry": RETRY.get(title, ""),
        "use_case": name if name in asked.use_cases else None,
    }
    return Answer(status, HTML, rendered(asked, "problem.html", **values))
