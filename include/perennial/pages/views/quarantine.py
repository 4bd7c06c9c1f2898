"""The rows of a window that were set aside, by the rule that did it."""

from dataclasses import dataclass
from typing import Literal

from perennial.pages.asked import Asked, Found, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.review import quarantine
from perennial.settings import Settings
from perennial.window import Window

MOST_ROWS = 100


@dataclass(frozen=True)
class InQuarantine:
    """What each rule set aside of a window, with the first `MOST_ROWS` rows."""

    use_case: str
    window: Window
    rules: tuple[quarantine.RuleCatch, ...]
    format: Literal[1] = 1


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """What each rule set aside, with the first rows."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case)
    found = InQuarantine(use_case.name, window, tuple(quarantine.run(use_case, [window], ports, most=MOST_ROWS)))
    return Found(found, "quarantine.html", {"spec": use_case.spec, "window": window, "most": MOST_ROWS})
