"""What is sent: everything that a person needs, and nothing that breaks out of a header or of markup."""

from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from perennial.alerting.alert import Alert
from perennial.alerting.news import Event, News
from perennial.alerting.texts import Message, message_id, written
from perennial.spec.alerts import Severity

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)
ALERT = Alert(
    "parcels", "drift", Severity.WARNING, "It drifted.", "window 2013-05-31", datetime(2013, 5, 31, 4, tzinfo=UTC),
    "The world.", "Look.", "perennial/dags/parcels.predict/windows/1"
)  # fmt: skip


def message(*news: News, airflow: str = "https://airflow.example.org/team", title: str = "Parcels") -> Message:
    return written("perennial-1", title, news, NOW, airflow)


def test_a_message_says_what_where_since_when_why_and_what_next() -> None:
    told = message(News(Event.RAISED, ALERT))
    assert told.subject == "[Perennial] Parcels: warning, new: It drifted."
    for text in (told.text, told.html):
        for part in (
            "It drifted.", "window 2013-05-31", "2013-05-31 04:00 UTC", "The world.", "Look.",
            "https://airflow.example.org/team/perennial/dags/parcels.predict/windows/1",
            "https://airflow.example.org/team/perennial/dags/parcels.predict/alerts",
        ):  # fmt: skip
            assert part in text
    assert told.body["format"] == 1
    assert told.body["id"] == "perennial-1"
    assert told.body["news"][0]["alert"]["severity"] == "warning"
    assert told.body["text"] == told.text


def test_several_are_counted_in_the_subject_and_told_one_by_one() -> None:
    told = message(
        News(Event.RAISED, ALERT), News(Event.GREW, ALERT), News(Event.RESOLVED, replace(ALERT, what="Gone."))
    )
    assert told.subject == "[Perennial] Parcels: 3 alerts (1 new, 1 more than before, 1 resolved)"
    assert told.text.count("It drifted.") == 2
    assert "RESOLVED: Gone." in told.text


def test_what_is_resolved_asks_for_nothing() -> None:
    assert "Next step" not in message(News(Event.RESOLVED, ALERT)).text


def test_without_an_address_of_airflow_there_is_no_broken_link() -> None:
    told = message(News(Event.RAISED, ALERT), airflow="")
    assert "perennial/dags" not in told.text
    assert "href" not in told.html


HOSTILE = "late\r\nBcc: everybody@example.org\x00\u2028<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }}"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("field", ["what", "where", "cause", "next_step", "link"])
def test_hostile_text_stays_text(field: str) -> None:
    told = message(News(Event.RAISED, replace(ALERT, **{field: HOSTILE})), title=f"Parcels {HOSTILE}")
    assert told.subject.isprintable()
    assert len(told.subject) <= 150
    found = Tags()
    found.feed(told.html)
    assert found.tags <= {"html", "head", "meta", "title", "body", "h1", "p", "code", "h2", "dl", "dt", "dd", "a"}
    assert found.attributes <= {"lang", "charset", "href"}
    assert "\nBcc" not in told.text


def test_an_id_is_a_message_of_one_receiver() -> None:
    ids = {message_id(*each) for each in [("a", "hook", 1), ("a", "hook", 2), ("b", "hook", 1), ("a", "mail", 1)]}
    assert len(ids) == 4
    assert all(each.replace("-", "").isalnum() for each in ids)
