"""Versions go to the archive and come back, also when whoever does it is killed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.test_registry import frame, pipeline
from tests.unit.jobs.world import World

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.encoding import bytes_digest
from perennial.errors import NoModel, UntrustedModel, VersionArchived
from perennial.jobs.retrain import rollback
from perennial.jobs.upkeep import archive, verify
from perennial.ledger.entries import (
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    Intervention,
    InterventionKind,
    Performance,
    RecordedDecision,
)
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.modeling.artifact import dump
from perennial.performance.maturity import Maturity
from perennial.policy.archive import Fate
from perennial.registry.port import MODEL_FILE, REFERENCE_FILE, ModelCandidate
from perennial.spec.retirement import Archive, Artefacts
from perennial.verdict import Verdict
from perennial.window import Window

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DUE = BEGIN + timedelta(days=400)
CONTENTS = [dump(pipeline(seed)) for seed in range(3)]
DIGESTS = [bytes_digest(content) for content in CONTENTS]


class Killed(BaseException):
    """What ends a process in the middle."""


class Times:
    """A clock that the test sets."""

    now = BEGIN

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def times() -> Times:
    return Times()


@pytest.fixture
def kept() -> InMemoryArtifacts:
    return InMemoryArtifacts()


@pytest.fixture
def shop(world: World, times: Times) -> World:
    return make_shop(world, times)


def make_shop(world: World, times: Times) -> World:
    """Three versions that followed each other, day by day; files are moved 100 days after that."""
    ports = replace(world.ports, ledger=InMemoryLedger(times))
    spec = world.use_case.spec.model_copy(
        update={"archive": Archive(after=timedelta(days=100), artefacts=Artefacts.MOVE)}
    )
    made = World(replace(world.use_case, spec=spec), ports, world.parcels, world.outcomes)
    for number in range(3):
        times.now = BEGIN + timedelta(days=number)
        _deploy(made, number)
    return made


def _deploy(world: World, number: int) -> None:
    name = world.use_case.name
    candidate = ModelCandidate(
        use_case=name, name="boosting", pipeline_bytes=CONTENTS[number], digest=DIGESTS[number], parameters={},
        metrics={}, reference={"number": number}, training={}, input_example=frame(3), as_of=BEGIN,
    )  # fmt: skip
    version = world.ports.registry.register(candidate).version
    world.ports.registry.attach(name, version, {"exports/model.onnx": b"onnx", "card/card.json": b"{}"})
    current = world.ports.ledger.current_deployment(name, DeployedRole.CHAMPION)
    world.ports.ledger.deploy(
        Deployment(
            use_case=name, role=DeployedRole.CHAMPION, model_version=version, model_digest=DIGESTS[number],
            effective_from=BEGIN + timedelta(days=number), supersedes=current.id if current else None, actor="ada",
            reason="better", training={}, metrics={}, approved_by=None, code_version="c", lock_digest="l",
            run_id=f"run {number}",
        )
    )  # fmt: skip
    world.ports.registry.set_alias(name, DeployedRole.CHAMPION, version)


def run(world: World, kept: InMemoryArtifacts, run_id: str = "nightly") -> list[archive.Archived]:
    return archive.run(world.use_case, DUE, world.ports, kept, run_id, actor="maintenance")


def restore(world: World, kept: InMemoryArtifacts, version: str = "1", run_id: str = "by hand") -> archive.Restored:
    return archive.restore(world.use_case, version, world.ports, kept, run_id, actor="ada", reason="an audit")


def entries(world: World) -> list[Intervention]:
    return list(world.ports.ledger.interventions("parcels"))


def load(world: World, version: str = "1") -> Any:
    return world.ports.registry.load("parcels", version, DIGESTS[int(version) - 1])


def test_a_plan_says_of_each_version_what_becomes_of_it_and_changes_nothing(shop: World) -> None:
    first, second, third = archive.plan(shop.use_case, DUE, shop.ports)
    assert [each.fate for each in (first, second, third)] == [Fate.ARCHIVE, Fate.KEEP, Fate.KEEP]
    assert first.moved == len(CONTENTS[0]) + len(b'{"number": 0}')
    assert first.removed == len(b"onnx")
    assert entries(shop) == []
    assert not any(each.archived for each in shop.ports.registry.versions("parcels"))


def test_a_version_that_is_due_is_moved_marked_and_on_record_once(shop: World, kept: InMemoryArtifacts) -> None:
    shop.ports.registry.set_alias("parcels", "of_the_shop", "1")
    (done,) = run(shop, kept)
    assert (done.version, done.done) == ("1", "archived")
    assert run(shop, kept, "the night after") == []
    (entry,) = entries(shop)
    assert (entry.kind, entry.subject, entry.actor) == (InterventionKind.VERSION_ARCHIVED, "1", "maintenance")
    assert kept.get(entry.details["files"][MODEL_FILE]["digest"]) == CONTENTS[0]
    assert kept.get(entry.details["files"]["card/card.json"]["digest"]) == b"{}"
    assert "exports/model.onnx" not in entry.details["files"]
    assert shop.ports.registry.alias("parcels", "of_the_shop") is None
    assert shop.ports.registry.alias("parcels", "champion") == "3"
    assert [each.archived for each in shop.ports.registry.versions("parcels")] == [True, False, False]
    assert list(shop.ports.registry.files("parcels", "1")) == ["card/card.json"]  # evidence stays readable in place
    with pytest.raises(VersionArchived, match="`perennial restore-version parcels 1"):
        load(shop)
    assert verify.run(shop.ports.ledger, ()).alterations == 0


def test_with_keep_nothing_is_moved_and_the_version_may_not_serve_until_it_is_restored(
    shop: World, kept: InMemoryArtifacts
) -> None:
    spec = shop.use_case.spec.model_copy(update={"archive": Archive(after=timedelta(days=100))})
    shop.use_case = replace(shop.use_case, spec=spec)
    before = dict(shop.ports.registry.files("parcels", "1"))
    assert archive.plan(shop.use_case, DUE, shop.ports)[0].moved == 0
    run(shop, kept)
    assert shop.ports.registry.files("parcels", "1") == before
    assert load(shop).reference == {"number": 0}  # so windows of then are still reproduced
    with pytest.raises(VersionArchived, match="archived on 2026-01-03 by maintenance: it was superseded"):
        rollback.run(shop.use_case, "1", shop.ports, "by hand", actor="ada", reason="oops")
    assert restore(shop, kept).files == ()
    assert rollback.run(shop.use_case, "1", shop.ports, "by hand", actor="ada", reason="oops").model_version == "1"


def test_without_the_key_the_time_is_the_retention(shop: World) -> None:
    spec = shop.use_case.spec.model_copy(update={"archive": Archive()})
    late = replace(shop.use_case, spec=spec)
    after = BEGIN + timedelta(days=1) + spec.retention.replaced  # version 1 was superseded on the second day
    assert archive.plan(late, after - timedelta(seconds=1), shop.ports)[0].fate is Fate.KEEP
    assert archive.plan(late, after, shop.ports)[0].fate is Fate.ARCHIVE


def test_a_version_comes_back_whole_and_is_not_archived_again_the_next_night(
    shop: World, kept: InMemoryArtifacts, times: Times
) -> None:
    run(shop, kept)
    with pytest.raises(NoModel, match=r"Version 2 of parcels is not archived.*Archived: 1\."):
        restore(shop, kept, "2")
    times.now = DUE
    assert restore(shop, kept).files == (MODEL_FILE, REFERENCE_FILE)
    assert load(shop).reference == {"number": 0}
    assert shop.ports.registry.content("parcels", "1", DIGESTS[0]) == CONTENTS[0]
    assert not any(each.archived for each in shop.ports.registry.versions("parcels"))
    assert [(each.kind, each.reason) for each in entries(shop)][1] == (InterventionKind.VERSION_RESTORED, "an audit")
    assert run(shop, kept, "the night after") == []
    assert rollback.run(shop.use_case, "1", shop.ports, "by hand", actor="ada", reason="better").model_version == "1"


def test_exports_come_back_with_the_version(shop: World, kept: InMemoryArtifacts) -> None:
    digest = shop.ports.artifacts.put(b"onnx")
    shop.ports.ledger.record_decision(
        RecordedDecision(
            use_case="parcels", kind=DecisionKind.EXPORT, subject="version 1 to onnx", as_of=BEGIN, action="exported",
            reasons=("alike",), run_id="run",
            numbers={"version": "1", "format": "onnx", "digest": digest, "path": "exports/model.onnx"},
        )
    )  # fmt: skip
    run(shop, kept)
    assert shop.ports.registry.attached("parcels", "1", "exports/model.onnx") is None
    restore(shop, kept)
    assert shop.ports.registry.attached("parcels", "1", "exports/model.onnx") == b"onnx"


def test_what_was_archived_twice_comes_back_twice(shop: World, kept: InMemoryArtifacts, times: Times) -> None:
    for turn in range(2):
        assert archive.run(
            shop.use_case, DUE + turn * timedelta(days=200), shop.ports, kept, f"night {turn}", actor="maintenance"
        )
        times.now = DUE + turn * timedelta(days=200)
        restore(shop, kept, run_id=f"hand {turn}")
        assert load(shop).version == "1"
    assert len(entries(shop)) == 4


@pytest.mark.parametrize(
    ("days_before", "labels", "said"),
    [
        (3, True, "it scored the window 2027-02-02"),
        (300, False, "it scored the window 2026-04-11, which waits for labels"),
    ],
)
def test_a_version_whose_windows_may_still_be_scored_or_measured_by_it_stays(
    shop: World, days_before: int, labels: bool, said: str
) -> None:
    start = DUE - timedelta(days=days_before)
    window = Window(start, start + timedelta(days=1))
    batch = Batch(
        use_case="parcels", window=window, revision=1, snapshot_digest="s", suite_digest="r", scoring_digest="c",
        model_version="1", model_digest=DIGESTS[0], table="predictions/parcels", version=0, digest="d", rows=9,
        resolution="as_was", fencing_token=1, code_version="c", lock_digest="l", run_id="r",
    )  # fmt: skip
    shop.ports.ledger.record_batch(batch, expected=None)
    if labels:
        shop.ports.ledger.record_performance(
            Performance(
                use_case="parcels", window=window, revision=1, model_version="1", model_digest=DIGESTS[0], as_of=DUE,
                maturity=Maturity.FINAL, rows=9, labelled=9, completeness=1.0, verdict=Verdict.PASS, metrics={},
                intervals={}, estimates={}, arrivals=(), label_drift={}, labels_version=0, run_id="r",
            )
        )  # fmt: skip
    assert archive.plan(shop.use_case, DUE, shop.ports)[0].reason == said
    assert archive.plan(shop.use_case, DUE, shop.ports)[0].fate is Fate.KEEP


def test_bytes_that_are_not_those_deployed_are_not_archived_and_hold_no_other_back(
    shop: World, kept: InMemoryArtifacts, times: Times
) -> None:
    times.now = BEGIN + timedelta(days=3)
    rollback.run(shop.use_case, "1", shop.ports, "back", actor="ada", reason="r")
    shop.ports.registry.attach("parcels", "2", {MODEL_FILE: b"others"})
    times.now = BEGIN + timedelta(days=4)
    rollback.run(shop.use_case, "3", shop.ports, "forth", actor="ada", reason="r")
    with pytest.raises(UntrustedModel, match="changed or damaged"):
        run(shop, kept)
    assert entries(shop) == []
    assert shop.ports.registry.attached("parcels", "2", MODEL_FILE) == b"others"


def test_a_champion_that_came_back_meanwhile_is_not_archived(
    shop: World, kept: InMemoryArtifacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = kept.put

    def put_while_somebody_rolls_back(content: bytes) -> str:
        monkeypatch.setattr(kept, "put", put)
        rollback.run(shop.use_case, "1", shop.ports, "by hand", actor="ada", reason="oops")
        return put(content)

    monkeypatch.setattr(kept, "put", put_while_somebody_rolls_back)
    assert run(shop, kept) == []
    assert entries(shop) == []
    assert load(shop).version == "1"


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["put", "record_intervention", "remove", "mark_archived"])
def test_an_archiving_that_was_killed_is_finished_by_the_next_one(
    shop: World, kept: InMemoryArtifacts, step: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        _kill(cut, shop, kept, step, after=after)
        with pytest.raises(Killed):
            run(shop, kept)
    if step == "put" or (step == "record_intervention" and not after):
        assert load(shop).version == "1"  # nothing was lost before the ledger had it
    run(shop, kept, "the night after")
    assert [each.kind for each in entries(shop)] == [InterventionKind.VERSION_ARCHIVED]
    assert [each.archived for each in shop.ports.registry.versions("parcels")] == [True, False, False]
    assert MODEL_FILE not in shop.ports.registry.files("parcels", "1")
    restore(shop, kept)
    assert load(shop).reference == {"number": 0}


@pytest.mark.parametrize("nightly", [False, True], ids=["again", "nightly"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["record_intervention", "attach", "mark_archived"])
def test_a_restoring_that_was_killed_is_finished_by_the_next_one_or_the_night(
    shop: World, kept: InMemoryArtifacts, times: Times, step: str, after: bool, nightly: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run(shop, kept)
    times.now = DUE
    with monkeypatch.context() as cut:
        _kill(cut, shop, kept, step, after=after)
        with pytest.raises(Killed):
            restore(shop, kept)
    recorded, finished = len(entries(shop)) == 2, step == "mark_archived" and after
    if finished:
        assert load(shop).version == "1"
    elif nightly and recorded:
        assert [each.done for each in run(shop, kept, "the night after")] == ["restoring finished"]
    else:
        restore(shop, kept, run_id="again")
    assert [each.kind for each in entries(shop)] == [
        InterventionKind.VERSION_ARCHIVED,
        InterventionKind.VERSION_RESTORED,
    ]
    assert load(shop).reference == {"number": 0}
    assert not any(each.archived for each in shop.ports.registry.versions("parcels"))


def test_an_archive_that_lost_the_bytes_restores_nothing(shop: World, kept: InMemoryArtifacts) -> None:
    run(shop, kept)
    with pytest.raises(UntrustedModel, match="Version 1 of parcels can't be restored from the archive"):
        restore(shop, InMemoryArtifacts())
    assert len(entries(shop)) == 1


def _kill(cut: pytest.MonkeyPatch, world: World, kept: InMemoryArtifacts, step: str, *, after: bool) -> None:
    """The process ends before or after the first call of that step."""
    owner: Any = {"put": kept, "record_intervention": world.ports.ledger}.get(step, world.ports.registry)
    real: Callable[..., Any] = getattr(owner, step)

    def killed(*arguments: Any, **named: Any) -> None:
        if after:
            real(*arguments, **named)
        raise Killed

    cut.setattr(owner, step, killed)
