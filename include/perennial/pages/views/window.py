"""The report of one window."""

from perennial import clock
from perennial.pages.asked import Asked, Found, asked_use_case, asked_window
from perennial.ports import Ports
from perennial.review import handled, window_report
from perennial.settings import Settings


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the window that is named."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case)
    extra = {"spec": use_case.spec, "handled": handled.run(use_case.name, window, ports)}
    return Found(window_report.run(use_case, window, clock.now(), ports), "window.html", extra)
