"""The page of a window's quarantine and of one row of it: what can be done there, by whom, and what was done."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World, make_world
from tests.unit.pages.asking import ask, of_day, page, told

from perennial.errors import RowsRemoved, ValidationFailed
from perennial.jobs.upkeep import quarantine
from perennial.jobs.upkeep import replay as replay_job

RULE = "expect_column_values_to_be_between(weight)"
COMMAND = f"perennial quarantine accept parcels --window 2024-02-01T00:00Z --rule '{RULE}' --reason '…'"
PAYLOADS = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}<b>bold</b>")


@pytest.fixture
def set_aside(tmp_path: Path) -> World:
    """Day 31 is scored without the one row that broke a rule."""
    return scored_without_one(tmp_path)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same, for tests that change nothing."""
    return scored_without_one(tmp_path_factory.mktemp("looked_at"))


def scored_without_one(folder: Path) -> World:
    world = make_world(folder)
    first_model(world)
    world.put("weight", {world.rows_of(31)[3]: -60.0})
    predict(world, 31)
    return world


def shown(world: World, view: str = "quarantine", *, may_change: bool = True, **arguments: str) -> str:
    return page(world, view, may_change=may_change, **{**of_day(world, 31), **arguments})


def accept(world: World, actor: str = "ada", reason: str = "a new kind of parcel") -> None:
    quarantine.accept(world.use_case, world.day(31), RULE, world.ports, "page__1", actor=actor, reason=reason)


def test_who_may_change_gets_forms_that_name_the_rows_and_work_without_a_mouse(looked_at: World) -> None:
    said = shown(looked_at)
    digest = looked_at.ports.ledger.validations("parcels", looked_at.day(31))[-1].snapshot_digest
    address = f"/base/perennial/dags/parcels.predict/windows/{looked_at.day(31).key}"
    assert f'action="{address}/accepted"' in said
    assert f'action="{address}/replayed"' in said
    assert f'name="rule" value="{RULE}"' in said
    assert f'name="snapshot" value="{digest}"' in said
    assert 'data-replay="parcels.predict" data-from="2024-02-01T00:00:00+00:00"' in said
    assert said.count("<label>Reason") == said.count('role="status"') == said.count('role="alert"') == 2
    assert said.count("<noscript>") == 2
    assert COMMAND in said


def test_rules_are_told_in_words_beside_their_names(looked_at: World) -> None:
    words = "weight must be at least -50"
    whole = shown(looked_at)
    assert f"set aside: {words}." in whole
    assert f'<h2 class="any">{words} ' in whole
    assert f"The rule <code>{RULE}</code>" in whole
    key = looked_at.rows_of(31)[3]
    assert f"{words}<br><small><code>{RULE}</code>" in shown(looked_at, "quarantined", entity=str(key))


