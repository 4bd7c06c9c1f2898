"""What is served without asking the records: the stylesheet, the script, and the page that says why there is none."""

from html import escape
from http import HTTPStatus
from importlib.resources import files

from fastapi import HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from perennial_airflow.pages.views import PREFIX

FILES = {
    "style.css": "text/css; charset=utf-8",
    "frame.js": "text/javascript; charset=utf-8",
    "review.js": "text/javascript; charset=utf-8",
}
READING = ("GET", "HEAD")
REASONS: dict[int, tuple[str, str]] = {
    401: ("Log in first", "Open Airflow, log in, and come back."),
    403: ("You may not see this", "Ask whoever runs this Airflow for the right to read the DAGs of this use case."),
    404: ("There is no such page", "The address may be mistyped, or what it names is gone."),
    422: ("This address names no window", "Go to the page of the window."),
    405: ("This can't be done to a page", "Pages are read with GET."),
    503: ("The pages can't be written right now", "Load this page again in a minute."),
}
MAY_NOT_CHANGE = ("You may not do this", "Ask whoever runs this Airflow for the right to change the runs of this DAG.")
PAGE = """<!doctype html>
<html lang="en" data-airflow="{airflow}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · Perennial</title>
<link rel="stylesheet" href="{base}/style.css"><script src="{base}/frame.js" defer></script></head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header><nav aria-label="Perennial"><a href="{base}/home">All use cases</a></nav></header>
<main id="main" tabindex="-1"><h1>{title}</h1>
<section class="card act"><p class="sentence">{detail}</p><p>Go to <a href="{base}/home">all use cases</a>, or \
back to <a href="{airflow}/" data-airflow>Airflow</a>.</p></section></main>
</body>
</html>
"""


def file(name: str) -> Response:
    """The stylesheet or the script. Errors: `HTTPException` with 404 for any other name."""
    if name not in FILES:
        raise HTTPException(404)
    body = files("perennial.pages").joinpath("static", name).read_bytes()
    return Response(body, media_type=FILES[name])


def as_json(request: Request) -> bool:
    """Whether a script asks, rather than a browser that opens a page."""
    return request.method not in READING or "application/json" in request.headers.get("accept", "")


def problem(request: Request, status: int, title: str, detail: str) -> Response:
    """A page that says what went wrong, for a browser without script that sent a form."""
    base = request.scope["root_path"].rstrip("/")
    said = {"title": title, "detail": detail, "base": base, "airflow": base.removesuffix(PREFIX)}
    return HTMLResponse(PAGE.format(**{name: escape(value) for name, value in said.items()}), status)


def refusal(request: Request, status: int, detail: str | None = None) -> Response:
    """Why there is no page: for a browser as a page, for a script as JSON."""
    title, usual = REASONS.get(status, ("This can't be shown", "The log of the API server says more."))
    if status == HTTPStatus.FORBIDDEN and request.method not in READING:
        title, usual = MAY_NOT_CHANGE
    if as_json(request):
        return JSONResponse({"error": title, "detail": detail or usual}, status)
    base = request.scope["root_path"].rstrip("/")
    said = {"title": title, "detail": detail or usual, "base": base, "airflow": base.removesuffix(PREFIX)}
    return HTMLResponse(PAGE.format(**{name: escape(value) for name, value in said.items()}), status)
