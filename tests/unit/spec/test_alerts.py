"""Routes of alerts in a spec: what may be written, and what is refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from perennial.errors import InvalidSpec
from perennial.spec.alerts import Route, Severity
from perennial.spec.load import load_use_case
from perennial.spec.models import UseCase


@pytest.fixture
def values(repository: Path) -> dict[str, Any]:
    return load_use_case(repository / "include" / "use_cases" / "flight_delays").spec.model_dump(mode="json")


def test_without_routes_nobody_is_told(values: dict[str, Any]) -> None:
    del values["alerts"]
    assert UseCase.model_validate(values).alerts == ()


def test_a_route_needs_a_connection_only(values: dict[str, Any]) -> None:
    (route,) = UseCase.model_validate(values | {"alerts": [{"connection": "hook"}]}).alerts
    assert route.severities == (Severity.CRITICAL, Severity.WARNING)
    assert route.repeat_after == timedelta(days=1)
    assert route.name == "hook"


def test_other_recipients_are_another_receiver() -> None:
    one = Route(connection="mail", recipients=("b@example.org", "a@example.org"))
    assert one.name == "mail a@example.org b@example.org"
    assert one.name != Route(connection="mail", recipients=("a@example.org",)).name


@pytest.mark.parametrize(
    "address",
    ["ops", "a@b.org\nBcc: all@example.org", "a@b, c@d", "Ops <ops@example.org>", "ops@example.org\n", "ö@x.y", ""],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="not an e-mail address"):
        Route(connection="mail", recipients=(address,))


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        ({"severities": []}, "at least 1 item"),
        ({"severities": ["loud"]}, "critical"),
        ({"connection": "a b"}, "pattern"),
        ({"notifier": "os"}, "pattern"),
        ({"repeat_after": "0d"}, "greater than"),
        ({"to": "x"}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], because: str) -> None:
    with pytest.raises(ValidationError, match=because):
        Route.model_validate({"connection": "hook"} | wrong)


def test_two_routes_to_one_receiver_are_told_with_file_and_line(repository: Path, tmp_path: Path) -> None:
    folder = tmp_path / "flight_delays"
    source = repository / "include" / "use_cases" / "flight_delays"
    folder.mkdir()
    for file in source.iterdir():
        if file.is_file():
            (folder / file.name).write_bytes(file.read_bytes())
    spec = folder / "use_case.yaml"
    routes = "alerts:\n  - connection: hook\n  - connection: hook\n    severities: [info]\n"
    spec.write_text(f"{spec.read_text()}\n{routes}")
    with pytest.raises(InvalidSpec, match=r"use_case.yaml:\d+: alerts\[1\].*same place as an earlier route \(hook\)"):
        load_use_case(folder)
