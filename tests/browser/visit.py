"""Opening a page, and what goes wrong on it."""

from dataclasses import dataclass, field

from playwright.sync_api import BrowserContext, Page
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
    page.on("console", lambda said: noticed.errors.append(said.text) if said.type == "error" else None)
    page.on("request", lambda asked: None if asked.url.startswith(home) else noticed.elsewhere.append(asked.url))
    return page, noticed
