"""What people's answers say of all predictions, beside what the source's labels say."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.jobs.reviewed import asked, copied, lived, say, select, truth, without_labels
from tests.unit.jobs.world import World

from perennial.jobs.evaluate import collect_labels, measure, measure_by_people
from perennial.jobs.upkeep import aged
from perennial.ledger.entries import ReviewMeasurement
from perennial.performance.agreement import Judged, agreement
from perennial.spec.names import Task
from perennial.spec.retirement import Retention

DAYS = (30, 31, 32)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = lived(tmp_path_factory.mktemp("lived"))
    select(world, *DAYS)
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path)


def measured(world: World, run_id: str = "test") -> ReviewMeasurement:
    found = measure_by_people.run(world.use_case, world.day(34).start, world.ports, run_id)
    assert found is not None
    return found


def answer_all(world: World, *days: int, share: float = 1.0) -> None:
    for day in days:
        questions = asked(world, day)
        for each in questions[: round(len(questions) * share)]:
            say(world, each, truth(world, each))


def test_without_a_question_nothing_is_measured(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "description: none")
    assert measure_by_people.run(world.use_case, world.day(33).start, world.ports, "test") is None
    assert world.ports.ledger.last_review_measurement("parcels") is None


def test_answers_measure_all_rows(world: World) -> None:
    answer_all(world, *DAYS)
    found = measured(world)
    questions = sum(len(asked(world, day)) for day in DAYS)
    assert (found.windows, found.left_out, found.rows) == (3, 0, 3 * 180)
    assert (found.questions, found.answered, found.outcomes) == (questions, questions, 0)
    assert 20 < found.effective_rows < questions
    assert found.agreement["answered"] == questions
    assert 0.5 < found.agreement["with_model"]["value"] < 1


def test_too_few_answers_have_no_estimate_and_many_have(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "review: {random_share: 1, limit: 1000}")
    world.ports.ledger._by_kind[type(world.ports.ledger.last_selections("parcels", 1)[0])].clear()  # type: ignore[attr-defined]
    select(world, *DAYS)
    answer_all(world, 30)
    few = measured(world)
    assert (few.windows, few.left_out, few.effective_rows) == (1, 2, pytest.approx(180))
    answer_all(world, 31, 32)
    window = world.day(34)
    for job in (collect_labels, measure):
        job.run(world.use_case, window.end, world.ports, "evaluate")
    found = world.ports.ledger.last_review_measurement("parcels")
    assert found is not None
    assert found.run_id == "evaluate"  # measuring by labels measures by people, too
    ordinary, by_people = found.ordinary["roc_auc"], found.metrics["roc_auc"]
    assert ordinary["windows"] == 3
    assert by_people["value"] == pytest.approx(ordinary["value"], abs=0.02)  # every row was asked about
    assert by_people["standard_error"] == pytest.approx(ordinary["standard_error"], rel=0.1)


def test_i6_answers_that_had_not_been_given_do_not_count(world: World) -> None:
    answer_all(world, 30)
    question = asked(world, 31)[0]
    say(world, question, 1, world.day(34).start + timedelta(seconds=1))
    assert measured(world).answered == len(asked(world, 30))


def test_a_window_that_nobody_answered_yet_is_left_out_and_counted(world: World) -> None:
    answer_all(world, 30, 31)
    found = measured(world)
    assert (found.windows, found.left_out) == (2, 1)
    assert found.rows == 2 * 180


def test_a_window_whose_predictions_went_by_age_is_left_out_and_counted(world: World) -> None:
    answer_all(world, *DAYS)
    spec, age = world.use_case.spec, timedelta(days=3)
    kept = spec.model_copy(update={"retention": Retention(predictions=age)})
    world.use_case = replace(world.use_case, spec=kept)
    aged.run(world.use_case, world.day(31).start + age, world.ports, "night", actor="maintenance")
    found = measured(world)
    assert (found.windows, found.left_out) == (2, 1)


def test_the_answered_half_stands_for_the_other_and_outcomes_that_came_for_themselves(world: World) -> None:
    answer_all(world, 30, share=0.6)
    by_half = measured(world)
    whole = sum(1 / each.probability for each in asked(world, 30))
    assert by_half.answered < len(asked(world, 30))
    for day in (31, 32):
        without_labels(world, day)
    collect_labels.run(world.use_case, world.day(34).start, world.ports, "test")
    found = measured(world, "again")
    assert found.outcomes == len(asked(world, 30))  # the source knows them all now
    assert found.windows == 1
    assert whole == pytest.approx(180, rel=0.35)


def test_rows_of_which_no_outcome_will_come_are_no_part_of_it(world: World) -> None:
    answer_all(world, 30)
    gone = int(asked(world, 30)[0].entity)
    late = world.outcomes.table.column("late").to_pylist()
    late[gone] = None
    at = world.outcomes.table.column_names.index("late")
    world.outcomes.table = world.outcomes.table.set_column(at, "late", [late])
    collect_labels.run(world.use_case, world.day(34).start, world.ports, "test")
    found = measured(world)
    others = [each for day in DAYS for each in asked(world, day) if each.entity != str(gone)]
    assert (found.rows, found.questions, found.outcomes) == (3 * 180 - 1, len(others), len(others))
    assert found.answered == len(asked(world, 30)) - 1


def test_answers_and_outcomes_that_contradict_are_counted(world: World) -> None:
    first, *others = asked(world, 30)
    say(world, first, not truth(world, first))
    for each in others:
        say(world, each, truth(world, each))
    collect_labels.run(world.use_case, world.day(34).start, world.ports, "test")
    told = measured(world).agreement
    assert (told["outcomes"], told["right"]) == (len(others) + 1, len(others))


def test_agreement_counts_people_against_the_model_each_other_and_the_outcome() -> None:
    rows = [
        Judged((1.0,), 0.7, 1, None),
        Judged((1.0, 0.0), 0.7, 1, 0.0),
        Judged((0.0, 0.0), 0.2, 8, 1.0),
    ]
    found = agreement(Task.BINARY_CLASSIFICATION, rows)
    assert (found.answered, found.same, found.twice, found.alike) == (3, 2, 2, 1)
    assert (found.outcomes, found.right) == (2, 1)
    assert found.with_model is not None
    assert found.with_model.value == pytest.approx(0.9)
    numbers = agreement(Task.REGRESSION, [Judged((3.0,), 1.0, 3, None), Judged((3.0,), 3.0, 1, 3.0)])
    assert (numbers.difference, numbers.with_model, numbers.right) == (1.5, None, 0)
    assert agreement(Task.BINARY_CLASSIFICATION, []).with_model is None
