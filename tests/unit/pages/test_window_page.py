"""The report of a window: what changed, how drift came about, how predictions are spread, and the ways onward."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.jobs.rollout_world import make
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import EXPECTATIONS, SPEC, World, make_world
from tests.unit.pages.asking import ask, of_day, page, told

from perennial.drift.assess import Assessment
from perennial.errors import ValidationFailed
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import late, monitor
from perennial.jobs.upkeep import quarantine as upkeep
from perennial.ledger.entries import DriftReport, Intervention, InterventionKind
from perennial.pages.charts.bar_axis import below
from perennial.pages.charts.estimates import estimates_chart
from perennial.review import window_report
from perennial.spec.load import load_use_case
from perennial.spec.models import UseCase

RUN = "parcels.predict/scheduled__"


def forget(world: World, day: int, share: float) -> None:
    """Delete the weights of the first rows of a day, such a share of them."""
    rows = world.rows_of(day)
    world.put("weight", dict.fromkeys(rows[: int(share * len(rows))]))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Days 30 to 33 are scored; on 32 half of the weights are missing, 31 has a row in quarantine, 34 is refused."""
    world = make_world(tmp_path_factory.mktemp("lived"))
    first_model(world)
    world.put("weight", {world.rows_of(31)[3]: -60.0})
    forget(world, 32, 0.5)
    for day in (30, 31, 32, 33):
        predict(world, day, run_id=f"{RUN}{day}")
        monitor.run(world.use_case, world.day(day), world.ports, f"{RUN}{day}")
    world.change(34, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 34)
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, "parcels.evaluate/one")
    return world


def test_it_begins_with_every_part_at_a_glance(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 31))
    parts = ("validation", "rows", "drift", "predictions", "decision", "performance")
    assert [said.index(f'<a href="#{part}">') for part in parts] == sorted(
        said.index(f'<a href="#{part}">') for part in parts
    )
    for part in parts:
        assert f'<section class="card" id="{part}">' in said


def test_missing_values_are_compared_with_the_window_before_and_the_unusual_marked(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 32))
    assert "1 unusual" in said
    row = said[said.index('<td class="long">weight</td><td class="n">0%</td><td class="n">50%</td>') :]
    assert row.startswith(
        '<td class="long">weight</td><td class="n">0%</td><td class="n">50%</td><td class="n">+50.0</td>'
    )
    assert "of the rows that passed validation" in said
    assert "every column misses as many as in the window before" in page(lived, "window", **of_day(lived, 31))


