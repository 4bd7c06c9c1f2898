"""`perennial validation`: what every check of a window said."""

import json
from dataclasses import replace

import pytest
from tests.unit.cli.conftest import Call
from tests.unit.jobs.world import ROWS, World

from perennial.errors import NotIngested, NotValidated, ValidationFailed
from perennial.jobs.predict import ingest, validate
from perennial.jobs.upkeep import quarantine as upkeep
from perennial.jobs.upkeep import replay
from perennial.records.gate import gated
from perennial.review import validation
from perennial.spec.load import load_use_case
from perennial.verdict import Verdict


def spoil(world: World, day: int, rows: int) -> list[int]:
    """Give the first rows of a day a weight that is not possible; their keys."""
    first = world.rows_of(day)[:rows]
    world.put("weight", dict.fromkeys(first, -100.0))
    return first


def checked(world: World, day: int) -> validation.ValidationReport:
    ingest.run(world.use_case, world.day(day), world.ports, "test")
    validate.run(world.use_case, world.day(day), world.ports, "test")
    return validation.run(world.use_case, world.day(day), world.ports)


def test_rows_set_aside_are_named_by_rule_with_their_first_keys(world: World) -> None:
    keys = spoil(world, 3, 7)
    found = checked(world, 3)
    assert (found.verdict, found.rows, found.rows_quarantined, found.outdated) == (Verdict.WARN, ROWS, 7, None)
    rule = next(each for each in found.rules if each.rows)
    assert rule.rule == "expect_column_values_to_be_between(weight)"
    assert (rule.rows, list(rule.keys)) == (7, [str(key) for key in keys[:5]])
    assert [gate.name for gate in found.gates] == ["schema", "row_count", "columns_present", "circuit_breaker"]


def test_each_expectation_says_what_was_expected_and_what_was_found(world: World) -> None:
    (mean,) = checked(world, 3).expectations
    assert (mean.type, mean.columns, mean.met) == ("expect_column_mean_to_be_between", ("weight",), True)
    assert mean.expected == {"max_value": 100}
    assert 8 < mean.observed < 12
    assert mean.share_failing is None


def test_a_failed_window_can_be_looked_at_and_its_message_says_how(world: World, perennial: Call) -> None:
    world.change(3, "weight", 500.0)
    ingest.run(world.use_case, world.day(3), world.ports, "test")
    with pytest.raises(
        ValidationFailed, match=r"`perennial validation parcels --window 2024-01-04T00:00Z` shows every"
    ):
        validate.run(world.use_case, world.day(3), world.ports, "test")
    code, out, _ = perennial("validation", "parcels", "--window", "2024-01-04T00:00Z")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "parcels 2024-01-04T00:00Z: fail"
    cells = next(line.split("\t") for line in lines if line.startswith("The mean of weight must be at most 100\t"))
    assert cells[1:] == ["critical", "no", "500", "", ""]


def test_json_has_all_of_it(world: World, perennial: Call) -> None:
    spoil(world, 3, 2)
    checked(world, 3)
    found = json.loads(perennial("validation", "parcels", "--window", "2024-01-04", "--json")[1])
    assert found["verdict"] == "warn"
    assert [each["rows"] for each in found["rules"] if each["rows"]] == [2]
    assert found["expectations"][0]["observed"] == pytest.approx(10, abs=1)


def test_a_verdict_on_older_rows_says_so(world: World) -> None:
    checked(world, 3)
    world.change(3, "service", "road")
    ingest.run(world.use_case, world.day(3), world.ports, "test")
    found = validation.run(world.use_case, world.day(3), world.ports)
    assert found.outdated is not None
    assert "ingested again since. Run `perennial validate parcels" in found.outdated


def test_rows_that_were_put_back_have_their_verdict_of_before(world: World) -> None:
    first, before = checked(world, 3), world.parcels.table
    spoil(world, 3, 7)
    assert checked(world, 3).rows_quarantined == 7
    world.parcels.table = before
    assert checked(world, 3) == first
    found = replay.run(world.use_case, world.day(3), world.ports, "again")
    assert (found.quarantined_before, found.quarantined_after) == (0, 0)


def test_rules_that_were_put_back_have_their_verdict_of_before(world: World) -> None:
    first, rules = checked(world, 3), world.use_case
    world.use_case = replace(rules, expectations=rules.expectations[:1])
    assert checked(world, 3).outdated is None
    world.use_case = rules
    assert checked(world, 3) == first


