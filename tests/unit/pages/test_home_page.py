"""The page of all use cases: who comes first, where each thing is done, and that many use cases stay readable."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import EXPECTATIONS, SPEC, START, World, make_world
from tests.unit.pages import asking

from perennial import clock
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.pages.views.home import MOST_CARDS
from perennial.review.airflow_state import DagState, FailedRun
from perennial.spec.load import load_use_case

NOW = START + timedelta(days=33, hours=1)
RUN = "scheduled__2024-02-01T00:00:00+00:00"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A model since day 30; days 30 to 32 are scored, all that was due."""
    world = make_world(tmp_path_factory.mktemp("lived"))
    first_model(world)
    for day in (30, 31, 32):
        predict(world, day)
    return world


def page(world: World, *dags: DagState, **given: Any) -> str:
    return re.sub(r"\s+", " ", asking.page(world, "home", dags=dags, **given))


def with_others(folder: Path, count: int) -> tuple[World, tuple[str, ...]]:
    """The same world with more use cases, which nobody began."""
    world = make_world(folder)
    names = tuple(f"other_{number:02}" for number in range(count))
    for name in names:
        other = world.use_case.folder.parent / name
        other.mkdir()
        (other / "use_case.yaml").write_text(SPEC.replace("parcels", name).replace("Parcels", f"Things of {name}"))
        (other / "expectations.yaml").write_text(EXPECTATIONS)
    return world, names


def test_one_use_case_that_is_fine_has_a_card_and_no_filters(lived: World) -> None:
    said = page(lived)
    assert "all well" in said
    assert "<form" not in said
    assert '<svg class="strip"' in said
    assert 'predict#models">version 1</a> for 3 days' in said
    assert "scored by version 1, drift not looked at, no labels yet" in said
    assert "<dt>Next run</dt><dd>not known" in said


def test_when_the_next_run_is_or_that_it_is_paused(lived: World) -> None:
    soon = datetime(2024, 2, 4, 3, tzinfo=UTC)
    predict_dag = DagState("parcels.predict", paused=False, next_run_at=soon)
    assert "<dt>Next run</dt><dd>4 Feb 2024 03:00 UTC" in page(lived, predict_dag)
    assert "<strong>paused</strong>" in page(lived, replace(predict_dag, paused=True))
    assert "none is scheduled" in page(lived, replace(predict_dag, next_run_at=None))
    assert '<section class="card fine">' in page(lived, replace(predict_dag, paused=True))  # nothing is missing


@pytest.mark.parametrize(
    ("dag", "what", "href"),
    [
        (
            DagState("parcels.predict", paused=False, broken=True),
            "Airflow can&#39;t read the file of parcels.predict",
            "/base/",
        ),
        (
            DagState("parcels.retrain", paused=False, waiting=1),
            "1 question of parcels.retrain waits for an answer.",
            "/base/dags/parcels.retrain/required_actions",
        ),
        (
            DagState("parcels.retrain", paused=False, failures=5, failed=(FailedRun("drift__1", NOW),)),
            "A run of parcels.retrain failed, and 4 others.",
            "/base/dags/parcels.retrain/runs/drift__1",
        ),
        (
            DagState("parcels.evaluate", paused=True),
            "The labels of 2 windows are late, and nobody asks for them: parcels.evaluate is paused.",
            "/base/dags/parcels.evaluate",
        ),
    ],
)
def test_what_airflow_knows_needs_a_person_and_says_where(lived: World, dag: DagState, what: str, href: str) -> None:
    said = page(lived, dag)
    assert '<section class="card act">' in said
    assert what in said
    assert f'<a href="{href}" data-airflow>' in said


def test_missing_windows_lead_to_what_mends_them(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(days=2))
    missing = "2 windows should have been scored and were not"
    said = page(lived, DagState("parcels.predict", paused=False))
    assert f"{missing}." in said
    assert '/base/perennial/dags/parcels.predict/preview?from=2024-02-03&amp;to=2024-02-04"' in said
    said = page(lived, DagState("parcels.predict", paused=True))
    assert f"{missing}: parcels.predict is paused." in said
    assert '<a href="/base/dags/parcels.predict" data-airflow>' in said
    failed = FailedRun("scheduled__3", NOW, lived.day(33).start, lived.day(33).end)
    said = page(lived, DagState("parcels.predict", paused=False, failures=1, failed=(failed,)))
    assert f"{missing}: 1 run failed." in said
    assert '<a href="/base/dags/parcels.predict/runs/scheduled__3" data-airflow>' in said
    assert "A run of parcels.predict failed" not in said  # it is told once


