"""How tests ask for pages, and the world that most of them are about."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from markupsafe import escape
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import EXPECTATIONS, SPEC, START, World, make_world

from perennial.errors import ValidationFailed
from perennial.jobs.predict import monitor
from perennial.pages.answer import answer
from perennial.pages.asked import Answer, Asked
from perennial.ports import Ports
from perennial.review.airflow_state import DagState
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase, load_use_case

NOW = START + timedelta(days=46, hours=1)  # see the fixture `now`
PAYLOADS = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    "</title><script>alert(1)</script>",
    "{{ 7 * 7 }}<b>bold</b>",
    "javascript:alert(1)//<i>",
)
ATTACK = " ".join(PAYLOADS)


def assert_harmless(said: str) -> None:
    """All of the attack is on the page, and as text."""
    assert [payload for payload in PAYLOADS if payload in said or str(escape(payload)) not in said] == []
    assert "49<b>" not in said


class Place(Protocol):
    """What has pages: a `World`, or a `Life`."""

    use_case: LoadedUseCase
    ports: Ports


def settings_of(place: Place) -> Settings:
    return Settings.from_environment({"PERENNIAL_USE_CASES": str(place.use_case.folder.parent)})


def ask(
    place: Place,
    view: str,
    *,
    as_json: bool = False,
    may_see: tuple[str, ...] = ("parcels",),
    may_change: bool = False,
    dags: tuple[DagState, ...] = (),
    **arguments: str,
) -> Answer:
    """The answer to a page that is asked for with these arguments."""
    asked = Asked(view, arguments, may_see, "/base/perennial", "/base", as_json, dags, may_change)
    return answer(asked, settings_of(place), place.ports)


def page(place: Place, view: str, **given: Any) -> str:
    """The page's HTML; `given` as to `ask`."""
    found = ask(place, view, **given)
    assert (found.status, found.media_type) == (200, "text/html; charset=utf-8"), found.body
    return found.body.decode()


def strictly(body: bytes) -> dict[str, Any]:
    """JSON as scripts read it: NaN and Infinity are not JSON."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    found: dict[str, Any] = json.loads(body, parse_constant=refuse)
    return found


def told(place: Place, view: str, **given: Any) -> dict[str, Any]:
    """What scripts get instead of the page; `given` as to `ask`."""
    found = ask(place, view, as_json=True, **given)
    assert (found.status, found.media_type) == (200, "application/json"), found.body
    return strictly(found.body)


def of_day(world: World, number: int) -> dict[str, str]:
    """The arguments that name the window of a day."""
    return {"use_case": "parcels", "window": world.day(number).key}


def live(world: World) -> World:
    """A model since day 30; day 30 is scored, 31 has rows in quarantine, 32 is refused, 33 is missing, 45 drifted."""
    first_model(world)
    for day in (30, 31, 45):
        if day == 31:
            world.put("weight", {world.rows_of(31)[3]: -60.0})
        predict(world, day)
        monitor.run(world.use_case, world.day(day), world.ports, "parcels.predict/scheduled__1")
    world.change(32, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 32)
    return world


def attacked(folder: Path) -> World:
    """A world whose title, owner and rules hold an `ATTACK`, which is one of the services that the rules allow."""
    world = make_world(folder)
    home, quoted = world.use_case.folder, json.dumps(ATTACK)
    spec = SPEC.replace("Parcels that come late", quoted).replace("owner: logistics", f"owner: {quoted}")
    (home / "use_case.yaml").write_text(spec)
    (home / "expectations.yaml").write_text(
        f"{EXPECTATIONS}  - type: expect_column_values_to_be_in_set\n"
        f"    kwargs: {{column: service, value_set: [road, air, rail, {quoted}]}}\n"
    )
    return replace(world, use_case=load_use_case(home))