def test_of_a_refused_window_missing_values_are_counted_in_what_came_in(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first_model(world)
    predict(world, 30)
    world.change(31, "service", None)
    world.change(31, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 31)
    said = page(world, "window", **of_day(world, 31))
    assert "of the rows that came in" in said
    assert '<td class="long">service</td><td class="n">0%</td><td class="n">100%</td>' in said
    assert "1 unusual" in said


def test_rows_that_are_refused_after_others_were_scored_come_first_in_the_verdict(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    first_model(world)
    predict(world, 31)
    world.change(31, "weight", -99.0)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 31)
    found = told(world, "window", **of_day(world, 31))
    assert found["verdict"] == "fail"
    assert found["sentence"] == (
        "Validation refused the 180 rows that came last, so what was published before stays: "
        "revision 1, 180 rows scored by version 1."
    )


def test_rows_that_are_fewer_are_said(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    ingest_and_validate(world, 30)
    gone = set(world.rows_of(31)[:90])
    kept = [row for row in range(world.parcels.table.num_rows) if row not in gone]
    world.parcels.table = world.parcels.table.take(pa.array(kept))
    ingest_and_validate(world, 31)
    said = page(world, "window", **of_day(world, 31))
    assert "The window before had 180 rows, this one 90 (-50.0%)." in said
    assert "The columns are the same." in said
    assert "The window before has no rows to compare with." in page(world, "window", **of_day(world, 30))


def test_each_column_has_its_history_as_a_picture_and_in_the_table(lived: World) -> None:
    first, fourth = (page(lived, "window", **of_day(lived, day)) for day in (30, 33))
    assert 'class="sparkline"' not in first  # one window is no history
    assert fourth.count('<svg class="sparkline"') == 4  # joint, the prediction, weight, service
    assert "in 1 of 4 windows" in fourth
    table = fourth[fourth.index("p of the last windows, the newest first") :]
    row = table[table.index('<td class="long">weight</td>') : table.index("</tr>", table.index("weight</td>"))]
    history = told(lived, "window", **of_day(lived, 33))["drift_history"]
    assert history["columns"]["weight"][-4:] == [pytest.approx(float(p), abs=6e-4) for p in reversed(_ps(row))]
    assert [each is None for each in history["together"]] == [True] * 26 + [False] * 4


def _ps(row: str) -> list[str]:
    return [each for each in row[row.rindex('"long">') + 7 :].removesuffix("</td>").split(", ") if each != "-"]


def test_the_joint_p_value_stands_by_itself(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 32))
    found = told(lived, "window", **of_day(lived, 32))["drift"]["assessment"]
    assert f'<dt>Joint p-value</dt><dd class="big">{found["p_value"]:.3f}</dd>' in said


def test_predictions_are_shown_against_the_window_before_and_the_reference(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 31))
    assert '<svg class="predictions"' in said
    found = told(lived, "window", **of_day(lived, 31))["predictions"]
    assert said.count('<path class="before"') == len(found["bars"])
    for side in ("reference", "window", "before"):
        assert sum(bar[side] for bar in found["bars"]) == pytest.approx(1)
    rows = lived.ports.lake.read("predictions/parcels", lived.day(31).key).column("prediction").to_pylist()
    assert found["now"]["predictions"] == len(rows) == 179
    assert found["now"]["mean"] == pytest.approx(sum(rows) / len(rows))
    assert found["now"]["median"] == pytest.approx(sorted(rows)[89], abs=0.02)
    assert found["before"]["predictions"] == 180


def test_the_first_window_has_predictions_without_a_window_before(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 30))
    assert '<svg class="predictions"' in said
    assert '<path class="before"' not in said
    assert "<td>the window before</td>" not in said


def test_bars_of_another_model_are_not_compared(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    drift_of = lived.ports.ledger.drift_of

    def of_another(name: str, window: object) -> list[DriftReport]:
        found = drift_of(name, window)  # type: ignore[arg-type]
        return [replace(each, model_digest="another") for each in found] if window == lived.day(30) else list(found)

    monkeypatch.setattr(lived.ports.ledger, "drift_of", of_another)
    said = page(lived, "window", **of_day(lived, 31))
    assert "The window before was compared with another model" in said
    assert '<path class="before"' not in said
    assert "<td>the window before</td>" in said


def test_a_drift_report_that_can_not_be_read_is_told_and_the_rest_is_shown(
    lived: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    drift_of = lived.ports.ledger.drift_of
    monkeypatch.setattr(
        lived.ports.ledger, "drift_of", lambda *given: [replace(each, report={}) for each in drift_of(*given)]
    )
    said = page(lived, "window", **of_day(lived, 31))
    assert "was written by another version of Perennial and can&#39;t be read" in said
    assert "179 rows scored by version 1" in said


def test_every_step_leads_to_the_log_of_its_task(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 33))
    for task in ("score", "monitor"):
        assert f'<a href="/base/dags/parcels.predict/runs/scheduled__33/tasks/{task}" data-airflow>' in said
    assert "log of ingest" not in said  # which the command line did
    assert 'rel="prev">← Fri 2 Feb 2024' in said


def test_what_came_late_is_said_and_leads_to_the_task_that_found_it(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    folder = world.use_case.folder
    (folder / "use_case.yaml").write_text(f"{SPEC}late_data: 3d\n")
    world = replace(world, use_case=load_use_case(folder))
    first_model(world)
    predict(world, 30, run_id=f"{RUN}30")
    world.change(30, "weight", 11.0)
    late.run(world.use_case, world.day(31), world.ports, f"{RUN}31")
    said = page(world, "window", **of_day(world, 30))
    assert "0 rows more, 0 fewer, 180 changed; 180 predictions changed with them." in said
    assert '<a href="/base/dags/parcels.predict/runs/scheduled__31/tasks/late_data" data-airflow>' in said
    assert '<a href="/base/dags/parcels.predict/runs/scheduled__30/tasks/score" data-airflow>' in said


def test_quarantined_rows_stand_in_the_report_and_lead_to_all_of_them(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 34))
    assert "the first 5 of 180 rows" in said
    assert "weight = <code>-99.0</code> in 180 rows" in said
    for position in lived.rows_of(34)[:5]:
        assert f'<td class="long">{position}</td>' in said
    assert f'<a href="/base/perennial/dags/parcels.predict/windows/{lived.day(34).key}/quarantine">All rows' in said


def test_private_columns_are_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UseCase, "private_columns", property(lambda spec: (spec.key, "weight", "service")))
    world = make_world(tmp_path)
    folder = world.use_case.folder
    (folder / "expectations.yaml").write_text(
        f"{EXPECTATIONS}  - type: expect_column_values_to_be_in_set\n"
        "    kwargs: {column: service, value_set: [road, air, rail]}\n    severity: warning\n"
    )
    world = replace(world, use_case=load_use_case(folder))
    world.change(30, "service", "secret courier")
    forbidden = world.rows_of(30)[0]
    world.put("weight", {forbidden: -77.25})
    ingest_and_validate(world, 30)
    for as_json in (False, True):
        found = ask(world, "window", as_json=as_json, **of_day(world, 30)).body.decode()
        assert str(forbidden) in found
        assert "77.25" not in found
        assert "secret courier" not in found
    assert '<td class="long">withheld</td>' in page(world, "window", **of_day(world, 30))