def test_a_run_that_failed_after_its_window_was_scored_is_told(lived: World) -> None:
    failed = FailedRun(RUN, NOW, lived.day(31).start, lived.day(31).end)
    said = page(lived, DagState("parcels.predict", paused=False, failures=1, failed=(failed,)))
    assert "A run of parcels.predict failed." in said
    assert f'<a href="/base/dags/parcels.predict/runs/{RUN}" data-airflow>' in said


def test_what_belongs_to_others_is_not_shown(lived: World) -> None:
    assert "secret" not in page(lived, DagState("secret.predict", paused=True, waiting=3))


def test_scripts_get_what_airflow_knows_too(lived: World) -> None:
    found = asking.told(lived, "home", dags=(DagState("parcels.retrain", paused=False, waiting=1),))
    (parcels,) = found["use_cases"]
    assert parcels["urgency"] == "act"
    assert parcels["dags"] == [
        {
            "dag_id": "parcels.retrain", "paused": False, "broken": False, "next_run_at": None, "waiting": 1,
            "failures": 0, "failed": [], "asking": None,
        }
    ]  # fmt: skip
    assert parcels["matters"][0]["place"] == "questions"
    assert (parcels["champion"], parcels["champion_age"]) == ("1", 3.0)


def test_many_use_cases_are_lines_of_a_table_after_the_cards(tmp_path: Path) -> None:
    world, names = with_others(tmp_path, MOST_CARDS + 2)
    said = page(world, may_see=names)
    assert said.count('<section class="card new">') == MOST_CARDS
    assert said.count('<th scope="row">') == 2
    assert "More use cases" in said
    assert f"{MOST_CARDS + 2} in need" not in said
    assert f"{MOST_CARDS + 2} not in service yet" in said


def test_those_that_are_fine_are_lines_when_they_are_many(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("perennial.pages.views.home.FINE_WITH_CARDS", 0)
    said = page(lived)
    assert "All well" in said
    assert said.count('<th scope="row">') == 1
    assert '<path class="pass"' in said


@pytest.mark.parametrize(
    ("sort", "order"),
    [("name", ["Parcels", "other_00", "other_01"]), ("oldest last window", ["other_00", "other_01", "Parcels"])],
)
def test_sorting_works_without_script(tmp_path: Path, sort: str, order: list[str]) -> None:
    world, names = with_others(tmp_path, 2)
    first_model(world)
    predict(world, 30)
    said = page(world, may_see=("parcels", *names), sort=sort)
    assert f'<option value="{sort}" selected>' in said
    titles = re.findall(r'<th scope="row"><a href="[^"]*">(?:Things of )?(\S+) that come late</a>', said)
    assert titles == order
    assert '<option value="urgency" selected>' in page(world, may_see=("parcels", *names), sort="<b>")


def test_a_filter_that_fits_nothing_says_so(lived: World) -> None:
    said = page(lived, tag="nothing")
    assert "and that fits the filter" in said
    assert "<form" in said


def test_the_number_of_questions_to_the_ledger_is_that_of_one_use_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, names = with_others(tmp_path, 3)
    asked: list[str] = []
    for name in ("last_ingested_of", "champions_of", "facts_of", "unscored_of", "noted_empty_of"):
        whole = getattr(InMemoryLedger, name)

        def counting(self: InMemoryLedger, *given: Any, _name: str = name, _whole: Any = whole) -> Any:
            asked.append(_name)
            return _whole(self, *given)

        monkeypatch.setattr(InMemoryLedger, name, counting)
    page(world, may_see=names)
    assert sorted(asked) == ["champions_of", "facts_of", "last_ingested_of", "noted_empty_of", "unscored_of"]


def test_a_spec_that_changed_is_read_again(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    for _ in range(3):
        assert "Parcels that come late" in page(world)
    file = world.use_case.folder / "use_case.yaml"
    file.write_text(file.read_text().replace("Parcels that come late", "Parcels that come early"))
    assert load_use_case(world.use_case.folder).spec.title == "Parcels that come early"
    assert "Parcels that come early" in page(world)
