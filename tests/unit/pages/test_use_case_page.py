"""The page of a use case: its calendar, its models, its labels' delay, its last backtest, and earlier windows."""

import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.world import SPEC
from tests.unit.pages import asking
from tests.unit.review.lived import EXPECTED, Life, arrivals, year
from tests.unit.review.policies import record_backtest

from perennial import clock
from perennial.ledger.entries import Deployment
from perennial.pages.asked import Answer
from perennial.pages.charts import axis
from perennial.performance.maturity import Maturity
from perennial.review import use_case_report
from perennial.verdict import Verdict
from perennial.window import Every


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Life:
    life = year(tmp_path_factory.mktemp("year"))
    record_backtest(life)
    return life


def ask(life: Life, *, view: str = "use_case", **given: Any) -> Answer:
    """The answer at the life's moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: life.now)
        return asking.ask(life, view, use_case="parcels", **given)


def page(life: Life, **given: Any) -> str:
    found = ask(life, **given)
    assert found.status == 200, found.body
    return found.body.decode()


def part(said: str, name: str) -> str:
    """One section of the page."""
    return said.partition(f'id="{name}"')[2].partition("</section>")[0]


def cells(said: str) -> list[tuple[str, list[str]]]:
    """Of each window in the calendar its title, and the classes of its three cells."""
    drawn = part(said, "windows").partition('<svg class="calendar')[2]
    links = re.findall(r"<title>([^<]*)</title>((?:<rect[^>]*>){3})", drawn)
    return [(title, re.findall(r'class="(\w+)"', rects)) for title, rects in links]


def shown_by(said: str, start: str) -> tuple[str, list[str]]:
    return next(each for each in cells(said) if each[0].startswith(start))


def day_of(life: Life, number: int) -> str:
    at = life.window(number).start
    return f"{at:%a} {at.day} {at:%b %Y}:"


def test_the_calendar_has_every_window_with_its_states_in_words_and_classes(lived: Life) -> None:
    said = page(lived)
    assert len(cells(said)) == 371
    assert shown_by(said, day_of(lived, 138))[1] == ["fail", "none", "none"]  # refused
    assert "validation refused" in shown_by(said, day_of(lived, 138))[0]
    title, classes = shown_by(said, day_of(lived, 140))
    assert (title, classes) == (f"{day_of(lived, 140)} missing, it should have been scored", ["missing"] * 3)
    assert shown_by(said, day_of(lived, 118))[1][1] == "fail"  # drifted
    title, classes = shown_by(said, day_of(lived, 245))
    assert classes == ["pass", "pass", "warn"]
    assert "worse than expected" in title
    title, classes = shown_by(said, day_of(lived, 144))
    assert "4 rows came late or changed" in title
    title, classes = shown_by(said, day_of(lived, 419))
    assert "roc_auc estimated as 0.7" in title
    assert classes[2] == "none"
    sentence = "371 windows: 3 refused by validation, 10 drifted, 8 missing, 6 with rows that came late"
    assert sentence in part(said, "windows")
    assert f'aria-label="{sentence}' in said


def test_marks_say_what_colours_say(lived: Life) -> None:
    drawn = part(page(lived), "windows")
    refused, drifted = 3, 10
    crosses = re.search(r'<path class="cross" d="([^"]*)"', drawn)
    corners = re.search(r'<path class="corner" d="([^"]*)"', drawn)
    hatches = re.search(r'<path class="hatch" d="([^"]*)"', drawn)
    assert crosses
    assert corners
    assert hatches
    assert crosses[1].count("M") == refused + drifted
    assert corners[1].count("M") == 6
    assert hatches[1].count("M") == 2 * 2  # two windows are partial, two strokes each


def test_what_happened_to_the_model_lies_on_the_same_axis(lived: Life) -> None:
    said = page(lived)
    drawn = part(said, "windows").partition('<svg class="calendar')[2].partition("</svg>")[0]
    shapes = re.findall(r'<path class="event (\w+)"', drawn)
    assert sorted(shapes) == sorted(["new_model"] * 3 + ["rollback", "rejected"] + ["retraining"] * 4)
    assert "17 Sep 2024 00:00 UTC: rolled back, version 2. the model of May was worse" in drawn
    bands = re.findall(r"<title>Version (\d) scored (\d+) windows", drawn)
    assert [version for version, _ in bands] == ["1", "2", "3", "2", "4"]
    # A window's cell, its model's band and the deployment begin at the same place: windows 120 and 200 are in it.
    events = part(said, "events")
    assert events.count("<tr>") == 1 + 9
    assert 'href="/base/perennial/dags/parcels.retrain/runs/version_3_at_200"' in events
    assert 'href="/base/perennial/dags/parcels.predict/runs/scheduled__199"' in events


def test_a_deployment_lies_where_its_first_window_does(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(14, "1", "first")
    for number in range(21):
        life.read(number)
    drawn = page(life).partition('<svg class="calendar')[2]
    x = float(re.search(r'class="event first_model" transform="translate\(([\d.]+)', drawn)[1])  # type: ignore[index]
    monday = re.search(r'<title>Mon 15 Jan 2024:[^<]*</title><rect class="pass" x="([\d.]+)"', drawn)
    assert monday
    assert x == float(monday[1])


@pytest.mark.parametrize(
    ("change", "columns", "rows"),
    [({}, 3, 7), ({"every: day": "every: hour"}, 2, 24), ({"every: day": "every: 6h"}, 6, 4), (
        {"every: day": "every: week"}, 21, 1,
    )],
)  # fmt: skip
def test_the_calendar_fits_the_length_of_windows(
    tmp_path: Path, change: dict[str, str], columns: int, rows: int
) -> None:
    spec = SPEC
    for old, new in change.items():
        spec = spec.replace(old, new)
    life = Life(tmp_path, spec)
    count = 30 if rows == 24 else 21
    for number in range(count):
        life.read(number)
    drawn = page(life).partition('<svg class="calendar')[2].partition("</svg>")[0]
    found = re.findall(r'<title>[^<]*</title><rect class="pass" x="([\d.]+)" y="([\d.]+)"', drawn)
    assert len(found) == count
    assert (len({x for x, _ in found}), len({y for _, y in found})) == (columns, rows)


def test_hours_of_a_local_day_are_found_by_the_local_clock(tmp_path: Path) -> None:
    spec = SPEC.replace("every: day, start: 2024-01-01", "every: 6h, timezone: Europe/Berlin, start: 2024-03-30")
    life = Life(tmp_path, spec)
    for number in range(12):  # clocks go forward on 31 March
        life.read(number)
    said = page(life)
    assert shown_by(said, "Sun 31 Mar 2024, 00:00 to 06:00")
    found = re.findall(r"<title>(\w+ \d+ \w+ 2024), [^<]*</title><rect[^>]* x=\"([\d.]+)\" y=\"([\d.]+)\"", said)
    assert len(found) == 12
    by_day: dict[str, set[str]] = {}
    for name, x, _ in found:
        by_day.setdefault(name, set()).add(x)
    assert [len(places) for places in by_day.values()] == [1, 1, 1]
    assert len({y for _, _, y in found}) == 4
    assert "Window (Europe/Berlin)" in said


def test_windows_after_the_last_that_was_read_are_missing_too(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(2, "1", "first")
    for number in range(5):
        life.read(number)
        life.score(number, "1")
    life.now = life.window(8).end
    said = page(life)
    assert [each[1][0] for each in cells(said)] == ["pass"] * 5 + ["missing"] * 3
    assert "More windows after these" not in said
    life.now = life.window(100).end
    said = page(life)
    assert len(cells(said)) == 5 + use_case_report.MISSING_SHOWN
    assert "More windows after these should have been scored" in said


def test_earlier_windows_are_reached_by_links_and_back(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in range(800):
        life.read(number)
    life.now = life.window(800).start

    def link(said: str, words: str) -> str | None:
        found = re.search(rf'<a href="/base/perennial/dags/parcels\.predict\?until=([^"]*)"[^>]*>{words}', said)
        return found[1] if found else None

    newest = page(life)
    assert link(newest, "Later windows") is None
    before = link(newest, "← Earlier windows")
    assert before == f"{life.window(800 - 371).start:%Y-%m-%dT%H:%MZ}"
    middle = page(life, until=before)
    assert cells(middle)[-1][0].startswith(day_of(life, 800 - 372))
    assert link(middle, "Later windows") == f"{life.window(800).start:%Y-%m-%dT%H:%MZ}"
    first = page(life, until=link(middle, "← Earlier windows") or "")
    assert len(cells(first)) == 800 - 2 * 371
    assert "These are the first windows." in first
    assert link(first, "Later windows") == f"{life.window(58 + 371).start:%Y-%m-%dT%H:%MZ}"


def test_a_date_is_read_in_the_zone_of_the_use_case(tmp_path: Path) -> None:
    life = Life(tmp_path, SPEC.replace("every: day,", "every: day, timezone: America/New_York,"))
    for number in range(10):
        life.read(number)
    said = page(life, until="2024-01-05")
    assert [title.partition(":")[0] for title, _ in cells(said)] == [
        f"{name} Jan 2024" for name in ("Mon 1", "Tue 2", "Wed 3", "Thu 4")
    ]
    assert 'name="until" value="2024-01-05"' in said


def test_a_date_before_or_after_all_windows_shows_the_nearest(lived: Life) -> None:
    assert len(cells(page(lived, until="1999-01-01"))) == 1
    assert cells(page(lived, until="2099-01-01")) == cells(page(lived))


@pytest.mark.parametrize("arguments", [{"until": "soon"}, {"until": "<b>"}, {"show": "all"}, {"show": "' OR 1=1"}])
def test_what_can_not_be_meant_is_told(lived: Life, arguments: dict[str, str]) -> None:
    for as_json in (False, True):
        assert ask(lived, as_json=as_json, **arguments).status == 422


@pytest.mark.parametrize(
    ("show", "windows"), [("", 371), ("refused", 3), ("drifted", 10), ("missing", 8), ("late", 6), ("overdue", 0)]
)
def test_the_table_can_be_filtered(lived: Life, show: str, windows: int) -> None:
    table = part(page(lived, show=show), "table")
    assert table.count("<tr>") - 1 == (windows or -1)
    assert ("None of these windows is of that kind." in table) == (windows == 0)
    assert ("Show all" in table) == (show != "")


def test_questions_to_the_ledger_are_bounded(lived: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[datetime, datetime]] = []
    for name in ("validations_between", "batches_between", "drift_between", "performance_between", "late_rows_between"):
        original = getattr(lived.ledger, name)

        def noted(use_case: str, start: datetime, end: datetime, real: Callable[..., object] = original) -> object:
            asked.append((start, end))
            return real(use_case, start, end)

        monkeypatch.setattr(lived.ledger, name, noted)
    page(lived, until="2024-12-01")
    spans = Counter(end - start for start, end in asked)
    assert spans.pop(timedelta(days=335)) == 5  # from the first window on
    assert spans.pop(timedelta(days=364)) == 1, "which windows are missing, as far back as retention goes"
    assert set(spans) == {timedelta(days=60)}, "which of the newest were refused"


def test_performance_is_drawn_beside_what_was_expected(lived: Life) -> None:
    drawn = part(page(lived), "performance")
    assert drawn.count('<circle class="partial"') == 2
    assert drawn.count('class="estimate"') == 1
    assert '<rect class="open"' in drawn
    assert re.findall(r'class="change"[^>]*>.*?<text[^>]*>(v\d)<', drawn) == ["v1", "v2", "v3", "v2", "v4"]
    assert drawn.count('<line class="allowed"') >= 1
    assert "Mar 2024" in drawn
    assert "0.1 worse: the loss that calls for retraining" in drawn
    assert "estimated from the predictions alone as 0.7 (0.65 to 0.75); no labels yet" in drawn
    assert "roc_auc is better when it is higher" in drawn


def test_the_expected_value_stands_where_the_axis_says(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(0, "1", "first")
    for number, value in enumerate((0.6, EXPECTED, 0.8)):
        life.read(number)
        life.score(number, "1")
        life.measure(number, "1", value)
    drawn = part(page(life), "performance")
    line = re.search(r'<line class="expected"[^>]* y1="([\d.]+)"', drawn)
    ys = [float(y) for y in re.findall(r'<circle class="final"[^>]* cy="([\d.]+)"', drawn)]
    assert line
    assert float(line[1]) == ys[1]
    assert ys[0] > ys[1] > ys[2]  # a greater value stands higher


def test_the_family_of_models_is_drawn_and_told(lived: Life) -> None:
    models = part(page(lived), "models")
    assert models.count('<rect class="trained"') == 4
    assert models.count('<rect class="served"') == 5  # version 2 was in service twice
    assert models.count('<path class="branch"') == 3
    assert (
        '<a href="https://models.example/parcels/4" data-outside>4</a> <span class="mark pass">champion</span>'
        in models
    )
    assert "approved by ada" in models
    assert "rolled back to" in models
    assert "champion version 1: 0.68" in models
    assert "a prediction without skill: 0.5" in models
    assert "1 retraining after which the champion stayed" in models
    assert "boosting has ROC AUC 0.699, 0.001 less than the champion." in models


def test_many_versions_stay_readable(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for version in range(50):
        life.deploy(7 * version, str(version + 1), "age")
    life.read(360)
    models = part(page(life), "models")
    assert "The last 15 of 50 versions" in models
    assert "<summary>35 older versions</summary>" in models
    assert models.partition("<details>")[0].count('<rect class="served"') == 15
    assert models.count("<tr>") == 2 + 50


def test_the_delay_of_labels_is_drawn_with_its_table(lived: Life) -> None:
    labels = part(page(lived), "labels")
    assert '<polyline class="median"' in labels
    assert "the median of the last 90 final windows" in labels
    assert re.search(r"<td>90%</td><td>19 hours</td>", labels)
    assert "The use case waits 24 hours" in labels
    assert labels.count("<tr>") == 1 + 4 + 1 + 21


def test_a_model_of_one_window_takes_no_label_from_the_one_after_it(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(0, "1", "first")
    for number in range(120):
        life.read(number)
        life.score(number, "2" if number == 60 else "1")
        life.measure(number, "1", 0.7)
    drawn = page(life).partition('<svg class="performance')[2].partition("</svg>")[0]
    assert drawn.count('<line class="change"') == 3
    assert re.findall(r'class="change"[^>]*>(?:<text[^>]*>(v\d)<)?', drawn) == ["v1", "", "v1"]


def test_the_last_backtest_is_shown_and_how_to_run_another(lived: Life) -> None:
    found = part(page(lived), "backtest")
    assert "61 windows, 1 Mar 2024 to 30 Apr 2024" in found
    assert "triggers age, max_age 7 days" in found
    assert "triggers none" in found
    assert '<td class="n">0.68</td><td class="n">+0.035</td>' in found
    assert "<td>2024-04</td>" in found
    assert "cli__2024-05-01T10:00:00.000000Z" in found
    command = "perennial backtest parcels --policies include/use_cases/parcels/policies.yaml"
    assert f"{command} --from 2024-03-01 --to 2024-05-01" in found


def test_the_backtest_that_is_proposed_has_windows_that_are_there(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(3, "1", "first")
    for number in (0, 1, 2, 3, 5, 6, 7, 8, 10, 11):
        life.read(number, Verdict.FAIL if number == 6 else Verdict.PASS)
    life.now = life.window(19).end  # the last ones are missing
    assert "--from 2024-01-06 --to 2024-01-10</pre>" in part(page(life), "backtest")


def test_a_use_case_that_nobody_began_says_how_each_part_begins(tmp_path: Path) -> None:
    life = Life(tmp_path)
    said = page(life)
    assert "No window yet" in said
    assert "No model is in service, so nothing can be scored." in part(said, "models")
    assert "Not known yet" in part(said, "labels")
    assert "No backtest is on record." in part(said, "backtest")
    assert "parcels/policies.yaml --from … --to …" in part(said, "backtest")
    assert "<svg" not in said


def test_windows_that_are_empty_overdue_or_given_up_say_so(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(0, "1", "first")
    for number, maturity in enumerate((Maturity.OVERDUE, Maturity.GIVEN_UP)):
        life.read(number, Verdict.INSUFFICIENT)
        life.score(number, "1", Verdict.INSUFFICIENT)
        life.measure(number, "1", None, maturity)
    said = page(life)
    assert [classes for _, classes in cells(said)] == [["little", "little", "overdue"], ["little", "little", "little"]]
    assert "1 with labels overdue" in said
    assert "overdue, 0% of rows" in part(said, "table")


def test_scripts_get_all_of_it(lived: Life) -> None:
    found = json.loads(ask(lived, as_json=True).body)
    assert found["format"] == 1
    assert len(found["timeline"]["windows"]) == 371
    assert {each["change"] for each in found["timeline"]["events"]} == {
        "new_model",
        "rollback",
        "retraining",
        "rejected",
    }
    assert found["timeline"]["windows"][-90]["standing"] == "as_expected"
    assert [each["version"] for each in found["family"]["versions"]] == ["4", "3", "2", "1"]
    assert found["delay"]["windows"] == 90
    assert found["backtest"]["results"][1]["regret"] == 0.035
    assert found["earlier"] == "2024-02-19T00:00:00Z"
    assert found["later"] is None


def test_a_run_of_several_windows_has_the_same_drawings(lived: Life) -> None:
    said = page(lived, view="interval", start="2024-05-01", end="2024-05-15")
    assert len(cells(said)) == 14
    assert '<svg class="performance' in said
    assert part(said, "table").count("<tr>") == 15
    assert "Windows before" not in said
    assert (
        json.loads(ask(lived, as_json=True, view="interval", start="2024-05-01", end="2024-05-15").body)["format"] == 1
    )


@pytest.mark.parametrize("payload", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'])
def test_hostile_texts_stay_texts(tmp_path: Path, payload: str) -> None:
    life = Life(tmp_path)
    made: Deployment = life.deploy(0, "1", payload)
    life.read(0)
    life.score(0, payload)
    life.measure(0, "1", 0.7, arrivals=arrivals(0.5))
    hostile = replace(
        made, model_version=payload, model_digest="x", supersedes=made.id, actor=payload, reason=payload,
        approved_by=payload, run_id=f"{payload}/{payload}", effective_from=life.window(1).start,
    )  # fmt: skip
    life.ledger.deploy(hostile)
    kept = record_backtest(life)
    life.ledger.record_backtest(
        replace(
            kept, run_id=payload, policies={payload: {payload: [payload]}},
            results=({**kept.results[0], "policy": payload, "months": {payload: {}}},),
        )
    )  # fmt: skip
    life.read(1)
    assert payload not in page(life)


@pytest.mark.parametrize(
    ("every", "windows"),
    [(Every.HOUR, 21 * 24), (Every.TWO_HOURS, 372), (Every.SIX_HOURS, 360), (Every.TWELVE_HOURS, 180), (Every.DAY, 371),
     (Every.WEEK, 106), (Every.MONTH, 60)],
)  # fmt: skip
def test_a_page_has_whole_days_of_windows(every: Every, windows: int) -> None:
    assert use_case_report.windows_on_a_page(every) == windows


@pytest.mark.parametrize(
    ("days", "pixels", "labels"),
    [
        (14, 960, ["1 Feb 2024", "2 Feb", "3 Feb"]),
        (60, 960, ["1 Feb 2024", "8 Feb", "15 Feb"]),
        (371, 960, ["Feb 2024", "Mar", "Apr"]),
        (3_000, 960, ["Jul 2024", "Jan 2025", "Jul"]),
        (9_000, 960, ["Jan 2025", "Jan 2026", "Jan 2027"]),
    ],
)
def test_dates_have_room_on_their_axis(days: int, pixels: float, labels: list[str]) -> None:
    start = datetime(2024, 2, 1, tzinfo=UTC)
    found = list(axis.dates(start, start + timedelta(days=days), "UTC", pixels))
    assert [text for _, text in found][:3] == labels
    assert len(found) * 34 <= pixels + 34


def test_a_drawing_with_links_is_no_picture_to_a_screen_reader(lived: Life) -> None:
    drawings = re.findall(
        r'<svg class="(\w+)[^"]*" role="(\w+)" aria-label="[^"]+"[^>]*>(<g aria-hidden="true">)?', page(lived)
    )
    assert [(name, role, bool(hidden)) for name, role, hidden in drawings] == [
        ("calendar", "group", True),
        ("performance", "group", True),
        ("family", "img", False),
        ("delay", "img", False),
    ]


@pytest.mark.parametrize(
    ("verdict", "drift", "mark"),
    [
        (Verdict.PASS, Verdict.PASS, '<span class="mark pass">good</span>'),
        (Verdict.WARN, Verdict.PASS, '<span class="mark warn">with warnings</span>'),
        (Verdict.PASS, Verdict.FAIL, '<span class="mark fail">look here</span>'),
        (Verdict.FAIL, None, '<span class="mark fail">look here</span>'),
        (Verdict.PASS, Verdict.INSUFFICIENT, '<span class="mark pass">good</span>'),
    ],
)
def test_the_page_begins_with_the_worst_of_the_newest_window(
    tmp_path: Path, verdict: Verdict, drift: Verdict | None, mark: str
) -> None:
    life = Life(tmp_path)
    life.deploy(0, "1", "first")
    life.read(0)
    life.score(0, "1")
    life.read(1, verdict)
    if drift is not None:
        life.score(1, "1", drift)
    lead = page(life).partition('<p class="sentence">')[2].partition("</p>")[0]
    assert lead.startswith(mark)
    assert f'/windows/{life.window(1).key}">Tue 2 Jan 2024</a>' in lead