SUITE = """expectations:
  - {type: expect_column_mean_to_be_between, kwargs: {column: weight, max_value: 100}}
  - {type: expect_column_values_to_be_in_set, kwargs: {column: service, value_set: [road]}, severity: warning}
  - {type: expect_column_max_to_be_between, kwargs: {column: weight, max_value: -1000}}
"""


def with_suite(folder: Path, suite: str) -> World:
    world = make_world(folder)
    (world.use_case.folder / "expectations.yaml").write_text(suite)
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    rows = enumerate(world.rows_of(30))
    world.put("service", {row: "<b>sea</b>" if nth < 9 else "air" if nth < 13 else "road" for nth, row in rows})
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 30)
    return world


def test_expectations_are_sentences_and_those_that_are_not_met_come_first(tmp_path: Path) -> None:
    world = with_suite(tmp_path, SUITE)
    said = page(world, "window", **of_day(world, 30))
    in_order = (
        "The largest value of weight must be at most -1000",  # critical
        "service must be one of road",
        "The mean of weight must be at most 100",  # met
    )
    table = said[said.index('<h3 id="expectations">') :]
    assert [table.index(f'<td class="long">{each}</td>') for each in in_order] == sorted(
        table.index(f'<td class="long">{each}</td>') for each in in_order
    )
    assert '<span class="mark fail">2 not met</span> 1 met' in table
    assert "13 of 180 values break it (7.22%)" in table
    assert "<code>&lt;b&gt;sea&lt;/b&gt;</code> 9×, <code>air</code> 4×</td>" in table  # noqa: RUF001
    found = json.loads(ask(world, "window", as_json=True, **of_day(world, 30)).body)["validation"]["expectations"]
    assert [each["sentence"] for each in found] == [in_order[2], in_order[1], in_order[0]]
    assert found[1]["values"] == [{"value": "<b>sea</b>", "count": 9}, {"value": "air", "count": 4}]


def test_only_what_failed_or_one_column_is_shown_and_the_json_has_all(tmp_path: Path) -> None:
    world = with_suite(tmp_path, SUITE)
    failed = page(world, "window", **of_day(world, 30), only="failed")
    assert "2 of 3 expectations are shown, only those that are not met." in failed
    assert "The mean of weight" not in failed
    service = page(world, "window", **of_day(world, 30), column="service")
    assert "1 of 3 expectations are shown for “service”." in service
    assert "service must be one of road" in service
    assert "The largest value of weight" not in service[service.index('<h3 id="expectations">') :]
    nothing = page(world, "window", **of_day(world, 30), column="<i>moon")
    assert "0 of 3 expectations are shown for “&lt;i&gt;moon”." in nothing
    both = [
        ask(world, "window", as_json=True, **of_day(world, 30), **chosen).body for chosen in ({}, {"only": "failed"})
    ]
    assert both[0] == both[1]


