"""What scoring some windows would do; until they are named, a form that asks for them."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Literal
from zoneinfo import ZoneInfo

from perennial.errors import InvalidWindow
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.ports import Ports
from perennial.records.model_choice import ModelChoice, Resolution
from perennial.review import preview
from perennial.review.comparison.choices import KnownModel, known_models
from perennial.review.use_case_report import WINDOWS_SHOWN
from perennial.settings import Settings
from perennial.spec.models import UseCase
from perennial.window import Window, parse_instant


@dataclass(frozen=True)
class BackfillPreview:
    """What scoring each of some windows would do; `sentence` says it in one line.

    `goes_on_at` is the start of the first window of the range that is not among them, because they are too many; None
    when all are. `models` are the versions that can be pinned, the newest first.
    """

    use_case: str
    windows: tuple[preview.Preview, ...]
    sentence: str
    goes_on_at: datetime | None
    models: tuple[KnownModel, ...]
    format: Literal[1] = 1


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What would be done to each window from `from` to `to`, at most `WINDOWS_SHOWN` of them."""
    use_case = asked_use_case(asked, settings)
    spec, given = use_case.spec, asked.arguments
    model = given.get("model") or Resolution.AS_WAS
    version = given.get("version", "") if model == Resolution.PINNED else ""
    first, last = given.get("from", "").strip(), given.get("to", "").strip()
    choice = ModelChoice.parse(f"{model}:{version}" if version else model)
    windows = _windows(spec, first, last) if first and last else []
    beyond = windows[WINDOWS_SHOWN:]
    previews = preview.run(use_case, windows[:WINDOWS_SHOWN], ports, model=choice)
    found = BackfillPreview(
        use_case=spec.name,
        windows=tuple(previews),
        sentence=preview.summary(previews),
        goes_on_at=beyond[0].start if beyond else None,
        models=known_models(spec, ports),
    )
    reasons: dict[str, str] = {}
    for each in previews:
        if each.why_not:
            kind, _, said = each.why_not.partition(": ")
            reasons.setdefault(kind, said)
    wanted = {"first": first, "last": last, "model": model, "version": version}
    extra = {"spec": spec, "wanted": wanted, "choices": list(Resolution), "reasons": reasons, "most": WINDOWS_SHOWN}
    return Found(found, "preview.html", extra)


def _windows(spec: UseCase, first: str, last: str) -> list[Window]:
    """The windows of the range, one more than are shown if there are more. Errors: `InvalidWindow`."""
    start, end = spec.grid.starting_at(first).start, _end(spec, last)
    if end <= start:
        raise InvalidWindow(f"The last window, {last}, comes before the first, {first}.")
    start, end = max(start, spec.start), min(end, spec.end) if spec.end else end
    if end <= start:
        schedule = f"its schedule starts on {spec.schedule.start}"
        until = f" and ends on {spec.schedule.end}" if spec.schedule.end else ""
        raise InvalidWindow(f"There is no window of {spec.name} from {first} to {last}: {schedule}{until}.")
    return list(islice(spec.grid.between(start, end), WINDOWS_SHOWN + 1))


def _end(spec: UseCase, text: str) -> datetime:
    """The end of the window that is named: of the one around the moment, of the last one that starts on the date."""
    zone = spec.schedule.timezone
    moment = parse_instant(text, zone)
    if not _is_date(text):
        return spec.grid.containing(moment).end
    following = date.fromisoformat(text) + timedelta(days=1)
    midnight = datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(zone))
    return spec.grid.containing(midnight - timedelta(microseconds=1)).end


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