def test_a_verdict_under_other_rules_says_so(world: World) -> None:
    checked(world, 3)
    now = replace(world.use_case, expectations=world.use_case.expectations[:1])
    found = validation.run(now, world.day(3), world.ports)
    assert found.outdated is not None
    assert "rules have changed" in found.outdated


def test_rows_that_were_accepted_since_are_told_with_who_did_it_until_a_replay(world: World) -> None:
    spoil(world, 3, 7)
    assert checked(world, 3).outdated is None
    (rule,) = (each for each in validation.run(world.use_case, world.day(3), world.ports).rules if each.rows)
    assert rule.sentence == "weight must be at least -50"
    upkeep.accept(
        world.use_case, world.day(3), rule.rule, world.ports, "by hand", actor="ada", reason="scales were new"
    )
    found = validation.run(world.use_case, world.day(3), world.ports)
    assert found.outdated == (
        "7 rows that expect_column_values_to_be_between(weight) caught were accepted by ada since this verdict. "
        "Replay the window to score them: `perennial quarantine replay parcels --window 2024-01-04T00:00Z`."
    )
    with pytest.raises(NotValidated, match="checks, and with the rows that people accepted in it"):
        gated(world.use_case, world.day(3), world.ports)
    validate.run(world.use_case, world.day(3), world.ports, "test")
    assert gated(world.use_case, world.day(3), world.ports).validation.rows_quarantined == 0
    again = validation.run(world.use_case, world.day(3), world.ports)
    assert (again.outdated, again.rows_quarantined) == (None, 0)
    changed = replace(world.use_case, expectations=world.use_case.expectations[:1])
    outdated = validation.run(changed, world.day(3), world.ports).outdated
    assert outdated is not None
    assert "rules have changed" in outdated


def test_unexpected_values_are_told_with_their_counts(world: World, perennial: Call) -> None:
    (world.use_case.folder / "expectations.yaml").write_text(
        "expectations:\n  - type: expect_column_values_to_be_in_set\n"
        "    kwargs: {column: service, value_set: [road]}\n    severity: warning\n"
    )
    loaded = load_use_case(world.use_case.folder)
    services = world.parcels.table.column("service").to_pylist()
    rows = world.rows_of(3)
    for position in rows:
        services[position] = "road"
    for position in rows[:7]:
        services[position] = "sea" if position in rows[:5] else "moon"
    table = world.parcels.table
    world.parcels.table = table.set_column(table.column_names.index("service"), "service", [services])
    ingest.run(loaded, world.day(3), world.ports, "test")
    validate.run(loaded, world.day(3), world.ports, "test")
    (found,) = validation.run(loaded, world.day(3), world.ports).expectations
    assert [(each.value, each.count) for each in found.values] == [("sea", 5), ("moon", 2)]
    assert (found.values_counted, found.values_different) == (7, 2)
    out = perennial("validation", "parcels", "--window", "2024-01-04")[1]
    assert "service must be one of road\twarning\tno\t7 of 180 values\t3.889%\tsea 5×, moon 2×" in out  # noqa: RUF001


def test_a_verdict_of_before_values_were_counted_is_read() -> None:
    outcome = {"type": "expect_column_values_to_be_unique", "kwargs": {"column": "x"}, "severity": "critical"}
    facts = {"met": False, "checked": 2, "missing": 0, "unexpected": 2, "observed": None, "samples": [7], "error": None}
    found = validation._expected(outcome | facts)
    assert (found.sentence, found.values, found.samples) == ("x must be different in every row", (), (7,))


def test_nothing_to_show_names_the_step_that_is_missing(world: World) -> None:
    with pytest.raises(NotIngested, match="perennial run parcels --window 2024-01-04T00:00Z"):
        validation.run(world.use_case, world.day(3), world.ports)
    ingest.run(world.use_case, world.day(3), world.ports, "test")
    with pytest.raises(NotValidated, match="perennial validate parcels"):
        validation.run(world.use_case, world.day(3), world.ports)


def test_the_share_that_fails_is_of_the_values_that_are_there() -> None:
    outcome = {
        "type": "expect_column_values_to_not_be_in_set",
        "kwargs": {"column": "service", "value_set": ["air"], "mostly": 0.9},
        "severity": "warning",
        "met": False,
        "checked": 110,
        "missing": 10,
        "unexpected": 25,
        "observed": None,
        "samples": ["air"],
        "error": None,
    }
    found = validation._expected(outcome)
    assert found.share_failing == 0.25
    assert found.expected == {"value_set": ["air"], "mostly": 0.9}
