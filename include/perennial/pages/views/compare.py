"""Two windows, two models or two revisions of a window, side by side; until they are named, a form that asks."""

from perennial import clock
from perennial.errors import NotScored
from perennial.pages.asked import Asked, Found, NothingThere, asked_use_case, window_named
from perennial.ports import Ports
from perennial.review.comparison import choices, models, revisions, windows
from perennial.settings import Settings

WINDOW, MODEL, REVISION, WITH = "window", "model", "revision", "with"


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What is different between `window` and `with`, `model` and `with`, or `revision` and `with` of a `window`."""
    use_case = asked_use_case(asked, settings)
    given = {name: asked.arguments.get(name, "").strip() for name in (WINDOW, MODEL, REVISION, WITH)}
    extra = {"spec": use_case.spec}
    if given[WINDOW] and given[REVISION] and given[WITH]:
        window = window_named(given[WINDOW], use_case)
        numbers = _revision(given[REVISION]), _revision(given[WITH])
        try:
            return Found(revisions.run(use_case, window, *numbers, ports), "compare/revisions.html", extra)
        except NotScored as error:
            raise NothingThere(str(error)) from error
    if given[WINDOW] and given[WITH]:
        sides = window_named(given[WINDOW], use_case), window_named(given[WITH], use_case)
        return Found(windows.run(use_case, *sides, clock.now(), ports), "compare/windows.html", extra)
    if given[MODEL] and given[WITH]:
        return Found(models.run(use_case, given[MODEL], given[WITH], ports), "compare/models.html", extra)
    return Found(choices.run(use_case.spec, ports), "compare.html", extra | {"given": given})


def _revision(text: str) -> int:
    """Errors: `NothingThere`."""
    if not text.isascii() or not text.isdigit() or len(text) > len("999999999"):
        raise NothingThere(f"{text[:20]!r} is not the number of a revision; those are 1, 2, 3 …")
    return int(text)
