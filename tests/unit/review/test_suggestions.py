"""Suites that past windows suggest: they load, they hold what they say of those windows, and nothing is silent."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.jobs.world import RECORDED, SPEC, START, World, make_world

from perennial.errors import NotIngested, RowsRemoved, ValidationFailed
from perennial.jobs.predict import ingest
from perennial.jobs.predict import validate as validate_job
from perennial.lake.memory import InMemoryLake
from perennial.lake.port import raw_table, window_partition
from perennial.ledger.entries import Snapshot
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.quality.schema import canonical_schema
from perennial.quality.validate import validate
from perennial.review.suggestions import suggest
from perennial.review.suggestions.as_yaml import as_yaml
from perennial.review.suggestions.suggest import Suggestions, Unused, last_windows, run
from perennial.spec.expectations import Expectation, Severity
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window

# Names that YAML readers take for something else, and values that break out of what they are written in.
COLUMNS = {"weight": "numeric", "no": "integer", "true": "categorical", "null": "categorical", "on": "boolean"}
HOSTILE = ("<script>alert(1)</script>", "a: b # c", "\n- type: x", '"', "{{ 7 * 7 }}", "no", "\u2028", "'", "1e3", "")


@pytest.fixture(scope="module")
def use_case(tmp_path_factory: pytest.TempPathFactory) -> LoadedUseCase:
    document = yaml.safe_load(SPEC)
    kept = {name: column for name, column in document["columns"].items() if name in ("parcel", "sent_at")}
    document["columns"] = kept | {name: {"kind": kind} for name, kind in COLUMNS.items()}
    folder = tmp_path_factory.mktemp("use_cases") / "parcels"
    folder.mkdir()
    (folder / "use_case.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    (folder / "expectations.yaml").write_text(
        "expectations: [{type: expect_table_row_count_to_be_between, kwargs: {min_value: 1}}]\n"
    )
    return load_use_case(folder)


def day(number: int) -> Window:
    return Window(START + timedelta(days=number), START + timedelta(days=number + 1))


def stored(world: World, use_case: LoadedUseCase, days: Sequence[dict[str, list[Any]]]) -> World:
    """The world with those columns in the lake, a day each."""
    lake, ledger = InMemoryLake(), InMemoryLedger(lambda: RECORDED)
    schema = canonical_schema(use_case.spec)
    for number, columns in enumerate(days):
        count = len(columns["weight"])
        keys = list(range(number * 1_000, number * 1_000 + count))
        cells = {"parcel": keys, "sent_at": [day(number).start] * count, **columns}
        rows = pa.table({name: pa.array(cells[name], schema.field(name).type) for name in schema.names})
        commit = lake.replace(raw_table("parcels"), window_partition(day(number)), rows)
        ledger.record_snapshot(
            Snapshot("parcels", day(number), commit.table, commit.version, commit.digest, commit.rows, {}, "", "test")
        )
    return replace(world, use_case=use_case, ports=replace(world.ports, lake=lake, ledger=ledger))


@st.composite
def some_days(draw: st.DrawFn) -> list[dict[str, list[Any]]]:
    """Days that have something in common, with surprises."""
    code = st.from_regex(r"[A-Z]{2}[0-9]{2}", fullmatch=True)
    usual = {
        "weight": st.floats(-50, 50) | st.just(7.0),
        "no": st.integers(0, 30) | st.integers(-(2**62), 2**62),
        "true": st.sampled_from(HOSTILE[:3]) | st.sampled_from(HOSTILE),
        "null": code | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=3),
        "on": st.booleans(),
    }
    count = draw(st.sampled_from([1, 3, 9, 12]))
    days = []
    for _ in range(count):
        rows = draw(st.integers(1, 6))
        gaps = {name: draw(st.sampled_from([0, 0, 0.3])) for name in usual}
        days.append(
            {
                name: [None if gaps[name] and draw(st.floats(0, 1)) < gaps[name] else draw(cells) for _ in range(rows)]
                for name, cells in usual.items()
            }
        )
    return days


def loaded_with(use_case: LoadedUseCase, text: str, folder: Path) -> tuple[Expectation, ...]:
    """The expectations of the use case once the text is its suite."""
    home = folder / "parcels"
    home.mkdir(exist_ok=True)
    (home / "use_case.yaml").write_text((use_case.folder / "use_case.yaml").read_text())
    (home / "expectations.yaml").write_text(text, "utf-8")
    return load_use_case(home).expectations


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(days=some_days())
def test_any_suite_loads_and_production_says_of_each_window_what_was_told(
    days: list[dict[str, list[Any]]], use_case: LoadedUseCase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    world = stored(make_world(folder), use_case, days)
    found = run(use_case, [day(number) for number in range(len(days))], world.ports)
    pasted = loaded_with(use_case, as_yaml(replace_already(found), use_case.spec.grid), tmp_path_factory.mktemp("p"))
    told = [(each.type, each.kwargs, each.severity) for each in found.suggestions]
    assert [(each.type, each.kwargs, each.severity) for each in pasted] == told
    failed = [0] * len(pasted)
    for window in found.windows:
        rows = world.ports.lake.read(raw_table("parcels"), window_partition(window))
        result = validate(replace(use_case, expectations=pasted), rows, window).result
        for position, outcome in enumerate(result["expectations"]):
            assert outcome["error"] is None
            failed[position] += not outcome["met"]
            if not outcome["met"]:
                assert window in found.suggestions[position].failed_windows
    assert failed == [each.failed for each in found.suggestions]


def replace_already(found: Suggestions) -> Suggestions:
    """As if the suite had nothing, so that nothing is commented out."""
    return replace(found, suggestions=tuple(replace(each, already=None) for each in found.suggestions))


def regular(number: int) -> dict[str, list[Any]]:
    rows = 40
    return {
        "weight": [float(row + number % 3) for row in range(rows)],
        "no": [row % 9 for row in range(rows)],
        "true": [HOSTILE[row % 3] for row in range(rows)],
        "null": [f"AB{row:02}" for row in range(rows)],
        "on": [row % 2 == 0 for row in range(rows)],
    }


@pytest.fixture
def lived(tmp_path: Path, use_case: LoadedUseCase) -> World:
    """30 regular days, of which day 10 has a weight that is not possible, and day 28 a value that is new."""
    days = [regular(number) for number in range(30)]
    days[10]["weight"][0] = 9_999.0
    days[28]["true"][0] = "new"
    return stored(make_world(tmp_path), use_case, days)


def by_type(found: Suggestions, column: str | None) -> dict[str, suggest.Suggestion]:
    return {each.type: each for each in found.suggestions if each.column == column}


def test_failures_are_counted_in_all_windows_and_told_apart_by_held_out(lived: World) -> None:
    found = run(lived.use_case, last_windows(lived.use_case, lived.ports), lived.ports)
    assert (len(found.windows), found.held_out, found.rows) == (30, 7, 1_200)
    weight = by_type(found, "weight")["expect_column_values_to_be_between"]
    assert (weight.failed, weight.failed_held_out, weight.failed_windows) == (1, 0, (day(10),))
    assert weight.kwargs["max_value"] < 100
    values = by_type(found, "true")["expect_column_values_to_be_in_set"]
    assert (values.failed, values.failed_held_out, values.failed_windows) == (1, 1, (day(28),))
    assert values.kwargs["value_set"] == sorted(HOSTILE[:3])
    assert by_type(found, "null")["expect_column_values_to_match_regex"].kwargs["regex"] == "^[A-Z]{2}[0-9]{2}$"
    said = as_yaml(found, lived.use_case.spec.grid)
    assert "Would have failed in 1 of 30 windows, 1 of the 7 held out: 2024-01-29." in said
    assert "# Left alone: parcel: the key" in said


def test_what_the_suite_has_already_is_told_and_commented_out(lived: World, tmp_path: Path) -> None:
    found = run(lived.use_case, last_windows(lived.use_case, lived.ports), lived.ports)
    assert by_type(found, None)["expect_table_row_count_to_be_between"].already is not None
    said = as_yaml(found, lived.use_case.spec.grid)
    assert "  # - type: expect_table_row_count_to_be_between" in said
    assert "The suite has expect_table_row_count_to_be_between for it." in said
    pasted = loaded_with(lived.use_case, said, tmp_path / "parcels")
    assert [each.type for each in pasted] == [each.type for each in found.suggestions if each.already is None]
    every = replace(found, suggestions=tuple(each for each in found.suggestions if each.already))
    assert all(line.lstrip().startswith("#") for line in as_yaml(every, lived.use_case.spec.grid).splitlines())


def test_what_is_structure_becomes_critical_after_sixty_windows_without_a_failure(
    tmp_path: Path, use_case: LoadedUseCase
) -> None:
    days = [regular(number) for number in range(60)]
    days[59]["null"][0] = "other"
    world = stored(make_world(tmp_path), use_case, days)
    found = run(use_case, [day(number) for number in range(60)], world.ports)
    severities = {(each.column, each.type.rpartition("_")[2]): each.severity for each in found.suggestions}
    assert severities["true", "set"] is Severity.CRITICAL
    assert severities["null", "regex"] is Severity.WARNING  # it failed once
    assert severities["weight", "between"] is Severity.WARNING  # a range is no structure
    fewer = run(use_case, [day(number) for number in range(59)], world.ports)
    assert {each.severity for each in fewer.suggestions} == {Severity.WARNING}


def test_windows_that_are_not_looked_at_are_named_with_the_reason(lived: World) -> None:
    windows = [day(number) for number in range(-2, 30)]
    found = run(lived.use_case, windows, lived.ports)
    assert [(each.name, each.why) for each in found.not_looked_at] == [
        ("2023-12-30", "never ingested"),
        ("2023-12-31", "never ingested"),
    ]
    assert len(found.windows) == 30


def test_a_window_that_no_longer_fits_the_columns_is_named(lived: World) -> None:
    rows = lived.ports.lake.read(raw_table("parcels"), window_partition(day(3)))
    commit = lived.ports.lake.replace(raw_table("parcels"), window_partition(day(3)), rows.drop_columns(["weight"]))
    lived.ports.ledger.record_snapshot(
        Snapshot("parcels", day(3), commit.table, commit.version, commit.digest, commit.rows, {}, "", "again")
    )
    found = run(lived.use_case, [day(number) for number in range(30)], lived.ports)
    (left_out,) = found.not_looked_at
    assert left_out.name == "2024-01-04"
    assert "column weight is missing" in left_out.why


def test_rows_that_row_rules_set_aside_are_not_looked_at(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    world.change(3, "weight", -60.0)  # below what the suite sets aside, and more rows than the circuit breaker lets
    for number in range(9):
        ingest.run(world.use_case, world.day(number), world.ports, "test")
    found = run(world.use_case, [world.day(number) for number in range(9)], world.ports)
    assert [each.name for each in found.not_looked_at] == ["2024-01-04"]
    assert "set aside" in found.not_looked_at[0].why
    weight = next(each for each in found.suggestions if each.column == "weight" and "between" in each.type)
    assert weight.kwargs["min_value"] > -50
    assert weight.already == "expect_column_values_to_be_between"


def test_caps_on_windows_and_rows_are_said_when_they_bite(lived: World, monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [day(number) for number in range(30)]
    found = run(lived.use_case, windows, lived.ports, most_rows=400)
    assert found.windows == tuple(windows[-10:])
    assert "Only the last 10 windows of 30" in found.limits[0]
    assert "400 is the limit" in found.limits[0]
    assert len(run(lived.use_case, windows, lived.ports, most_rows=1).windows) == 1
    monkeypatch.setattr(suggest, "MOST_WINDOWS", 12)
    assert "Only the last 12 of 30 windows" in run(lived.use_case, windows, lived.ports).limits[0]
    assert run(lived.use_case, windows[:12], lived.ports).limits == ()


def validated(world: World, numbers: Iterable[int], use_case: LoadedUseCase | None = None) -> None:
    for number in numbers:
        with suppress(ValidationFailed):
            validate_job.run(use_case or world.use_case, day(number), world.ports, "test")


def without_rows(world: World) -> World:
    """The world after retention took the rows of every window."""
    lake = InMemoryLake()
    removed = RowsRemoved("they are gone")

    def read(*_: Any, **__: Any) -> Any:
        raise removed

    lake.read = read  # type: ignore[method-assign]
    return replace(world, ports=replace(world.ports, lake=lake))


def test_what_validation_kept_gives_the_same_suite_and_takes_no_row(lived: World) -> None:
    windows = [day(number) for number in range(30)]
    from_rows = run(lived.use_case, windows, lived.ports)
    validated(lived, range(30))
    kept = run(lived.use_case, windows, without_rows(lived).ports, most_rows=1)
    assert (from_rows.windows_read, kept.windows_read) == (30, 0)
    assert replace(kept, windows_read=30) == from_rows
    said = as_yaml(kept, lived.use_case.spec.grid)
    assert "Derived from what validation keeps of the windows' 1,200 rows." in said
    assert "Derived from the windows' 1,200 rows." in as_yaml(from_rows, lived.use_case.spec.grid)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(days=some_days())
@example(
    days=[
        {"weight": [7.0], "no": [number], "true": ["true"], "null": ["AB12"], "on": [True]}
        for number in [0, 0, 0, 29, *[0] * 7, 2**62 - 1]
    ]
)
def test_any_rows_give_the_same_suite_as_what_validation_kept_of_them(
    days: list[dict[str, list[Any]]], use_case: LoadedUseCase, tmp_path_factory: pytest.TempPathFactory
) -> None:
    world = stored(make_world(tmp_path_factory.mktemp("kept")), use_case, days)
    windows = [day(number) for number in range(len(days))]
    from_rows = run(use_case, windows, world.ports)
    validated(world, range(len(days)))
    kept = run(use_case, windows, world.ports)
    assert replace(kept, windows_read=len(days)) == from_rows


def test_windows_that_validation_kept_nothing_of_are_read_and_counted(lived: World) -> None:
    validated(lived, range(20))
    windows = [day(number) for number in range(30)]
    found = run(lived.use_case, windows, lived.ports)
    assert (found.windows_read, len(found.windows)) == (10, 30)
    assert "1,200 rows, for 10 of the windows from the rows themselves." in as_yaml(found, lived.use_case.spec.grid)
    few = run(lived.use_case, windows, lived.ports, most_rows=80)
    assert few.windows == (*windows[:20], *windows[28:])
    assert "Only the last 2 windows of 10 that validation kept no summary of were looked at" in few.limits[0]
    assert run(lived.use_case, windows, lived.ports, most_rows=1).windows == tuple(windows[:20])


def test_what_was_kept_under_other_row_rules_or_of_other_rows_does_not_count(lived: World) -> None:
    rule = Expectation(
        type="expect_column_values_to_be_between", kwargs={"column": "weight", "max_value": 100}, quarantine=True
    )
    validated(lived, [10], replace(lived.use_case, expectations=(rule,)))  # sets the row aside that is not possible
    (weight,) = [
        each
        for each in run(lived.use_case, [day(number) for number in range(30)], lived.ports).suggestions
        if each.column == "weight" and "between" in each.type
    ]
    assert weight.failed_windows == (day(10),)
    validated(lived, range(30))
    commit = lived.ports.lake.replace(
        raw_table("parcels"),
        window_partition(day(10)),
        lived.ports.lake.read(raw_table("parcels"), window_partition(day(11))),
    )
    lived.ports.ledger.record_snapshot(
        Snapshot("parcels", day(10), commit.table, commit.version, commit.digest, commit.rows, {}, "", "again")
    )
    again = run(lived.use_case, [day(number) for number in range(30)], lived.ports)
    assert [each.why for each in again.not_looked_at] == ["every row of it is set aside by row rules"]


def test_why_a_validated_window_is_not_looked_at_is_known_without_its_rows(lived: World, tmp_path: Path) -> None:
    rows = lived.ports.lake.read(raw_table("parcels"), window_partition(day(3)))
    commit = lived.ports.lake.replace(raw_table("parcels"), window_partition(day(3)), rows.drop_columns(["weight"]))
    lived.ports.ledger.record_snapshot(
        Snapshot("parcels", day(3), commit.table, commit.version, commit.digest, commit.rows, {}, "", "again")
    )
    validated(lived, range(30))
    found = run(lived.use_case, [day(number) for number in range(30)], without_rows(lived).ports)
    (left_out,) = found.not_looked_at
    assert "column weight is missing" in left_out.why


def test_rows_that_are_gone_are_told(lived: World) -> None:
    validated(lived, range(29))
    found = run(lived.use_case, [day(number) for number in range(30)], without_rows(lived).ports)
    assert [(each.name, each.why) for each in found.not_looked_at] == [
        ("2024-01-30", "its rows were removed by retention")
    ]


def test_no_value_of_a_private_column_is_kept(lived: World) -> None:
    validated(lived, [3])
    (verdict,) = lived.ports.ledger.validations("parcels", day(3))
    assert set(verdict.result["seen"]["columns"]) == set(COLUMNS)


def test_nothing_to_look_at_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with pytest.raises(NotIngested, match="perennial ingest parcels"):
        last_windows(world.use_case, world.ports)
    with pytest.raises(NotIngested, match="2024-01-04: never ingested"):
        run(world.use_case, [world.day(3)], world.ports)
    with pytest.raises(NotIngested, match="no window was named"):
        run(world.use_case, [], world.ports)


def test_the_last_windows_end_with_the_last_ingested_and_begin_with_the_use_case(lived: World) -> None:
    assert last_windows(lived.use_case, lived.ports) == [day(number) for number in range(30)]
    assert last_windows(lived.use_case, lived.ports, 3) == [day(27), day(28), day(29)]
    assert last_windows(lived.use_case, lived.ports, 99) == [day(number) for number in range(30)]


def test_the_key_is_in_nothing_that_is_proposed(lived: World) -> None:
    found = run(lived.use_case, last_windows(lived.use_case, lived.ports), lived.ports)
    assert all(each.column != "parcel" for each in found.suggestions)


@pytest.mark.parametrize("text", ["a\nb: 1", "a\r\n- b", "a\x85b", "a\u2028b", "a\x00b", "a\ufeffb"])
def test_what_a_window_says_of_itself_can_not_break_out_of_its_comment(lived: World, tmp_path: Path, text: str) -> None:
    found = run(lived.use_case, last_windows(lived.use_case, lived.ports), lived.ports)
    hostile = replace(replace_already(found), not_looked_at=(Unused("2024-01-01", text),), limits=(text,))
    pasted = loaded_with(lived.use_case, as_yaml(hostile, lived.use_case.spec.grid), tmp_path / "parcels")
    assert len(pasted) == len(found.suggestions)
