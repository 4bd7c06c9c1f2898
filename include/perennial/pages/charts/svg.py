"""What all charts are made of."""

from markupsafe import Markup, escape


def linked(href: str, title: str, inside: str) -> str:
    """A link for the mouse. The keyboard finds the same windows in the table below the chart."""
    return f'<a href="{escape(href)}" tabindex="-1"><title>{escape(title)}</title>{inside}</a>'


def svg(kind: str, width: float, height: float, said: str, inside: str) -> Markup:
    """A whole chart. `said` is its text alternative; `inside` is markup, in which every text is escaped already."""
    role = "group" if "<a " in inside else "img"  # what is in an image can't be reached
    return Markup(  # noqa: S704 - every text in it is escaped
        f'<svg class="{kind}" role="{role}" aria-label="{escape(said)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">{inside}</svg>'
    )
