"""Pages of a small world: what they say, that nothing in them runs, and that scripts get the same."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_predict_path import ingest_and_validate, predict
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import ATTACK, PAYLOADS, ask, assert_harmless, attacked, live, of_day, page

from perennial import clock
from perennial.errors import InvalidSettings, StoreUnavailable, ValidationFailed
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import monitor
from perennial.jobs.retrain import chain as retrain
from perennial.pages.views import evidence
from perennial.pages.words import MEANINGS
from perennial.review import explain
from perennial.spec.names import METRICS


def test_home_says_first_what_needs_a_person(lived: World) -> None:
    said = page(lived, "home")
    assert said.index("needs a person") < said.index("1 window failed validation and was not scored.")
    assert "13 windows should have been scored and were not" not in said
    assert "12 windows should have been scored and were not." in said  # 33 to 44; the refused one is told by itself
    assert "Backfill parcels.predict from 2024-02-03 to 2024-02-14" in said
    assert "The last window that was scored drifted" in said
    assert f'href="/base/perennial/dags/parcels.predict/windows/{lived.day(32).key}"' in said


def test_a_use_case_that_nobody_began_says_how_to_begin(tmp_path: Path) -> None:
    said = page(make_world(tmp_path), "home")
    assert "No model is in service" in said
    assert "Start a run of parcels.retrain" in said


def test_home_shows_only_what_the_reader_may_see(lived: World) -> None:
    found = ask(lived, "home", may_see=("other",))
    assert found.status == 200
    assert b"parcels" not in found.body
    assert b"Nothing to see here yet" in found.body


@pytest.mark.parametrize(
    ("name", "value"), [("owner", "logistics"), ("state", "act"), ("owner", "nobody"), ("state", "fine")]
)
def test_home_is_filtered(lived: World, name: str, value: str) -> None:
    said = page(lived, "home", **{name: value})
    assert ("Parcels that come late" in said) == (value in ("logistics", "act"))
    assert f'<option value="{value}" selected>' in said or value == "nobody"


def test_a_broken_spec_is_told_and_the_others_are_shown(lived: World) -> None:
    folder = lived.use_case.folder.parent / "broken"
    folder.mkdir()
    (folder / "use_case.yaml").write_text("name: broken\n")
    found = ask(lived, "home", may_see=("parcels", "broken"))
    assert b"its spec has errors" in found.body
    assert b"Parcels that come late" in found.body


def test_the_windows_of_a_use_case(lived: World) -> None:
    said = page(lived, "use_case", use_case="parcels")
    assert "1 refused by validation, 1 drifted, 12 missing" in said
    assert "first model, version 1" in said
    assert said.count("should have been scored and was not") == 12
    assert '<a href="/base/dags/parcels.evaluate" data-airflow>' in said  # nothing was measured yet


def test_performance_is_drawn_with_intervals_and_maturity(tmp_path: Path) -> None:
    lived = live(make_world(tmp_path))
    for job in (collect_labels, measure):
        job.run(lived.use_case, lived.day(34).start, lived.ports, "test")
    said = page(lived, "use_case", use_case="parcels")
    assert '<svg class="performance' in said
    assert said.count('<circle class="final"') == 2
    assert said.partition('<path class="interval"')[2].partition("/>")[0].count("M") == 2
    said = page(lived, "evaluation", use_case="parcels", run_id="test", as_of=lived.day(34).start.isoformat())
    assert "2 windows measured, 2 of them final." in said
    assert "180 of 180" in said
    said = page(lived, "evaluation", use_case="parcels", run_id="other", as_of=lived.day(34).start.isoformat())
    assert "This run measured no window anew" in said


def test_the_report_of_a_good_window(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 30))
    assert "180 rows scored by version 1; no drift." in said
    assert said.count('<svg class="histogram"') == 3  # the prediction, weight, service
    assert "Nothing was decided" not in said
    assert '<a href="/base/dags/parcels.predict/runs/scheduled__1" data-airflow>' in said  # that monitored it


def test_a_window_is_named_by_its_start_as_well(lived: World) -> None:
    key = lived.day(30).key
    wanted = page(lived, "window", use_case="parcels", window=key)
    for start in ("2024-01-31", "2024-01-31T00:00Z", " 2024-01-31T01:00+01:00 "):
        assert page(lived, "window", use_case="parcels", window=start) == wanted
        assert page(lived, "quarantine", use_case="parcels", window=start) == page(
            lived, "quarantine", use_case="parcels", window=key
        )
    assert (
        "the one around it starts at 2024-01-31T00:00Z"
        in ask(lived, "window", use_case="parcels", window="2024-01-31T01:00Z").body.decode()
    )


def test_the_report_of_a_refused_window_says_which_rule_and_which_rows(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 32))
    assert "Validation refused the 180 rows, so nothing was scored." in said
    assert "expect_column_values_to_be_between" in said
    assert str(lived.rows_of(32)[0]) in said
    assert "The window was not scored." in said


def test_the_report_of_a_window_with_rows_in_quarantine(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 31))
    assert "179 rows scored by version 1, 1 row set aside" in said
    assert str(lived.rows_of(31)[3]) in said


def test_the_rows_in_quarantine_are_shown_with_what_was_not_accepted(lived: World) -> None:
    said = page(lived, "quarantine", **of_day(lived, 31))
    assert "expect_column_values_to_be_between(weight)" in said
    assert "1 row</span>" in said
    assert "-60" in said
    assert f"entity={lived.rows_of(31)[3]}" in said
    assert "Nothing is in quarantine" in page(lived, "quarantine", **of_day(lived, 30))


def test_a_backfill_is_looked_at_before_it_is_begun(lived: World) -> None:
    assert "data-backfill" not in page(lived, "preview", use_case="parcels")
    said = page(lived, "preview", use_case="parcels", **{"from": "2024-01-31", "to": "2024-02-03"})
    assert "4 windows: 0 new, 0 changed, 2 unchanged, 1 not ingested or not validated yet, 1 can" in said
    assert 'data-from="2024-01-31T00:00:00+00:00" data-to="2024-02-03T00:00:00+00:00" data-model="as_was"' in said
    assert said.count("<td>not ingested</td>") == 1
    for wrong in ({"model": "pinned"}, {"model": "<b>"}, {"from": "31.1.", "to": "2024-02-03"}):
        given = {"from": "2024-01-31", "to": "2024-02-03"} | wrong
        assert ask(lived, "preview", use_case="parcels", **given).status == 422


def test_the_evidence_on_one_row(lived: World) -> None:
    key = str(lived.rows_of(30)[0])
    for given in (of_day(lived, 30), {"use_case": "parcels"}):
        said = page(lived, "evidence", entity=key, **given)
        assert f"Evidence on {key}" in said
        assert "in service from" in said
    assert f"Evidence on {key}" in page(lived, "evidence", use_case="parcels", entity=key, window="2024-01-31")
    for entity in ("no-such", "' OR 1=1 --"):
        found = ask(lived, "evidence", use_case="parcels", entity=entity)
        assert (found.status, "There is no such row" in found.body.decode()) == (404, True)


def test_evidence_asks_for_the_row_until_one_is_named(lived: World) -> None:
    for given in ({}, {"entity": " "}, {"window": "2024-01-31"}):
        said = page(lived, "evidence", use_case="parcels", **given)
        assert 'action="/base/perennial/dags/parcels.predict/evidence"' in said
        assert '<label>parcel <input name="entity" required></label>' in said
        assert [day in said for day in ("2024-01-31", "2024-02-01", "2024-02-02")] == [True, True, False]  # not scored
        assert ('value="2024-01-31" aria-describedby' in said) is ("window" in given)
        found = ask(lived, "evidence", as_json=True, use_case="parcels", **given)
        assert (found.status, json.loads(found.body)["detail"]) == (422, "Say which parcel in the address: ?entity=…")


def test_evidence_asks_for_nothing_before_a_window_was_scored(tmp_path: Path) -> None:
    said = page(make_world(tmp_path), "evidence", use_case="parcels")
    assert "No window was scored yet" in said
    assert "<form" not in said


def test_the_evidence_leads_to_the_run_and_to_the_model(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    key = str(lived.parcels.table.column("parcel")[lived.rows_of(30)[0]].as_py())
    address, run = "https://models.example/1", "/base/dags/parcels.predict/runs/one"
    real = explain.run

    def of_a_run(*given: Any, **more: Any) -> Any:
        found = real(*given, **more)
        return replace(found, dag_run=replace(found.dag_run, address=run), model_address=address)

    plain = page(lived, "evidence", use_case="parcels", entity=key)
    assert f"parcel {key} was predicted 0." in plain
    assert "data-outside" not in plain
    monkeypatch.setattr(explain, "run", of_a_run)
    said = page(lived, "evidence", use_case="parcels", entity=key)
    assert f'<a href="{run}" data-airflow>Run in Airflow</a>' in said
    assert f'<a href="{address}" data-outside>Version 1 in the model registry</a>' in said


def test_the_evidence_is_searched_in_few_windows_unless_one_is_named(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "LOOK_BACK", 15)  # from day 31 to day 45, the last one
    read: list[str] = []
    lake_read = lived.ports.lake.read

    def reads(table: str, partition: str, **kept: Any) -> Any:
        read.append(table)
        return lake_read(table, partition, **kept)

    monkeypatch.setattr(lived.ports.lake, "read", reads)
    key = str(lived.rows_of(30)[0])
    found = ask(lived, "evidence", use_case="parcels", entity=key)
    assert (found.status, read.count("predictions/parcels")) == (404, 2)
    assert "in its last 15 windows; say which window, to look in an earlier one" in found.body.decode()
    assert f"Evidence on {key}" in page(lived, "evidence", entity=key, **of_day(lived, 30))


def test_the_report_of_a_drifted_window_marks_the_columns(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 45))
    assert "Drift: the window is unlike what its model considers normal." in said
    assert said.index('<li class="drifted">\n<h4>') < said.index("<h4>service")


def test_windows_without_any_record_say_so(lived: World) -> None:
    assert "should have been scored by now" in page(lived, "window", **of_day(lived, 33))
    assert "Nothing is on record about this window yet." in page(lived, "window", **of_day(lived, 50))


def test_a_window_without_any_record_has_one_part_that_says_what_to_do(lived: World) -> None:
    missing, to_come = (page(lived, "window", **of_day(lived, number)) for number in (33, 50))
    day = f"{lived.day(33).start:%Y-%m-%d}"
    assert missing.count('<section class="card"') == to_come.count('<section class="card"') == 1
    assert f"/preview?from={day}&amp;to={day}" in missing
    assert "/preview?" not in to_come
    assert "The window ends on " in to_come


@pytest.mark.parametrize("days", [100, 1000])
def test_windows_that_were_read_are_shown_however_long_nothing_was(
    lived: World, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", lambda: lived.day(days).start)
    said = page(lived, "use_case", use_case="parcels")
    missing = re.search(r"<dt>Missing</dt><dd>([\d,]+ windows)", page(lived, "home"))
    assert missing is not None
    assert f"{missing[1]} missing</span> The newest window, " in " ".join(said.split())
    here = "40" if days == 100 else "none"
    assert f"<dt>Missing</dt><dd>{missing[1]}, {here} of them on this page</dd>" in said
    assert f'/windows/{lived.day(45).key}"' in said


def test_a_use_case_says_first_how_it_stands(lived: World) -> None:
    said = page(lived, "use_case", use_case="parcels")
    assert said.index("12 windows missing") < said.index("drifted, no labels yet.") < said.index("At a glance")
    assert all(f'<a href="#{name}">' in said and f'id="{name}"' in said for name in ("windows", "models", "table"))


def test_what_is_to_review_is_a_link_to_its_windows_and_their_rows(lived: World) -> None:
    home = page(lived, "home")
    for number, what, show in ((1, "refused", "refused"), (181, "rows in quarantine", "quarantined")):
        assert f'<a href="/base/perennial/dags/parcels.predict?show={show}#table">{number} {what}</a>' in home
    table = page(lived, "use_case", use_case="parcels", show="quarantined").partition('id="table"')[2]
    rows = [f'windows/{lived.day(number).key}/quarantine">{count}' for number, count in ((32, 180), (31, 1))]
    assert table.index(rows[0]) < table.index(rows[1])
    assert table.count('<th scope="row"') == 2


@pytest.mark.parametrize("view", ["home", "use_case", "window", "retraining", "compare", "suggestions"])
def test_every_page_explains_its_words(lived: World, view: str) -> None:
    more = of_day(lived, 30) if view == "window" else {"use_case": "parcels", "run_id": "test"}
    said = page(lived, view, **more)
    assert all(f"<dt>{word}</dt>" in said for word in MEANINGS)
    assert {name for word in MEANINGS for name in word.split(", ")} >= set(METRICS)


def test_a_problem_has_a_way_on(lived: World) -> None:
    wrong = ask(lived, "window", use_case="parcels", window="soon").body.decode()
    assert '<a href="/base/perennial/dags/parcels.predict">the windows of parcels</a>' in wrong
    assert "Load this page again" not in wrong
    hidden = ask(lived, "window", use_case="secret", window="soon").body.decode()
    assert "the windows of" not in hidden
    assert '<a href="/base/perennial/home">all use cases</a>' in hidden


def test_the_report_of_a_retraining_says_what_it_learnt_from_and_what_came_of_it(lived: World) -> None:
    said = page(lived, "retraining", use_case="parcels", run_id="test")
    assert "Version 1 became the champion, for data from 2024-01-31 on." in said
    assert "3,780 rows of 21 windows" in said
    assert said.index("Why it was trained") < said.index("How it was judged") < said.index("3,780 rows of 21 windows")
    assert "No candidate has been judged in this run." in page(lived, "retraining", use_case="parcels", run_id="other")


def test_a_run_of_several_windows_lists_them_and_of_one_is_its_report(lived: World) -> None:
    several = page(lived, "interval", use_case="parcels", start="2024-01-31", end="2024-02-03")
    assert "3 windows: 1 refused by validation, 0 drifted, 0 missing" in several
    one = page(lived, "interval", use_case="parcels", start="2024-01-31", end="2024-02-01")
    assert "<h1>Wed 31 Jan 2024</h1>" in one


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ({"window": "nonsense"}, 422),
        ({"window": "2024-01-01T00:00Z--2024-01-03T00:00Z"}, 422),
        ({"window": "../../etc/passwd"}, 422),
        ({"window": "2024-01-01T00:00Z--2024-01-02T00:00Z", "use_case": "other"}, 404),
        ({"window": "2024-01-01T00:00Z--2024-01-02T00:00Z", "use_case": "../parcels"}, 404),
    ],
)
def test_what_is_not_there_is_told_and_nothing_is_read(lived: World, arguments: dict[str, str], status: int) -> None:
    for as_json in (False, True):
        found = ask(lived, "window", as_json=as_json, **{"use_case": "parcels", **arguments})
        assert found.status == status
        assert b"root:" not in found.body


def test_a_ledger_that_is_down_is_told(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def down(use_case: str) -> None:
        raise StoreUnavailable("the ledger does not answer")

    monkeypatch.setattr(lived.ports.ledger, "last_ingested", down)
    for view in ("home", "use_case"):
        found = ask(lived, view, use_case="parcels")
        assert found.status == 503
        assert b"The records can" in found.body
        assert b"the ledger does not answer" in found.body
        assert b"Load this page again in a minute" in found.body


def test_what_time_does_not_mend_is_not_told_to_pass(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def older(use_case: str) -> None:
        raise InvalidSettings("the ledger is older than this version of Perennial")

    monkeypatch.setattr(lived.ports.ledger, "last_ingested", older)
    found = ask(lived, "home", use_case="parcels")
    assert found.status == 503
    assert b"in a minute" not in found.body
    assert b"Tell whoever runs this Airflow, and load this page again when it is fixed." in found.body


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    """In the spec, in values, in keys of quarantined rows, in what a person wrote, and in the address."""
    world = attacked(tmp_path)
    world.change(20, "service", ATTACK)
    world.change(30, "service", ATTACK)
    world.change(31, "service", f"{ATTACK}.")
    retrain.run(world.use_case, world.day(30).start, world.ports, ATTACK, actor=ATTACK, reason=ATTACK)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 31)
    predict(world, 30)
    monitor.run(world.use_case, world.day(30), world.ports, ATTACK)
    for view, day in (("home", 31), ("use_case", 31), ("window", 31), ("window", 30)):
        assert_harmless(page(world, view, **of_day(world, day)))
    for payload in PAYLOADS:
        assert payload.encode() not in ask(world, "window", use_case="parcels", window=payload).body
