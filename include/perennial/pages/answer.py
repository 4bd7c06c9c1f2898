"""From what was asked to a page: looks the data up with `review`, and writes it as HTML or as JSON."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any, Literal

from jinja2 import Environment, PackageLoader, StrictUndefined

from perennial import clock
from perennial.encoding import as_json
from perennial.errors import InvalidSpec, InvalidWindow, NoModel, NotScored, PerennialError, TransientError
from perennial.pages import charts, words
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.review import (
    evaluation_report,
    explain,
    portfolio,
    preview,
    quarantine,
    retraining_report,
    timeline,
    window_report,
)
from perennial.review.evidence_page import sections
from perennial.review.timeline import WindowState
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase, load_use_case, use_case_names
from perennial.window import Window, parse_instant

HTML, JSON = "text/html; charset=utf-8", "application/json"
ASSETS = {"style.css": "text/css; charset=utf-8", "frame.js": "text/javascript; charset=utf-8"}
WINDOWS_SHOWN = 371  # a year and a week
MOST_ROWS = 100
OK, NOT_FOUND, UNPROCESSABLE, UNAVAILABLE, BROKEN = 200, 404, 422, 503, 500

PROBLEMS: dict[type[PerennialError], tuple[int, str]] = {
    InvalidWindow: (UNPROCESSABLE, "This address names no window"),
    NoModel: (UNPROCESSABLE, "No model is meant by that"),
    TransientError: (UNAVAILABLE, "The records can't be read right now"),
    PerennialError: (BROKEN, "This page can't be shown"),
}


@dataclass(frozen=True)
class Asked:
    """What a reader asked for.

    `view` is one of `VIEWS`, `base` the address below which the pages are, `airflow` that of Airflow's own pages (both
    without a slash at the end), and `use_cases` are those that the reader may see.
    """

    view: str
    arguments: Mapping[str, str]
    use_cases: tuple[str, ...]
    base: str
    airflow: str
    as_json: bool = False


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True)
class _Found:
    """The data of a page, the template that shows it, and what else that needs."""

    data: Any
    template: str
    extra: dict[str, Any]


@dataclass(frozen=True)
class InQuarantine:
    """What each rule set aside of a window, with the first `MOST_ROWS` rows."""

    use_case: str
    window: Window
    rules: tuple[quarantine.RuleCatch, ...]
    format: Literal[1] = 1


@dataclass(frozen=True)
class BackfillPreview:
    """What scoring each of some windows would do."""

    use_case: str
    windows: tuple[preview.Preview, ...]
    format: Literal[1] = 1


class NothingThere(Exception):  # noqa: N818 - it becomes a page, not a crash
    """What was asked for does not exist, or may not be seen: nobody is told which."""


def answer(asked: Asked, settings: Settings, ports: Ports) -> Answer:
    """The page that was asked for. What can't be shown is a page, too, that says why and what to do."""
    if asked.view == "asset":
        return _asset(asked)
    try:
        found = VIEWS[asked.view](asked, settings, ports)
    except NothingThere as error:
        return _problem(asked, NOT_FOUND, "There is no such page", str(error))
    except PerennialError as error:
        status, title = next(told for kind, told in PROBLEMS.items() if isinstance(error, kind))
        return _problem(asked, status, title, str(error))
    if asked.as_json:
        return Answer(OK, JSON, json.dumps(as_json(found.data)).encode())
    return Answer(OK, HTML, _rendered(asked, found.template, data=found.data, **found.extra))


def _asset(asked: Asked) -> Answer:
    name = asked.arguments["name"]
    if name not in ASSETS:
        return _problem(asked, NOT_FOUND, "There is no such page", "Go to the list of all use cases.")
    return Answer(OK, ASSETS[name], files("perennial.pages").joinpath("static", name).read_bytes())