def test_many_expectations_stand_under_the_names_of_their_columns(tmp_path: Path) -> None:
    many = "".join(
        f"  - {{type: expect_column_mean_to_be_between, kwargs: {{column: weight, max_value: {100 + number}}}}}\n"
        for number in range(20)
    )
    world = with_suite(tmp_path, SUITE + many)
    said = page(world, "window", **of_day(world, 30))
    assert '<li><a href="#expectations-1">Not met</a> 2</li><li><a href="#expectations-2">weight</a> 21</li>' in said
    assert '<tbody id="expectations-2">\n<tr class="group"><th scope="rowgroup" colspan="4">weight</th></tr>' in said
    assert "Contents by column" not in page(world, "window", **of_day(world, 30), only="failed")


def test_what_people_did_is_in_the_json_of_the_window(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.put("weight", {world.rows_of(30)[0]: -60.0})
    ingest_and_validate(world, 30)
    rule = "expect_column_values_to_be_between(weight)"
    upkeep.accept(world.use_case, world.day(30), rule, world.ports, "by hand", actor="ada", reason="a new scale")
    (handled,) = json.loads(ask(world, "window", as_json=True, **of_day(world, 30)).body)["handled"]
    assert (handled["kind"], handled["rule"], handled["rows"]) == ("rows_accepted", rule, 1)
    assert (handled["actor"], handled["reason"], handled["of_latest"]) == ("ada", "a new scale", True)
    said = page(world, "window", **of_day(world, 30))
    assert f"1 row that {rule} caught was accepted by ada since this verdict. Replay the window" in said
    assert "rules have changed" not in said


def test_a_column_is_named_with_its_measure_and_its_chart_has_axes(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 33))
    drift = said[said.index('id="drift"') : said.index('id="predictions"')]
    assert drift.count("measured by Wasserstein distance") == 2  # the prediction and weight
    assert drift.count("measured by Jensen-Shannon distance") == 1
    for text in ("<dt>Conformal rank test</dt>", "<dt>Wasserstein distance</dt>", "Kolmogorov-Smirnov", ">PSI<"):
        assert text in drift
    service = drift[drift.index("<h4>service") :]
    chart = service[: service.index("</svg>")]
    assert set(re.findall(r'text-anchor="middle">([^<]+)<', chart)) == {"air", "rail", "road"}
    (highest,) = re.findall(r'y="9" text-anchor="end">(\d+)%<', chart)
    assessed = json.loads(ask(lived, "window", as_json=True, **of_day(lived, 33)).body)["drift"]["assessment"]
    bars = next(each for each in assessed["columns"] if each["name"] == "service")["measures"]["bars"]
    assert int(highest) == round(100 * max(max(bar["reference"], bar["window"]) for bar in bars))
    spark = service[service.index('class="sparkline"') :]
    assert "5 Jan 2024</text>" in spark[: spark.index("</svg>")]
    assert "this window</text>" in spark[: spark.index("</svg>")]


