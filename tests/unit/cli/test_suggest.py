"""`perennial suggest-expectations`: YAML that can be pasted as it stands."""

import json

from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import World

from perennial.jobs.predict import ingest, validate
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict


def ingested(world: World, days: int) -> None:
    for number in range(days):
        ingest.run(world.use_case, world.day(number), world.ports, "test")


def test_what_it_prints_is_pasted_and_loads_and_the_next_window_passes(world: World, perennial: Call) -> None:
    ingested(world, 30)
    home = world.use_case.folder
    (home / "expectations.yaml").write_text(
        "expectations:\n  - type: expect_column_mean_to_be_between\n    kwargs: {column: weight, min_value: -1000}\n"
    )
    code, out, err = perennial("suggest-expectations", "parcels")
    assert (code, err) == (0, "")
    assert "Proposed for parcels from 30 windows, 2024-01-01 to 2024-01-30." in out
    assert out.count("# Would have failed in none of 30 windows.") == out.count("- type:")
    (home / "expectations.yaml").write_text(out)
    pasted = load_use_case(home)
    assert {each.type for each in pasted.expectations} == {
        "expect_table_row_count_to_be_between",
        "expect_column_values_to_be_between",
        "expect_column_values_to_be_in_set",
        "expect_column_values_to_not_be_null",
    }
    ingest.run(pasted, world.day(30), world.ports, "test")
    assert validate.run(pasted, world.day(30), world.ports, "test").verdict is Verdict.PASS


def test_a_range_is_looked_at_and_windows_without_snapshot_are_named(world: World, perennial: Call) -> None:
    ingested(world, 3)
    code, out, _ = perennial("suggest-expectations", "parcels", "--from", "2024-01-02", "--to", "2024-01-06")
    assert code == 0
    assert "from 2 windows, 2024-01-02 to 2024-01-03" in out
    assert "# Not looked at: 2024-01-05, never ingested" in out
    assert "a wide guess" in out


def test_json_has_all_of_it(world: World, perennial: Call) -> None:
    ingested(world, 12)
    found = json.loads(perennial("suggest-expectations", "parcels", "--json")[1])
    assert (found["format"], found["held_out"], len(found["windows"])) == (1, 3, 12)
    rows = found["suggestions"][0]
    assert (rows["type"], rows["failed"], rows["severity"]) == ("expect_table_row_count_to_be_between", 0, "warning")
    assert rows["series"] == [{"name": "rows", "values": [180.0] * 12}]


def test_without_any_window_it_says_what_to_do(world: World, perennial: Call) -> None:
    code, out, err = perennial("suggest-expectations", "parcels")
    assert (code, out) == (3, "")
    assert "Run `perennial ingest parcels" in err
    code, _, err = perennial("suggest-expectations", "parcels", "--from", "2024-01-01")
    assert code == 2
    assert "--to" in err