def _home(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    loaded, broken = [], []
    for name in use_case_names(settings.use_cases):
        if name not in asked.use_cases:
            continue
        try:
            loaded.append(load_use_case(settings.use_cases / name).spec)
        except InvalidSpec as error:
            broken.append((name, str(error)))
    found = portfolio.run(loaded, clock.now(), ports.ledger)
    wanted = {name: asked.arguments.get(name, "") for name in ("owner", "tag", "state")}
    shown = [
        each
        for each in found.use_cases
        if wanted["owner"] in ("", each.owner)
        and (not wanted["tag"] or wanted["tag"] in each.tags)
        and wanted["state"] in ("", each.urgency)
    ]
    choices = {
        "owner": sorted({each.owner for each in found.use_cases}),
        "tag": sorted({tag for each in found.use_cases for tag in each.tags}),
        "state": list(portfolio.Urgency),
    }
    extra = {"shown": shown, "wanted": wanted, "choices": choices, "broken": broken}
    return _Found(found, "home.html", extra)


def _use_case(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    use_case = _asked_use_case(asked, settings)
    spec = use_case.spec
    last = ports.ledger.last_ingested(spec.name)
    until = last.end if last else spec.start
    windows = timeline.last_windows(spec, until, WINDOWS_SHOWN)
    found = timeline.run(spec, windows, clock.now(), ports.ledger)
    return _Found(found, "use_case.html", {"spec": spec})


def _window(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    use_case = _asked_use_case(asked, settings)
    window = _asked_window(asked, use_case)
    return _Found(window_report.run(use_case, window, clock.now(), ports), "window.html", {"spec": use_case.spec})


def _interval(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    """What a run was about: one window, or several."""
    spec = _asked_use_case(asked, settings).spec
    start, end = (parse_instant(asked.arguments[name], spec.schedule.timezone) for name in ("start", "end"))
    windows = list(islice(spec.grid.between(start, end), WINDOWS_SHOWN))
    if len(windows) == 1:
        return _window(replace(asked, arguments={**asked.arguments, "window": windows[0].key}), settings, ports)
    found = timeline.run(spec, windows, clock.now(), ports.ledger)
    return _Found(found, "use_case.html", {"spec": spec})


def _preview(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    """What scoring some windows would do; until they are named, a form that asks for them."""
    use_case = _asked_use_case(asked, settings)
    spec, given = use_case.spec, asked.arguments
    zone = spec.schedule.timezone
    model, version = given.get("model") or Resolution.AS_WAS, given.get("version", "")
    first, last = given.get("from", ""), given.get("to", "")
    windows: list[Window] = []
    if first and last:
        end = spec.grid.containing(parse_instant(last, zone)).end
        windows = list(islice(spec.grid.between(spec.grid.starting_at(first).start, end), WINDOWS_SHOWN))
    choice = ModelChoice.parse(f"{model}:{version}" if version else model)
    found = BackfillPreview(spec.name, tuple(preview.run(use_case, windows, ports, model=choice)))
    wanted = {"first": first, "last": last, "model": model, "version": version}
    return _Found(found, "preview.html", {"spec": spec, "wanted": wanted, "models": list(Resolution)})


def _quarantine(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    use_case = _asked_use_case(asked, settings)
    window = _asked_window(asked, use_case)
    found = InQuarantine(use_case.name, window, tuple(quarantine.run(use_case, [window], ports, most=MOST_ROWS)))
    return _Found(found, "quarantine.html", {"spec": use_case.spec, "window": window, "most": MOST_ROWS})


def _evidence(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    """The evidence on one row: the prediction of an entity, in the window that is named or the last that has it."""
    use_case = _asked_use_case(asked, settings)
    window = _asked_window(asked, use_case) if asked.arguments.get("window") else None
    entity = asked.arguments.get("entity", "").strip()
    if not entity:
        raise NothingThere(f"Say which {use_case.spec.key} in the address: ?entity=…")
    try:
        found = explain.run(use_case, entity, window, clock.now(), ports, airflow_url=asked.airflow)
    except NotScored as error:
        raise NothingThere(str(error)) from error
    return _Found(found, "evidence.html", {"sections": sections(as_json(found))})


def _retraining(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    found = retraining_report.run(_asked_use_case(asked, settings), asked.arguments["run_id"], ports)
    return _Found(found, "retraining.html", {})


def _evaluation(asked: Asked, settings: Settings, ports: Ports) -> _Found:
    use_case = _asked_use_case(asked, settings)
    as_of = parse_instant(asked.arguments["as_of"], use_case.spec.schedule.timezone)
    return _Found(evaluation_report.run(use_case, asked.arguments["run_id"], as_of, ports), "evaluation.html", {})


VIEWS: dict[str, Callable[[Asked, Settings, Ports], _Found]] = {
    "home": _home,
    "use_case": _use_case,
    "window": _window,
    "interval": _interval,
    "retraining": _retraining,
    "evaluation": _evaluation,
    "preview": _preview,
    "quarantine": _quarantine,
    "evidence": _evidence,
}


def _asked_use_case(asked: Asked, settings: Settings) -> LoadedUseCase:
    name = asked.arguments["use_case"]
    if name not in asked.use_cases or name not in use_case_names(settings.use_cases):
        raise NothingThere("There is no such use case, or you may not see it.")
    return load_use_case(settings.use_cases / name)


def _asked_window(asked: Asked, use_case: LoadedUseCase) -> Window:
    window = Window.parse(asked.arguments["window"])
    if use_case.spec.grid.containing(window.start) != window:
        raise InvalidWindow(f"{window} is not a window of {use_case.name}.")
    return window


def _problem(asked: Asked, status: int, title: str, said: str) -> Answer:
    if asked.as_json:
        return Answer(status, JSON, json.dumps({"error": title, "detail": said}).encode())
    return Answer(status, HTML, _rendered(asked, "problem.html", title=title, said=said))


def _rendered(asked: Asked, template: str, **values: Any) -> bytes:
    def window_page(use_case: str, window: Window) -> str:
        return f"{asked.base}/dags/{use_case}.predict/windows/{window.key}"

    def of_state(use_case: str) -> Callable[[WindowState], str]:
        return lambda state: window_page(use_case, state.window)

    def run_page(run_id: str) -> str | None:
        """Airflow's page of a run, None for what the command line wrote."""
        dag_id, separator, name = run_id.partition("/")
        return f"{asked.airflow}/dags/{dag_id}/runs/{name}" if separator else None

    page = _environment().get_template(template)
    return page.render(
        base=asked.base,
        airflow=asked.airflow,
        now=clock.now(),
        window_page=window_page,
        of_state=of_state,
        run_page=run_page,
        **values,
    ).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("perennial.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "instant": words.instant,
        "window": words.window_name,
        "number": words.number,
        "plain": words.plain,
        "p": words.p_value,
        "share": words.share,
        "validation_word": words.validation_word,
        "drift_word": words.drift_word,
        "labels_word": charts.labels_word,
    }
    environment.globals |= {
        "strip": charts.strip,
        "histogram": charts.histogram,
        "performance_chart": charts.performance,
        "counts": charts.counts,
    }
    return environment
