"""What scoring some windows would do; until they are named, a form that asks for them."""

from dataclasses import dataclass
from itertools import islice
from typing import Literal

from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.review import preview
from perennial.review.use_case_report import WINDOWS_SHOWN
from perennial.settings import Settings
from perennial.window import Window, parse_instant


@dataclass(frozen=True)
class BackfillPreview:
    """What scoring each of some windows would do."""

    use_case: str
    windows: tuple[preview.Preview, ...]
    format: Literal[1] = 1


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What would be done to each window from `from` to `to`."""
    use_case = asked_use_case(asked, settings)
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
    return Found(found, "preview.html", {"spec": spec, "wanted": wanted, "models": list(Resolution)})
