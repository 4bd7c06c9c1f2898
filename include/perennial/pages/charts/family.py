"""The family tree of models over time: what each learnt from, when it was in service, and which it replaced."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import Markup, escape

from perennial.ledger.entries import DeployedRole
from perennial.pages.charts import axis
from perennial.pages.charts.svg import svg
from perennial.pages.words import day
from perennial.review.models import ModelVersion
from perennial.wording import counted

LEFT, WIDE, RIGHT, ROW, BAR, TOP = 84, 930, 36, 20, 12, 18
_BARS = {DeployedRole.CHAMPION: "served", DeployedRole.CHALLENGER: "challenged"}


def family(versions: Sequence[ModelVersion], now: datetime, zone: str) -> Markup:
    """A row a version, the newest first: an outline for its training windows, a bar for its service.

    A vertical line leads from the version that was replaced. `now` is the end of the axis, in the data's time.
    """
    start, end = _ends(versions, now)
    if start is None or end <= start:
        return Markup("")
    scale = axis.time_scale(start, end, LEFT, LEFT + WIDE)
    rows = {each.version: TOP + position * ROW for position, each in enumerate(versions)}
    found = axis.dates(start, end, zone, WIDE)
    bottom = TOP + ROW * len(versions)
    drawn = [axis.written([(scale(at.timestamp()), text) for at, text in found], 11, LEFT + WIDE)]
    for each in versions:
        y = rows[each.version]
        name = f"v{each.version}"
        drawn.append(
            f'<line class="grid" x1="{LEFT}" x2="{LEFT + WIDE}" y1="{y + ROW - 1}" y2="{y + ROW - 1}"/>'
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<text class="right" x="{LEFT + WIDE + 6}" y="{y + 13}">{escape(name)}</text>'
        )
        if each.first_window and each.last_window:
            title = (
                f"Version {each.version} was trained on windows from {day(each.first_window.start, zone)} to "
                f"{day(each.last_window.start, zone)}"
            )
            left, right = scale(each.first_window.start.timestamp()), scale(each.last_window.end.timestamp())
            drawn.append(_bar("trained", left, right, y, title))
        for service in each.services:
            left, right = scale(service.since.timestamp()), scale((service.until or end).timestamp())
            title = (
                f"Version {each.version} was {service.role} for data from {day(service.since, zone)} "
                + (f"until {day(service.until, zone)}" if service.until else "on")
                + (" (rolled back to it)" if service.again else "")
            )
            drawn.append(_bar(_BARS[service.role], left, right, y, title))
        if each.parent in rows and each.services:
            x, above = scale(each.services[0].since.timestamp()), rows[each.parent] + ROW / 2
            drawn.append(f'<path class="branch" d="M{x:.1f},{above:.1f}V{y + ROW / 2:.1f}"/>')
    champion = next((f"version {each.version} is the champion" for each in versions if each.champion), "no champion")
    count = counted(len(versions), "model version")
    said = f"{count}, {day(start, zone)} to {day(end, zone)}: {champion}; the table has all"
    return svg("family", LEFT + WIDE + RIGHT, bottom + 2, said, "".join(drawn))


def _ends(versions: Sequence[ModelVersion], now: datetime) -> tuple[datetime | None, datetime]:
    begun = [each.first_window.start for each in versions if each.first_window]
    begun += [service.since for each in versions for service in each.services]
    ended = [each.last_window.end for each in versions if each.last_window]
    ended += [service.since for each in versions for service in each.services]
    return min(begun, default=None), max([now, *ended])


def _bar(kind: str, left: float, right: float, y: float, title: str) -> str:
    return (
        f'<g><title>{escape(title)}</title><rect class="{kind}" x="{left:.1f}" y="{y + (ROW - BAR) / 2 - 0.5:.1f}" '
        f'width="{max(right - left, 2):.1f}" height="{BAR}" rx="2"/></g>'
    )