def test_times_of_rows_stay_in_one_line_and_long_texts_break(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.rows_of(31)[:2]
    world.put("parcel", {first: second})
    world.put("service", {first: "x" * 41})
    ingest_and_validate(world, 31)
    for view in ("quarantine", "window"):
        said = shown(world, view)
        assert f'<td class="long">{"x" * 41}</td>' in said
        assert '<td class="dates">2024-02-01T' in said


def test_a_row_that_several_rules_caught_names_the_others(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.rows_of(31)[:2]
    world.put("parcel", {first: second})
    world.put("weight", {first: -60.0})
    ingest_and_validate(world, 31)
    by_weight, by_key = shown(world).partition('<h2 class="any">parcel')[::2]
    assert by_key.count('<td class="long">weight must be at least -50</td>') == 1
    assert by_weight.count('<td class="long">parcel must be a key that no other row of the window has</td>') == 1


def test_who_may_not_change_gets_the_command_and_no_form(looked_at: World) -> None:
    said = shown(looked_at, may_change=False)
    assert "<form" not in said
    assert "takes the right to edit runs of parcels.predict" in said
    assert COMMAND in said


def test_rules_that_always_hold_have_no_form_and_say_what_to_do(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.rows_of(31)[:2]
    world.put("parcel", {first: second})
    ingest_and_validate(world, 31)
    said = shown(world)
    assert "Nobody can accept these 2 rows" in said
    assert "Correct the source" in said
    assert "/accepted" not in said
    assert "/replayed" in said


def test_what_was_accepted_is_told_before_and_after_the_replay(set_aside: World) -> None:
    accept(set_aside)
    quarantine.ask_replay(
        set_aside.use_case, set_aside.day(31), set_aside.ports, "page__2", actor="grace", reason="<b>now</b>"
    )
    said = shown(set_aside)
    assert "ada accepted this row on 1 Jan 2030 00:00 UTC, because: “a new kind of parcel”" in said
    assert "/accepted" not in said
    assert "accepted 1 row of " in said
    assert "asked for a replay" in said
    assert "&lt;b&gt;now&lt;/b&gt;" in said
    assert said.count("no new verdict</span>") == 2
    replay(set_aside)
    said = shown(set_aside)
    assert "Nothing is in quarantine" in said
    assert "accepted 1 row of " in said
    assert said.count("passed</span>") == 2
    said = page(set_aside, "window", **of_day(set_aside, 31))
    assert "What people did about it" in said
    assert f'href="/base/perennial/dags/parcels.predict/windows/{set_aside.day(31).key}/quarantine#replay"' in said


def replay(world: World) -> None:
    """As Airflow does it, a day after the page."""
    ledger: Any = world.ports.ledger
    recorded = ledger._clock
    ledger._clock = lambda: recorded() + timedelta(days=1)
    replay_job.run(world.use_case, world.day(31), world.ports, "parcels.predict/scheduled__2")


def test_what_was_accepted_in_rows_that_were_replaced_is_told_and_can_be_decided_again(set_aside: World) -> None:
    accept(set_aside)
    set_aside.put("weight", {set_aside.rows_of(31)[4]: -70.0})
    replay(set_aside)
    said = shown(set_aside)
    assert "other rows came since" in said
    assert "Accept these 2 rows" in said


def test_a_window_that_was_refused_can_be_accepted_and_replayed(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first_model(world)
    world.change(31, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 31)
    assert "Accept these 180 rows" in shown(world)
    accept(world)
    replay(world)
    assert world.ports.ledger.latest_batch("parcels", world.day(31)) is not None


def test_a_window_without_rows_offers_nothing(looked_at: World) -> None:
    said = shown(looked_at, window=looked_at.day(35).key)
    assert "nothing was ingested" in said
    assert "<form" not in said


def test_scripts_get_the_digest_to_accept_and_what_was_done(set_aside: World) -> None:
    accept(set_aside)
    found = told(set_aside, "quarantine", **of_day(set_aside, 31))
    assert found["format"] == 1
    assert found["snapshot_digest"] == found["handled"][0]["snapshot_digest"]
    assert (found["handled"][0]["actor"], found["handled"][0]["since"]) == ("ada", None)


def links(said: str) -> list[dict[str, str]]:
    """What the links to single rows name."""
    found = [part.partition('"')[0] for part in said.split('href="')[1:]]
    rows = [urlsplit(each.replace("&amp;", "&")) for each in found if "/quarantined?" in each]
    assert {each.path for each in rows} <= {"/base/perennial/dags/parcels.predict/quarantined"}
    return [dict(parse_qsl(each.query)) for each in rows]


def test_each_row_has_a_page_that_says_why_since_when_and_what_became_of_it(set_aside: World) -> None:
    key = str(set_aside.rows_of(31)[3])
    (named,) = links(shown(set_aside))
    assert named == {"window": set_aside.day(31).key, "entity": key}
    said = shown(set_aside, "quarantined", **named)
    assert f"parcel {key}, Thu 1 Feb 2024" in said
    for words in (
        "in quarantine", "The live predictions were made without it", RULE, "-60.0", "min_value -50", "1 Jan 2030",
        "none: it was not scored", "version 1", "Nothing yet.",
    ):  # fmt: skip
        assert words in said, words
    accept(set_aside)
    assert "ada did: see below" in shown(set_aside, "quarantined", **named)
    replay(set_aside)
    said = shown(set_aside, "quarantined", **named)
    for words in ("not in quarantine", "It is scored: the live prediction is ", "a new kind of parcel", "-60", "live"):
        assert words in said, words
    assert said.count("<td>version 1</td>") == 2


def test_a_row_without_a_key_has_a_page_too(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.rows_of(31)[:2]
    for position, weight in ((first, 11.5), (second, 12.5)):
        world.put("parcel", {position: None})
        world.put("weight", {position: weight})
    ingest_and_validate(world, 31)
    pages = [shown(world, "quarantined", **named) for named in links(shown(world))]
    assert len(pages) == 2
    assert all("A row without parcel" in said and "A row without a key is never scored" in said for said in pages)
    assert sorted("11.5" in said for said in pages) == sorted("12.5" in said for said in pages) == [False, True]


def test_rows_with_a_doubled_key_are_shown_together(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first, second = world.rows_of(31)[:2]
    world.put("parcel", {first: second})
    ingest_and_validate(world, 31)
    said = shown(world, "quarantined", entity=str(second))
    assert "Row 2 of 2 with this parcel" in said
    assert "no: it always holds" in said


def test_revisions_whose_rows_retention_took_say_so(looked_at: World, monkeypatch: pytest.MonkeyPatch) -> None:
    read = looked_at.ports.lake.read

    def removed(table: str, partition: str, *, version: int | None = None) -> Any:
        if table.startswith("predictions/"):
            raise RowsRemoved("gone")
        return read(table, partition, version=version)

    monkeypatch.setattr(looked_at.ports.lake, "read", removed)
    assert "rows removed by retention" in shown(looked_at, "quarantined", entity=str(looked_at.rows_of(31)[3]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"entity": "no-such"},
        {"entity": "' OR 1=1 --"},
        {"entity": "<script>alert(1)</script>"},
        {"row": "../../etc/passwd"},
        {"entity": "1", "window": "2024-02-20T00:00Z--2024-02-21T00:00Z"},
    ],
)
def test_a_row_that_is_not_there_is_told(looked_at: World, wrong: dict[str, str]) -> None:
    found = ask(looked_at, "quarantined", **{**of_day(looked_at, 31), **wrong})
    assert found.status == 404
    assert b"<script>alert" not in found.body


@pytest.mark.parametrize("wrong", [{"entity": ""}, {"entity": "1", "window": ""}])
def test_an_address_that_names_no_row_says_what_it_lacks(looked_at: World, wrong: dict[str, str]) -> None:
    found = ask(looked_at, "quarantined", **{**of_day(looked_at, 31), **wrong})
    assert found.status == 422
    assert "This address names no row" in found.body.decode()
    assert "in the address: ?window=…&amp;entity=…" in found.body.decode()


def test_hostile_reasons_and_names_stay_texts(set_aside: World) -> None:
    accept(set_aside, actor="".join(PAYLOADS), reason="".join(PAYLOADS))
    for view, more in (("quarantine", {}), ("quarantined", {"entity": str(set_aside.rows_of(31)[3])}), ("window", {})):
        said = shown(set_aside, view, **more)
        assert not [payload for payload in PAYLOADS if payload in said]
        assert "49<b>" not in said
