"""A use case whose spec is wrong is told of, to whom it named, and what stood before stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.unit.jobs.world import EXPECTATIONS, SPEC

from perennial.alerting import broken, outbox
from perennial.alerting.alert import Alert
from perennial.alerting.texts import Message
from perennial.errors import InvalidSpec
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.spec.alerts import Route, Severity
from perennial.spec.broken import BrokenUseCase, read_broken
from perennial.spec.load import load_use_case

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ROUTES = "alerts:\n  - connection: hook\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "parcels"
    home.mkdir()
    (home / "use_case.yaml").write_text(SPEC + ROUTES)
    (home / "expectations.yaml").write_text(EXPECTATIONS)
    return home


def spoil(folder: Path, old: str = "owner: logistics", new: str = "onwer: logistics") -> BrokenUseCase:
    file = folder / "use_case.yaml"
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(InvalidSpec) as error:
        load_use_case(folder)
    return read_broken(folder, error.value)


def test_routes_and_title_are_read_where_they_are_right(folder: Path) -> None:
    found = spoil(folder)
    assert (found.name, found.title) == ("parcels", "Parcels that come late")
    assert found.alerts == (Route(connection="hook"),)
    assert len(found.mistakes) == 1
    assert found.mistakes[0].startswith("use_case.yaml:4: onwer 'logistics': unknown key")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("connection: hook", "conection: hook"),
        ("owner: logistics", "owner: [: logistics"),
        (SPEC, "  \n"),
        (ROUTES, "x: 1"),
    ],
)
def test_where_they_can_not_be_read_nobody_is_told(folder: Path, old: str, new: str) -> None:
    text = (folder / "use_case.yaml").read_text()
    found = spoil(folder, text if old is SPEC else old, new)
    assert found.alerts == ()
    assert found.mistakes


def test_a_wrong_spec_is_told_once_and_its_mending_too_and_nothing_else_is_called_over(folder: Path) -> None:
    now = NOW
    ledger, sent = InMemoryLedger(lambda: now), list[Message]()

    def turn(spec: outbox.Telling, alerts: tuple[Alert, ...]) -> list[tuple[str, str]]:
        nonlocal now
        now += timedelta(minutes=5)
        sent.clear()
        outbox.run(spec, alerts, now, ledger, lambda _, message: sent.append(message), "run", airflow="")
        return [(each["event"], each["alert"]["key"]) for message in sent for each in message.body["news"]]

    spec = load_use_case(folder).spec
    refused = Alert(
        "parcels", "windows_refused", Severity.CRITICAL, "It broke.", "there", None, "Why.", "Do.", "", ("1",)
    )
    assert turn(spec, (refused,)) == [("raised", "windows_refused")]
    wrong = spoil(folder)
    assert turn(wrong, broken.standing(wrong, now, ledger)) == [("raised", "invalid_spec")]
    assert "unknown key" in sent[0].text
    assert "`perennial check`" in sent[0].text
    assert turn(wrong, broken.standing(wrong, now, ledger)) == []
    assert turn(spec, (refused,)) == [("resolved", "invalid_spec")]
    assert turn(spec, ()) == [("resolved", "windows_refused")]


def test_many_mistakes_are_counted(folder: Path) -> None:
    many = BrokenUseCase("parcels", "Parcels", (), tuple(f"mistake {n}" for n in range(5)))
    (alert,) = broken.standing(many, NOW, InMemoryLedger(lambda: NOW))
    assert alert.cause == "mistake 0; mistake 1; mistake 2; and 2 more."
    assert (alert.severity, alert.link) == (Severity.CRITICAL, "dags/parcels.invalid")
