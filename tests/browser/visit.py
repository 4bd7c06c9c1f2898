"""Opening a page, and what goes wrong on it."""

from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, ConsoleMessage, Page
from tests.browser.seeing import open_page

REPORT_VIOLATIONS = """
window.__violations = [];
addEventListener("securitypolicyviolation", (event) =>
    window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""


@dataclass
class Noticed:
    """What a browser noticed while it showed pages."""

    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def watching(context: BrowserContext, home: str) -> tuple[Page, Noticed]:
    """A new page. Dialogs, errors of scripts and of the console, and requests to other places than `home` are noted."""
    noticed = Noticed()
    context.add_init_script(REPORT_VIOLATIONS)
    page = open_page(context)

    def dismiss(dialog: object) -> None:
        noticed.dialogs.append(dialog.message)  # type: ignore[attr-defined]
        dialog.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", dismiss)
    page.on("pageerror", lambda error: noticed.errors.append(str(error)))

    def note(said: ConsoleMessage) -> None:
        # A browser asks each new host for its icon, which is Airflow's to have.
        if said.type == "error" and not said.location["url"].endswith("/favicon.ico"):
            noticed.errors.append(f"{said.text} {said.location['url']}")

    page.on("console", note)
    page.on("request", lambda asked: None if asked.url.startswith(home) else noticed.elsewhere.append(asked.url))
    return page, noticed
