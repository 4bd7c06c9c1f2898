"""The use case's page while a challenger is in roll-out: its stage, its share, and its evidence so far."""

import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_rollout import begin, play
from tests.unit.jobs.test_standby import keep_example
from tests.unit.pages import asking

from perennial import clock
from perennial.jobs.evaluate import rescore
from perennial.jobs.predict import ingest, score, validate
from perennial.jobs.retrain import rollback
from perennial.jobs.upkeep import standby
from perennial.pages.words import share
from perennial.records.model_choice import ModelChoice


def page(rolling: RolloutWorld, day: int, **given: Any) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: rolling.world.day(day).end + timedelta(hours=1))
        found = asking.ask(rolling.world, "use_case", use_case="parcels", **given)
    assert found.status == 200, found.body
    return found.body.decode()


def back(said: str) -> str:
    return part(said, "going-back")


def part(said: str, name: str = "rollout") -> str:
    found = said.partition(f'id="{name}"')[2].partition("</section>")[0]
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", found)).split())


def test_the_shadow_is_shown_with_its_evidence_and_what_comes_next(tmp_path: Path) -> None:
    rolling = make(tmp_path, 8)
    begin(rolling, "fair", "true")
    fresh = part(page(rolling, 0))
    assert "Version 1 is in the shadow since 2024-01-01 00:00 UTC. None of its windows has final labels yet." in fresh
    found = play(rolling, range(5))
    said = page(rolling, 5)
    text = part(said)
    assert "4 of about" in text
    assert "None of its predictions are published." in text
    assert "shadow (now) 5% of the rows 25% of the rows champion" in text
    assert ": hold ." in text
    assert found[-1].reasons[0].split(";")[0] in text
    assert "The last 4 windows that are final" in text
    assert said.count('id="rollout"') == 1
    assert "in the shadow</div>" in said  # in the table of models
    data = json.loads(page(rolling, 5, as_json=True))["rollout"]
    assert (data["share"], data["windows_final"], len(data["windows"])) == (0, 4, 4)


def test_a_canary_says_who_predicts_what_and_without_a_roll_out_there_is_no_such_part(tmp_path: Path) -> None:
    rolling = make(tmp_path, 4)
    rolling.champion("fair")
    rolling.scored(0)
    assert 'id="rollout"' not in page(rolling, 0)
    assert json.loads(page(rolling, 0, as_json=True))["rollout"] is None
    rolling.stage("true", 5, 1)
    text = part(page(rolling, 1))
    assert (
        "Version 1 predicts 5% of the rows, chosen by their key; the champion, version 3, predicts the others." in text
    )
    assert "shadow (done) 5% of the rows (now) 25% of the rows champion" in text


def test_its_stages_lie_in_a_lane_of_their_own_among_what_happened(tmp_path: Path) -> None:
    rolling = make(tmp_path, 4)
    rolling.champion("fair")
    rolling.scored(0)
    assert ">Roll-out</text>" not in page(rolling, 3)
    rolling.stage("true", 25, 1, rolling.stage("true", 0, 1))
    said = page(rolling, 3)
    assert ">Roll-out</text>" in said
    assert "canary at 25%, version 1" in part(said, "events")
    assert "shadow begun, version 1" in part(said, "events")
    events = json.loads(page(rolling, 3, as_json=True))["timeline"]["events"]
    assert [(each["change"], each["share"]) for each in events[1:]] == [("shadow", None), ("canary", 25)]


def test_who_stands_by_is_shown_with_its_trial_and_what_was_rolled_back_with_its_time(tmp_path: Path) -> None:
    rolling = make(tmp_path, 8, "rollout: {standby: true}\n")
    first = rolling.champion("fair")
    rolling.scored(0)
    assert 'id="going-back"' not in page(rolling, 0)
    rolling.ports.ledger.deploy(rolling.entry("true", 1, first))
    rolling.scored(1)
    assert "not tried yet Version 3 stands by: it was the champion before the present one." in back(page(rolling, 1))
    keep_example(rolling, "fair")
    standby.run(rolling.world.use_case, rolling.world.day(1).end, rolling.ports, "maintenance")
    text = back(page(rolling, 1))
    assert "ready Version 3 stands by" in text
    assert "Tried 3 Jan 2024 00:00 UTC: Version 3 was loaded, predicted the 5 rows" in text
    given = {"actor": "ada", "reason": "complaints <b>"}
    since = rolling.world.day(1).start
    rollback.run(rolling.world.use_case, None, rolling.ports, "r/back", rescore_from=since, **given)
    assert "under way Windows of 1 rollback are still being scored again" in back(page(rolling, 1))
    rescore.run(rolling.world.use_case, rolling.ports, "r/back", actor="ada")
    said = page(rolling, 1)
    assert "version 1 version 3 1 0 ada complaints <b>" in back(said)
    assert "complaints <b>" not in said
    assert "under way" not in back(said)
    data = json.loads(page(rolling, 1, as_json=True))["going_back"]
    assert (data["standby"], data["unfinished"], data["rollbacks"][0]["seconds"]) == (None, 0, 0.0)


def test_calendar_table_home_and_window_say_which_models_predicted_what_share(tmp_path: Path) -> None:
    rolling = make(tmp_path, 5)
    rolling.champion("fair")
    rolling.stage("true", 25, 1)
    for day in range(2):
        rolling.scored(day)
    ours = (rolling.world.use_case, rolling.world.day(2), rolling.ports, "test")
    ingest.run(*ours)
    validate.run(*ours)
    score.run(*ours, model=ModelChoice())
    both = [version for version, _ in rolling.predictions(2).values()]
    theirs = both.count("1") / len(both)
    assert 0.1 < theirs < 0.4
    words = f"version 3 ({share(1 - theirs)} of the rows) and version 1 in roll-out ({share(theirs)})"
    said = page(rolling, 2)
    assert f"scored by {words}" in said
    assert ">v3 + v1<" in said or "rows by version 1 in roll-out</title>" in said
    assert f"3 <small>{share(1 - theirs)}</small><br>1 <small>{share(theirs)}</small>" in said
    state = json.loads(page(rolling, 2, as_json=True))["timeline"]["windows"][2]
    assert (state["model_version"], state["challenger"], state["challenger_share"]) == ("3", "1", theirs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: rolling.world.day(2).end + timedelta(hours=1))
        window = asking.ask(rolling.world, "window", use_case="parcels", window=rolling.world.day(2).key).body.decode()
        home = asking.ask(rolling.world, "home", may_see=("parcels",)).body.decode()
    assert f"Made by version 3, {both.count('1')} of them by version 1 (canary 25%)." in window
    assert words in home
