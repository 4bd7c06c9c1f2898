"""How news is told: a subject line, plain text, HTML and JSON. What comes from data or people is never markup."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Literal

from perennial.alerting.alert import Alert
from perennial.alerting.news import Event, News
from perennial.encoding import as_json, json_digest
from perennial.wording import counted

MOST_OF_SUBJECT = 150  # characters
ANSWER = "Acknowledge or silence"
EVENTS: dict[Event, str] = {
    Event.RAISED: "new",
    Event.GREW: "more than before",
    Event.STILL: "still so",
    Event.RESOLVED: "resolved",
}


@dataclass(frozen=True)
class Message:
    """What is sent of one notice. `id` is the same in every try to deliver it, so that a receiver can drop doubles."""

    id: str
    use_case: str
    subject: str
    text: str
    html: str
    body: dict[str, Any]


@dataclass(frozen=True)
class Body:
    """The JSON that an HTTP receiver gets; `text` is what chat tools show."""

    id: str
    use_case: str
    title: str
    text: str
    as_of: datetime
    news: tuple[News, ...]
    airflow: str
    format: Literal[1] = 1


def message_id(use_case: str, route: str, number: int) -> str:
    """The name of a receiver's notice, the same in every try.

    >>> message_id("flights", "hook", 1) == message_id("flights", "hook", 1) != message_id("flights", "hook", 2)
    True
    """
    return f"perennial-{json_digest([use_case, route, number])[:32]}"


def written(message: str, title: str, news: Sequence[News], as_of: datetime, airflow: str) -> Message:
    """The message with this id about the use case of this title; `airflow` is the address that links begin with."""
    use_case, title = news[0].alert.use_case, one_line(title)
    base = f"{airflow.rstrip('/')}/" if airflow else ""
    subject = one_line(f"[Perennial] {title}: {_summary(news)}")[:MOST_OF_SUBJECT]
    parts = [f"{title} ({use_case}), {_moment(as_of)}", *(_told(each, base) for each in news)]
    text = "\n\n".join([*parts, *([f"{ANSWER}: {_page(use_case, base)}"] if base else [])]) + "\n"
    body = Body(message, use_case, title, text, as_of, tuple(news), base)
    return Message(message, use_case, subject, text, _html(title, use_case, news, as_of, base), as_json(body))


def one_line(text: str) -> str:
    r"""The text without line breaks and other characters that don't print: it can't begin another header.

    >>> one_line("late\r\nBcc: everybody@example.org\x00")
    'late Bcc: everybody@example.org'
    """
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())


def _summary(news: Sequence[News]) -> str:
    if len(news) == 1:
        (only,) = news
        return f"{_heading(only)}: {only.alert.what}"
    counts = dict.fromkeys(EVENTS.values(), 0)
    for each in news:
        counts[EVENTS[each.event]] += 1
    told = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{counted(len(news), 'alert')} ({told})"


def _heading(each: News) -> str:
    return EVENTS[each.event] if each.event is Event.RESOLVED else f"{each.alert.severity}, {EVENTS[each.event]}"


def _lines(alert: Alert, event: Event) -> list[tuple[str, str]]:
    lines = [("Where", alert.where)]
    if alert.since is not None:
        lines.append(("Since", _moment(alert.since)))
    if event is not Event.RESOLVED:
        lines += [("Likely cause", alert.cause), ("Next step", alert.next_step)]
    return lines


def _told(each: News, base: str) -> str:
    lines = [f"{_heading(each).upper()}: {one_line(each.alert.what)}"]
    lines += [f"{name}: {one_line(value)}" for name, value in _lines(each.alert, each.event)]
    if base:
        lines.append(one_line(f"{base}{each.alert.link}"))
    return "\n".join(lines)


def _html(title: str, use_case: str, news: Sequence[News], as_of: datetime, base: str) -> str:
    parts = [f"<h1>{escape(title)}</h1>", f"<p><code>{escape(use_case)}</code>, {escape(_moment(as_of))}</p>"]
    for each in news:
        parts.append(f"<h2>{escape(_heading(each))}: {escape(one_line(each.alert.what))}</h2>")
        lines = "".join(
            f"<dt>{escape(name)}</dt><dd>{escape(one_line(value))}</dd>"
            for name, value in _lines(each.alert, each.event)
        )
        parts.append(f"<dl>{lines}</dl>")
        if base:
            address = escape(one_line(f"{base}{each.alert.link}"))
            parts.append(f'<p><a href="{address}">{address}</a></p>')
    if base:
        parts.append(f'<p><a href="{escape(_page(use_case, base))}">{ANSWER}</a></p>')
    head = f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title></head>'
    return f"{head}<body>{''.join(parts)}</body></html>"


def _page(use_case: str, base: str) -> str:
    return f"{base}perennial/dags/{use_case}.predict/alerts"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
