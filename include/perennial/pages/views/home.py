"""All use cases that the reader may see, those that need a person first."""

from perennial import clock
from perennial.errors import InvalidSpec
from perennial.pages.asked import Asked, Found
from perennial.ports import Ports
from perennial.review import portfolio
from perennial.settings import Settings
from perennial.spec.load import load_use_case, use_case_names


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The use cases, filtered as asked. A spec with errors is told, and the others are shown."""
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
    return Found(found, "home.html", extra)
