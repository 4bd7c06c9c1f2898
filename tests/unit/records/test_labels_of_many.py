"""Labels of many windows, collected and joined at once, come to what each window's come to alone."""

import logging
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.jobs.world import START, World, make_world, new_world

from perennial.digest import canonical
from perennial.errors import EmptyWindow, SchemaMismatch
from perennial.jobs.retrain.assembling import labelled_windows
from perennial.jobs.retrain.assembling.joined import joined_together
from perennial.lake.port import labels_table, window_partition
from perennial.performance.labels import join_labels
from perennial.ports import Ports
from perennial.records import labels_of_many
from perennial.records.labels import collect, settled_labels
from perennial.records.labels_of_many import collect_many, settled_of_many
from perennial.records.leases import free_labels
from perennial.spec.load import LoadedUseCase
from perennial.window import Window

DAYS = 3
AS_OF = START + timedelta(days=DAYS, hours=12)


@pytest.fixture
def use_case(tmp_path: Path) -> LoadedUseCase:
    return make_world(tmp_path).use_case


LABEL = st.fixed_dictionaries(
    {
        "parcel": st.sampled_from([None, 1, 2, 181, 182, 361]),
        "day": st.sampled_from(range(DAYS)),
        "late": st.sampled_from([None, True, False]),
        "hours": st.sampled_from([None, 0, 1, 24, 90]),
    }
)


def labels_with(rows: list[dict[str, Any]], late: pa.DataType) -> pa.Table:
    """Labels that arrive so many hours after the third day began."""
    stamps = pa.timestamp("us", "UTC")
    arrived = [None if row["hours"] is None else START + timedelta(days=2, hours=row["hours"]) for row in rows]
    return pa.table(
        {
            "parcel": pa.array([row["parcel"] for row in rows], pa.int64()),
            "sent_at": pa.array([START + timedelta(days=row["day"]) for row in rows], stamps),
            "late": pa.array([row["late"] for row in rows], pa.bool_()).cast(late),
            "delivered_at": pa.array(arrived, stamps),
        }
    )


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return said


def stored(world: World) -> list[pa.Table]:
    table = labels_table(world.use_case.name)
    return [world.ports.lake.read(table, window_partition(world.day(number))) for number in range(DAYS)]


@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    batches=st.lists(st.lists(LABEL, max_size=8), min_size=1, max_size=2),
    late=st.sampled_from([pa.bool_(), pa.float64(), pa.int64()]),
    odd=st.booleans(),
)
def test_labels_come_to_what_they_come_to_alone(
    use_case: LoadedUseCase,
    caplog: pytest.LogCaptureFixture,
    batches: list[list[dict[str, Any]]],
    late: pa.DataType,
    odd: bool,
) -> None:
    together, alone = new_world(use_case), new_world(use_case)
    days = [together.day(number) for number in range(DAYS)]
    for batch in batches:  # the second finds what the first has collected
        delivered = labels_with(batch, late)
        if odd and pa.types.is_floating(late) and len(batch):  # an outcome that is neither true nor false, of one day
            delivered = delivered.set_column(
                2, "late", pa.array([0.5, *delivered.column("late").to_pylist()[1:]], late)
            )
        together.outcomes.table = alone.outcomes.table = delivered
        caplog.clear()
        found = collect_many(use_case, days, AS_OF, together.ports, "test")
        said, refused, new = told(caplog), {}, {}
        for day in days:
            try:
                new[day] = collect(use_case, day, AS_OF, alone.ports, "test").new
            except SchemaMismatch as error:
                refused[day] = str(error)
        assert (found.new, found.refused) == (new, refused)
        assert said == told(caplog)
        for mine, theirs in zip(stored(together), stored(alone), strict=True):
            assert mine.equals(theirs)
        for day, labels in settled_of_many(use_case.spec, found.known, AS_OF).items():
            other = settled_labels(use_case, day, AS_OF, alone.ports)
            assert labels.select(other.column_names).equals(other)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(LABEL, max_size=12), shared=st.booleans())
def test_rows_are_joined_as_they_are_alone(use_case: LoadedUseCase, labels: list[dict[str, Any]], shared: bool) -> None:
    world = new_world(use_case)
    spec, days = use_case.spec, [world.day(number) for number in range(DAYS)]
    world.outcomes.table = labels_with(labels, pa.bool_())
    rows = {
        day: canonical(
            world.parcels.table.take(pa.array([180 * (0 if shared else number) + each for each in range(3)]))
        )
        for number, day in enumerate(days)
    }
    known = collect_many(use_case, days, AS_OF, world.ports, "test").known
    settled = settled_of_many(use_case.spec, known, AS_OF)
    for day, joined in joined_together(spec, rows, settled).items():
        alone = labelled_windows._joined(use_case, day, rows[day], settled[day], AS_OF, world.ports, people=True)
        assert joined.labelled.equals(alone.labelled)
        assert (joined.settled, joined.without_outcome) == (
            join_labels(rows[day], settled[day], spec.key).num_rows,
            alone.without_outcome,
        )


def test_ordinary_windows_are_done_at_once(use_case: LoadedUseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("conform_labels", "in_memory", "settled", "tell_contradictions"):
        monkeypatch.setattr(labels_of_many, name, lambda *_: pytest.fail("one by one"))
    world = new_world(use_case)
    days = [world.day(number) for number in range(DAYS)]
    known = collect_many(use_case, days, AS_OF, world.ports, "test").known
    settled = settled_of_many(use_case.spec, known, AS_OF)
    assert all(settled[day].num_rows for day in days)
    rows = {day: world.parcels.table.slice(180 * number, 180) for number, day in enumerate(days)}
    assert list(joined_together(use_case.spec, rows, settled)) == days


def test_windows_without_any_label_are_none(use_case: LoadedUseCase, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> pa.Table:
        raise EmptyWindow("no file is there")

    monkeypatch.setattr(labels_of_many, "extracted_labels", none)
    world = new_world(use_case)
    days = [world.day(number) for number in range(DAYS)]
    settled = collect_many(use_case, days, AS_OF, world.ports, "test").known
    assert {day: labels.num_rows for day, labels in settled.items()} == dict.fromkeys(days, 0)
    assert world.ports.lake.version(labels_table(use_case.name)) is None


def test_a_window_that_was_held_and_is_refused_then_does_not_stop_the_others(
    use_case: LoadedUseCase, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = new_world(use_case)
    days = [world.day(number) for number in range(DAYS)]

    def refused(*_: object) -> None:
        raise SchemaMismatch("the source changed meanwhile")

    def all_but_the_first(name: str, windows: Collection[Window], ports: Ports, run_id: str) -> Any:
        return free_labels(name, [each for each in windows if each != days[0]], ports, run_id)

    monkeypatch.setattr(labels_of_many, "free_labels", all_but_the_first)
    monkeypatch.setattr(labels_of_many, "collect", refused)
    found = collect_many(use_case, days, AS_OF, world.ports, "test")
    assert found.refused == {days[0]: "the source changed meanwhile"}
    assert list(found.known) == list(found.new) == days[1:]
    assert all(found.new.values())
