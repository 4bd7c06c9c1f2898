"""A suite of expectations that past windows suggest, as YAML to copy; by default from the last windows ingested."""

from dataclasses import dataclass
from typing import Literal

from perennial.errors import NotIngested
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.review.suggestions import suggest
from perennial.review.suggestions.as_yaml import as_yaml
from perennial.review.suggestions.suggest import Suggestions, last_windows
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase
from perennial.spec.sentences import sentence
from perennial.window import Window, parse_instant

MOST_WINDOWS = 60
MOST_ROWS = 200_000  # of all windows together: pages are written one after the other, so none may take long


@dataclass(frozen=True)
class SuggestedSuite:
    """What was found, and the same as the text of an `expectations.yaml`; or `why_not`, where there is nothing."""

    use_case: str
    found: Suggestions | None = None
    yaml: str | None = None
    why_not: str | None = None
    format: Literal[1] = 1


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The suite that the windows from `from` to `to` suggest."""
    use_case = asked_use_case(asked, settings)
    grid = use_case.spec.grid
    first, last = (asked.arguments.get(name, "") for name in ("from", "to"))
    try:
        windows = _windows(use_case, first, last) if first and last else last_windows(use_case, ports)
        found = suggest.run(use_case, windows, ports, most_rows=MOST_ROWS)
    except NotIngested as error:
        data = SuggestedSuite(use_case.name, why_not=str(error))
    else:
        first, last = (first or grid.name_of(windows[0]), last or grid.name_of(windows[-1]))
        data = SuggestedSuite(use_case.name, found, as_yaml(found, grid))
    wanted = {"first": first, "last": last, "most": MOST_WINDOWS}
    extra = {"spec": use_case.spec, "wanted": wanted, "in_words": sentence}
    return Found(data, "suggestions.html", extra)


def _windows(use_case: LoadedUseCase, first: str, last: str) -> list[Window]:
    """The last `MOST_WINDOWS` of the windows that are named. Errors: `InvalidWindow`."""
    grid = use_case.spec.grid
    end = grid.containing(parse_instant(last, use_case.spec.schedule.timezone)).end
    start = max(grid.starting_at(first).start, grid.back(end, MOST_WINDOWS))
    return list(grid.between(start, end))