def test_of_many_columns_one_page_is_drawn_and_one_can_be_found(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    of_report = window_report.recorded_assessment

    def wide(report: DriftReport) -> Assessment:
        found = of_report(report)
        column = next(each for each in found.columns if each.name == "weight")
        many = (
            replace(column, name=f"column_{number:03}", importance=1 / (number + 1), drifted=number == 299)
            for number in range(300)
        )
        return replace(found, columns=tuple(many))

    monkeypatch.setattr(window_report, "recorded_assessment", wide)
    first = page(lived, "window", **of_day(lived, 33))
    assert first.count('<svg class="histogram"') == 24
    assert first.index("<h4>column_299") < first.index("<h4>column_000")  # what drifted comes first
    assert "Page 1 of 13, 300 columns" in first
    assert '<a href="?page=2#columns" rel="next">' in first
    second = page(lived, "window", **of_day(lived, 33), page="2")
    assert "<h4>column_023" in second
    assert "<h4>column_022" not in second
    assert '<a href="?#columns" rel="prev">' in second
    one = page(lived, "window", **of_day(lived, 33), column="column_123")
    assert one.count('<svg class="histogram"') == 1
    assert "1 of 300 columns are shown for “column_123”." in one
    assert page(lived, "window", **of_day(lived, 33), only="failed").count('<svg class="histogram"') == 1


def test_names_and_digests_stand_there_to_be_copied(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 31))
    found = json.loads(ask(lived, "window", as_json=True, **of_day(lived, 31)).body)
    for text in (
        lived.day(31).key,
        found["snapshot"]["digest"],
        found["revisions"][-1]["model_digest"],
        "models:/parcels/1",
        f"{RUN}31",
    ):
        (button,) = re.findall(rf'<code id="([\w-]+)">{re.escape(text)}</code>', said)
        assert f'<button type="button" class="copy" data-copy="{button}"' in said


def test_estimates_stand_beside_what_the_labels_said(lived: World) -> None:
    said = page(lived, "window", **of_day(lived, 30))
    assert '<svg class="estimates"' in said
    found = told(lived, "window", **of_day(lived, 30))["performance"][-1]
    assert f'<td>roc_auc</td><td class="dates">{found["estimates"]["roc_auc"]["value"]:.3g} (' in said
    assert '<circle class="final"' in said
    assert '<rect class="expected"' in said


def test_each_look_at_the_labels_has_its_number_in_the_chart_and_in_the_table(lived: World) -> None:
    last = lived.ports.ledger.performance_of("parcels", lived.day(30))[-1]
    shown = [replace(last, as_of=last.as_of + timedelta(days=days)) for days in range(4)]
    names = [f"look {each.as_of:%d %b %Y, %H:%M}" for each in shown]
    chart = estimates_chart(shown, names, ["1", "2", "3", "4"], "roc_auc")
    assert re.findall(r'<text x="[\d.]+" y="185.0">([^<]*)<', chart) == ["1", "2", "3", "4"]
    assert re.findall(r"<title>(look [^:]*:\d\d)", chart) == names
    said = page(lived, "window", **of_day(lived, 30))
    looks = len(told(lived, "window", **of_day(lived, 30))["performance"])
    found = re.findall(r'<td class="n" rowspan="\d+">(\d+)</td><td rowspan', said)
    assert found == [str(number) for number in range(looks, 0, -1)]


def test_what_an_older_version_recorded_by_hand_breaks_no_page(lived: World) -> None:
    window = lived.day(33)
    for kind in (InterventionKind.ROWS_ACCEPTED, InterventionKind.REPLAY_ASKED):
        lived.ports.ledger.record_intervention(
            Intervention("parcels", kind, "old", "ada", "long ago", {"window": window.key}, "by hand")
        )
    for view in ("window", "quarantine"):
        assert "long ago" in page(lived, view, use_case="parcels", window=window.key)


def test_in_a_canary_it_says_which_rows_the_challenger_predicted(tmp_path: Path) -> None:
    rolling = make(tmp_path, 2)
    rolling.champion("fair")
    rolling.stage("true", 25, 0)
    predict(rolling.world, 0)
    rows = sum(version == rolling.models["true"].version for version, _ in rolling.predictions(0).values())
    said = page(rolling.world, "window", **of_day(rolling.world, 0))
    told = f"version {rolling.models['fair'].version}, {rows} of them by version {rolling.models['true'].version}"
    assert f"Made by {told} (canary 25%)." in said
    assert f"<td>{told} (canary 25%)</td>" in said


def test_labels_in_capitals_do_not_run_into_each_other() -> None:
    drawn = below(["CHS", "OMA", "DSM", "MDW"], [4, 3, 2, 1], 25, 10)
    middles = [float(each) for each in re.findall(r'<text x="([\d.]+)"', drawn)]
    assert len(middles) == 2, "a capital may take 9 pixels"
    assert all(later - earlier >= 27 for earlier, later in zip(sorted(middles), sorted(middles)[1:], strict=False))
