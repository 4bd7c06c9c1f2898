"""What a run was about: one window, or several."""

from dataclasses import replace
from itertools import islice

from perennial import clock
from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.pages.views import window as window_view
from perennial.pages.views.use_case import shown_windows
from perennial.ports import Ports
from perennial.review import timeline
from perennial.review.use_case_report import windows_on_a_page
from perennial.settings import Settings
from perennial.window import parse_instant


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the window, or the list of the windows, between `start` and `end`."""
    spec = asked_use_case(asked, settings).spec
    start, end = (parse_instant(asked.arguments[name], spec.schedule.timezone) for name in ("start", "end"))
    windows = list(islice(spec.grid.between(start, end), windows_on_a_page(spec.schedule.every)))
    if len(windows) == 1:
        return window_view.run(replace(asked, arguments={**asked.arguments, "window": windows[0].key}), settings, ports)
    found = timeline.run(spec, windows, clock.now(), ports.ledger)
    return Found(found, "interval.html", shown_windows(spec, found.windows))
