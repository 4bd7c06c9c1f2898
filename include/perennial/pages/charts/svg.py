"""What all charts are made of."""

from markupsafe import Markup, escape


def linked(href: str, title: str, inside: str) -> str:
    """A link for the mouse. The keyboard finds the same windows in the table below the chart."""
    return f'<a href="{escape(href)}" tabindex="-1"><title>{escape(title)}</title>{inside}</a>'


WIDE_FROM = 900  # a drawing of that many pixels takes all the room that there is


def svg(kind: str, width: float, height: float, said: str, inside: str) -> Markup:
    """A whole chart. `said` is its text alternative; `inside` is markup, in which every text is escaped already.

    A picture may hold no links. So one with links is a group, and what is in it is for the eyes: everybody else has
    what it says, and the links of the table.
    """
    role = "img"
    if "<a " in inside:
        role, inside = "group", f'<g aria-hidden="true">{inside}</g>'
    kind = f"{kind} wide" if width >= WIDE_FROM else kind
    return Markup(  # noqa: S704 - every text in it is escaped
        f'<svg class="{kind}" role="{role}" aria-label="{escape(said)}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}">{inside}</svg>'
    )
