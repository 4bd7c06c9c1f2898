"""A world whose rows go by age: thirty days for each class, and two months of windows."""

from dataclasses import replace
from datetime import datetime, timedelta

from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import World

from perennial.jobs.evaluate import collect_labels, measure
from perennial.spec.retirement import Retention, RowClass

AGE = timedelta(days=30)
ALL = frozenset(RowClass)
FIRST, LAST = 36, 52  # days that are predicted


def with_ages(world: World, *rows: RowClass, age: timedelta = AGE) -> World:
    """The world with an age for these classes, and labels that are waited for no longer than a week."""
    spec = world.use_case.spec
    retention = Retention(**{each.value: age for each in rows})
    labels = spec.labels.model_copy(update={"give_up_after": timedelta(days=6)})
    update = {"retention": retention, "labels": labels}
    checked = type(spec).model_validate(spec.model_copy(update=update).model_dump(by_alias=True))
    return replace(world, use_case=replace(world.use_case, spec=checked))


def live(world: World) -> None:
    """Train, predict a month of windows, some of them with a row in quarantine, and measure them."""
    for day in (20, 38, 45):
        world.put("weight", {world.rows_of(day)[0]: -99.0})
    first_model(world, FIRST)
    ingest_and_validate(world, FIRST - 1)  # too young for that training
    for day in range(FIRST, LAST + 1):
        predict(world, day)
    as_of = world.day(LAST + 3).start
    collect_labels.run(world.use_case, as_of, world.ports, "evaluate")
    measure.run(world.use_case, as_of, world.ports, "evaluate")


def night(world: World, day: int) -> datetime:
    """The night in which the rows of windows that ended before that day's start are thirty days old."""
    return world.day(day).start + AGE
