"""The world of the jobs with a review queue, and people who answer."""

import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tests.unit.jobs.test_predict_path import first_model, predict
from tests.unit.jobs.world import Rows, World, make_world

from perennial.jobs.predict import select_for_review
from perennial.lake.memory import InMemoryLake
from perennial.ledger.entries import HumanLabel
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.published.memory import InMemoryPublished
from perennial.records import human_labels
from perennial.records.human_labels import Question, questions_of
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.spec.sources import Source as SourceSpec

REVIEW = "review: {band: [0.4, 0.6], random_share: 0.1, limit: 40}"


def reviewed_world(folder: Path, review: str = REVIEW) -> World:
    """The world of `make_world`, with a review queue."""
    world = make_world(folder)
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(f"{spec.read_text()}\n{review}\n")
    return replace(world, use_case=load_use_case(world.use_case.folder))


def lived(folder: Path) -> World:
    """A reviewed world whose first model has scored day 30, of which people are asked. Take `copied` ones of it."""
    world = reviewed_world(folder)
    first_model(world)
    predict(world, 30)
    return world


def copied(world: World, folder: Path, review: str = REVIEW) -> World:
    """A world of a test's own: what is written there is not written in the one that it was copied from."""
    home = folder / "parcels"
    shutil.copytree(world.use_case.folder, home)
    spec = home / "use_case.yaml"
    spec.write_text(spec.read_text().replace(REVIEW, review))
    ledger, lake = world.ports.ledger, world.ports.lake
    assert isinstance(ledger, InMemoryLedger)
    assert isinstance(lake, InMemoryLake)
    sources = Rows(world.parcels.table), Rows(world.outcomes.table, arrival="delivered_at")

    def source(loaded: LoadedUseCase, wanted: SourceSpec) -> Rows:
        return sources[wanted == loaded.spec.labels.source]

    ports = replace(world.ports, ledger=ledger.copy(), lake=lake.copy(), source=source, published=InMemoryPublished())
    return World(load_use_case(home), ports, *sources)


def select(world: World, *days: int) -> None:
    """Choose whom to ask about of days that are scored, or are now."""
    for day in days:
        if world.ports.ledger.latest_batch("parcels", world.day(day)) is None:
            predict(world, day)
        select_for_review.run(world.use_case, world.day(day), world.ports, "test")


def asked(world: World, day: int) -> list[Question]:
    """The questions about a day, in their order."""
    window = world.day(day)
    return questions_of(world.ports.ledger.selections_between("parcels", window.start, window.end))


def say(
    world: World, question: Question, value: float | None, at: datetime | None = None, author: str = "ada"
) -> HumanLabel:
    """Somebody answers, an hour after the window if no other moment is given."""
    return human_labels.answer(
        world.use_case, question.window, question.entity, value, world.ports, "run",
        author=author, answered_at=at or question.window.end + timedelta(hours=1), origin="page",
    )  # fmt: skip


def truth(world: World, question: Question) -> bool:
    """What the source will say, or would."""
    found: bool = world.outcomes.table.column("late")[int(question.entity)].as_py()
    return found


def without_labels(world: World, day: int) -> None:
    """The source knows nothing of that day's outcomes."""
    rows = set(world.rows_of(day))
    keep = [parcel not in rows for parcel in world.outcomes.table.column("parcel").to_pylist()]
    world.outcomes.table = world.outcomes.table.filter(keep)
