"""People are asked about some rows of each window, and their answers become labels."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.unit.jobs.reviewed import asked, copied, lived, say, select, truth, without_labels
from tests.unit.jobs.test_predict_path import predict
from tests.unit.jobs.world import World

from perennial.errors import NotAsked, NotScored
from perennial.jobs.predict import chain, select_for_review
from perennial.jobs.retrain import assemble
from perennial.modeling.holdout import split
from perennial.performance.labels import LABELLED_BY
from perennial.records.human_labels import answers_of
from perennial.records.model_choice import ModelChoice
from perennial.records.training_set import read_manifest, read_rows
from perennial.spec.names import Task

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    return lived(tmp_path_factory.mktemp("lived"))


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path)


def test_doubtful_rows_and_a_random_share_are_asked_about_with_their_probabilities(world: World) -> None:
    select(world, 30)
    found = select_for_review.run(world.use_case, world.day(30), world.ports, "again")
    questions = asked(world, 30)
    assert (found.rows, found.questions, found.changed) == (180, len(questions), False)
    assert 0 < found.doubtful < 180
    assert {each.doubtful for each in questions} == {True, False}
    for each in questions:
        assert each.doubtful == (0.4 <= each.prediction <= 0.6)
        assert 0.1 <= each.probability <= 1
    rest = {each.probability for each in questions if not each.doubtful}
    assert rest == {0.1}


def test_a_run_that_was_killed_and_is_repeated_asks_about_the_same_rows(
    world: World, template: World, tmp_path: Path
) -> None:
    select(world, 30)
    again = copied(template, tmp_path / "again")
    select(again, 30)
    assert asked(again, 30) == asked(world, 30)


def test_another_revision_changes_no_question_and_asks_about_new_rows_alone(world: World) -> None:
    hidden = world.rows_of(31)[:60]
    whole = world.parcels.table
    world.parcels.table = whole.filter([row not in set(hidden) for row in whole.column("parcel").to_pylist()])
    select(world, 31)
    first = asked(world, 31)
    world.parcels.table = whole
    world.change(31, "weight", 10.0)  # every prediction is another one
    predict(world, 31)
    found = select_for_review.run(world.use_case, world.day(31), world.ports, "test")
    assert (found.revision, found.rows, found.changed) == (2, 60, True)
    questions = asked(world, 31)
    assert questions[: len(first)] == first
    new = {each.entity for each in questions[len(first) :]}
    assert new
    assert new <= {str(each) for each in hidden}


def test_without_the_key_nobody_is_asked(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "description: none")
    assert select_for_review.run(world.use_case, world.day(30), world.ports, "test").questions == 0
    assert world.ports.ledger.last_selections("parcels", 9) == []


def test_a_window_that_was_not_scored_has_no_questions(world: World) -> None:
    with pytest.raises(NotScored):
        select_for_review.run(world.use_case, world.day(31), world.ports, "test")


def test_predicting_in_one_go_selects_too(world: World) -> None:
    chain.run(world.use_case, [world.day(31)], world.ports, "test", model=ModelChoice(), on_step=lambda *_: None)
    assert asked(world, 31)


def test_an_answer_is_on_record_with_what_it_was_chosen_by(world: World) -> None:
    select(world, 30)
    question = asked(world, 30)[0]
    said = say(world, question, 1)
    assert (said.author, said.value, said.answered_at) == ("ada", 1.0, world.day(30).end + HOUR)
    assert (said.probability, said.revision) == (question.probability, 1)
    batch = world.ports.ledger.latest_batch("parcels", world.day(30))
    assert batch is not None
    assert said.model_digest == batch.model_digest
    assert say(world, question, 1) == said


@pytest.mark.parametrize("value", [2, 0.5, float("nan")])
def test_what_is_no_outcome_is_refused(world: World, value: float) -> None:
    select(world, 30)
    with pytest.raises(NotAsked, match="no outcome"):
        say(world, asked(world, 30)[0], value)
    assert world.ports.ledger.human_labels_between("parcels", world.day(30).start, world.day(30).end) == []


@pytest.mark.parametrize("value", [1e39, -1e39, float("inf"), float("nan")])
def test_a_value_that_no_model_can_be_judged_by_is_refused(world: World, value: float) -> None:
    select(world, 30)
    spec = world.use_case.spec.model_copy(update={"task": Task.REGRESSION})
    world.use_case = replace(world.use_case, spec=spec)
    with pytest.raises(NotAsked, match=r"no outcome of parcels: answer with a number up to 3.4e\+38"):
        say(world, asked(world, 30)[0], value)
    assert say(world, asked(world, 30)[0], 12.5).value == 12.5


def test_an_answer_about_a_row_that_nobody_was_asked_about_is_refused(world: World) -> None:
    select(world, 30)
    entities = {each.entity for each in asked(world, 30)}
    other = next(str(row) for row in world.rows_of(30) if str(row) not in entities)
    question = asked(world, 30)[0]
    with pytest.raises(NotAsked, match="Nobody is asked about parcel"):
        say(world, type(question)(**{**vars(question), "entity": other}), 1)


def test_the_last_answer_counts_and_a_withdrawn_one_gives_way(world: World) -> None:
    select(world, 30)
    question, end = asked(world, 30)[0], world.day(30).end
    say(world, question, 1, end + HOUR)
    say(world, question, 0, end + 2 * HOUR, author="bob")

    def counts() -> list[tuple[str, float | None]]:
        entries = world.ports.ledger.human_labels_between("parcels", question.window.start, end)
        return [(each.author, each.value) for said in answers_of(entries).values() for each in said]

    assert counts() == [("ada", 1.0), ("bob", 0.0)]
    say(world, question, 0, end + 3 * HOUR)  # ada thought again: now hers is the last one
    assert counts() == [("bob", 0.0), ("ada", 0.0)]
    say(world, question, None, end + 4 * HOUR)
    assert counts() == [("bob", 0.0)]
    say(world, question, None, end + 5 * HOUR, author="bob")
    assert counts() == []


def trained(world: World, day: int) -> tuple[assemble.Assembled, dict[int, tuple[bool, str]]]:
    made = assemble.run(world.use_case, world.day(day).start, world.ports, "test")
    rows = read_rows(read_manifest(made.training_id, world.ports), world.ports)
    names = (rows.column(name).to_pylist() for name in ("parcel", "late", LABELLED_BY))
    return made, {parcel: (late, by) for parcel, late, by in zip(*names, strict=True)}


def test_the_next_training_learns_from_answers_of_rows_without_an_outcome(world: World) -> None:
    select(world, 30)
    without_labels(world, 30)
    questions = asked(world, 30)
    for each in questions[:9]:
        say(world, each, 1)
    made, rows = trained(world, 33)
    assert made.by_people == 9
    assert {rows[int(each.entity)][0] for each in questions[:9]} == {True}
    assert {each.entity for each in questions[:9]} == {str(key) for key, (_, by) in rows.items() if by != "source"}
    manifest = read_manifest(made.training_id, world.ports)
    assert {each.window: each.by_people for each in manifest.windows if each.by_people} == {world.day(30): 9}
    assert manifest.summary()["by_people"] == 9


def test_i6_an_answer_that_had_not_been_given_takes_no_part(world: World) -> None:
    select(world, 30)
    without_labels(world, 30)
    early, late = asked(world, 30)[:2]
    say(world, early, 1, world.day(33).start)
    say(world, late, 1, world.day(33).start + timedelta(microseconds=1))
    made, rows = trained(world, 33)
    assert made.by_people == 1
    assert int(early.entity) in rows
    assert int(late.entity) not in rows


def test_the_outcome_of_the_source_stands_against_what_people_said(world: World) -> None:
    select(world, 30)
    question = asked(world, 30)[0]
    say(world, question, not truth(world, question))
    made, rows = trained(world, 33)
    assert made.by_people == 0
    assert rows[int(question.entity)] == (truth(world, question), "source")


def test_rows_that_were_doubtful_judge_no_model(world: World) -> None:
    select(world, 30)
    without_labels(world, 30)
    for each in asked(world, 30):
        say(world, each, int(each.entity) % 2)
    made, _ = trained(world, 33)
    manifest = read_manifest(made.training_id, world.ports)
    training, holdout = split(world.use_case.spec, read_rows(manifest, world.ports), manifest.until)
    by_uniform = {each.entity for each in asked(world, 30) if each.uniform}
    judged = {
        str(parcel)
        for parcel, by in zip(*(holdout.column(name).to_pylist() for name in ("parcel", LABELLED_BY)), strict=True)
        if by != "source"
    }
    assert judged == by_uniform
    assert 0 < len(by_uniform) < len(asked(world, 30))
    assert training.num_rows


def test_of_a_window_whose_labels_are_overdue_peoples_answers_are_used_alone(world: World) -> None:
    select(world, 30)
    rows = set(world.rows_of(30)[40:])
    keep = [parcel not in rows for parcel in world.outcomes.table.column("parcel").to_pylist()]
    world.outcomes.table = world.outcomes.table.filter(keep)  # 40 of 180 came: far fewer than usual
    unknown = [each for each in asked(world, 30) if int(each.entity) in rows]
    say(world, unknown[0], 1)
    made, found = trained(world, 33)
    assert set(found) & set(world.rows_of(30)) == {int(unknown[0].entity)}
    assert made.excluded == 0


def test_where_no_label_ever_comes_answers_are_enough(template: World, tmp_path: Path) -> None:
    world = copied(template, tmp_path, "review: {random_share: 1, limit: 1000}")
    world.outcomes.table = world.outcomes.table.slice(0, 0)
    lake = world.ports.lake
    for partition in lake.partitions("labels/parcels"):
        lake.replace("labels/parcels", partition, lake.read("labels/parcels", partition).slice(0, 0))
    select(world, 30, 31, 32)
    for day in (30, 31, 32):
        for each in asked(world, day):
            say(world, each, int(each.entity) % 2)
    made, rows = trained(world, 35)
    assert made.by_people == made.rows == 3 * 180
    assert {by for _, by in rows.values()} == {"person"}
