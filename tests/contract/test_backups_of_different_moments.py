"""Stores that were saved at different moments and are brought back together: what reconciling and the tasks mend.

The stores are real: a ledger and published tables in databases of their own, a Delta lake in a folder with artefacts
and anchors beside it. Each is saved twice by copying it, before and after windows were scored and a model was promoted.
They are brought back in wrong orders; docs/operations.md says of each what to do.
"""

import pickle
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.servers import WatchedPostgres
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.world import ROWS, World, make_world

from perennial.anchors.store import AnchorStore
from perennial.artifacts.store import ArtifactStore
from perennial.digest import table_digest
from perennial.errors import LedgerAltered, NotReconciled, RowsLost
from perennial.jobs.predict import monitor, score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.jobs.upkeep import anchor, gaps, maintain, reconcile
from perennial.lake.delta import DeltaLake
from perennial.ledger.entries import DeployedRole, InterventionKind
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.published.postgres import PostgresPublished
from perennial.records.batch import content_digest, live_rows
from perennial.records.gate import snapshot_rows
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry

BEFORE, AFTER = 0, 1
STORES = ("ledger", "lake", "published", "registry")
SCORED_BEFORE, SCORED_BETWEEN, BY_THE_SECOND = (30, 31), (32, 33), 58
INGESTED_FOR_TRAINING = range(34, BY_THE_SECOND)
DAYS = (*SCORED_BEFORE, *SCORED_BETWEEN, BY_THE_SECOND)
NOW = datetime(2024, 2, 29, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Saved:
    """The stores as they were at the two moments, and what was true in the end: of each day what was predicted."""

    world: World
    postgres: WatchedPostgres
    folder: Path
    databases: tuple[dict[str, str], dict[str, str]]
    registries: tuple[bytes, bytes]
    predicted: dict[int, str]

    @contextmanager
    def restored(self, moments: dict[str, int], folder: Path) -> Iterator[World]:
        """A world whose stores are of the moments that are given."""
        names = {store: self.postgres.new_database(store, self.databases[moments[store]][store]) for store in DATABASES}
        shutil.copytree(self.folder / f"lake {moments['lake']}", folder / "lake")
        with opened(self.world, self.postgres, names, folder / "lake") as world:
            vars(world.ports.registry).update(pickle.loads(self.registries[moments["registry"]]))
            yield world


DATABASES = ("ledger", "published")


@contextmanager
def opened(world: World, postgres: WatchedPostgres, names: dict[str, str], lake: Path) -> Iterator[World]:
    ledger = PostgresLedger(postgres.url(names["ledger"]), lambda: NOW)
    ports = replace(
        world.ports,
        ledger=ledger,
        lake=DeltaLake(str(lake), {}),
        artifacts=ArtifactStore(str(lake / "artifacts"), {}),
        published=PostgresPublished(postgres.url(names["published"])),
        registry=MemoryRegistry(),
    )
    yield replace(world, ports=ports)
    ledger.close()


@pytest.fixture(scope="module")
def saved(postgres: WatchedPostgres, ledger_database: str, tmp_path_factory: pytest.TempPathFactory) -> Saved:
    root = tmp_path_factory.mktemp("saved")
    names = {"ledger": postgres.new_database("live", ledger_database), "published": postgres.new_database("live")}
    databases, registries = [], []
    plain = make_world(root)
    changed = plain.parcels.table
    plain.change(31, "weight", 11.0)  # what the source will say of that day later
    changed, plain.parcels.table = plain.parcels.table, changed

    def save(world: World) -> None:
        anchor.run(world.ports.ledger, anchors_of(world), NOW + timedelta(seconds=len(databases)))
        shutil.copytree(root / "lake", root / f"lake {len(databases)}")
        registries.append(pickle.dumps(vars(world.ports.registry)))

    with opened(plain, postgres, names, root / "lake") as world:
        first_model(world)
        for day in SCORED_BEFORE:
            predict(world, day)
        save(world)
    databases.append({store: postgres.new_database("saved", name) for store, name in names.items()})
    kept = registries[BEFORE]
    with opened(plain, postgres, names, root / "lake") as world:
        vars(world.ports.registry).update(pickle.loads(kept))
        world.parcels.table = changed
        for day in (31, *SCORED_BETWEEN):
            predict(world, day)
        retrain.run(
            world.use_case, world.day(BY_THE_SECOND).start, world.ports, "second", actor="test", reason="second"
        )
        predict(world, BY_THE_SECOND)
        save(world)
        ledger = world.ports.ledger
        assert [ledger.latest_batch("parcels", world.day(day)).model_version for day in DAYS] == ["1"] * 4 + ["2"]
        assert ledger.latest_batch("parcels", world.day(31)).revision == 2
        predicted = {day: ledger.latest_batch("parcels", world.day(day)).digest for day in DAYS}
    databases.append({store: postgres.new_database("saved", name) for store, name in names.items()})
    return Saved(world, postgres, root, (databases[0], databases[1]), (registries[0], registries[1]), predicted)


def anchors_of(world: World) -> AnchorStore:
    return AnchorStore(world.ports.lake.location("anchors"), {})


def reconciled(world: World, run_id: str = "nightly") -> reconcile.Reconciled:
    later = NOW + timedelta(days=90)  # when no window is new any more
    return reconcile.run(world.use_case, later, world.ports, run_id, actor="maintenance")


def published_of(world: World, day: int) -> str | None:
    rows = world.ports.published.read("parcels", world.day(day))
    return content_digest(rows) if rows.num_rows else None


def audit(world: World, saved: Saved) -> None:
    """Nothing is lost, doubled or torn: every day's predictions are those of before the disaster, in all stores."""
    ledger = world.ports.ledger
    for day in DAYS:
        window = world.day(day)
        batches = ledger.batches("parcels", window)
        live, snapshot = batches[-1], ledger.latest_snapshot("parcels", window)
        assert snapshot is not None
        assert [each.revision for each in batches] == list(range(1, len(batches) + 1))
        assert live.digest == saved.predicted[day], day
        assert snapshot_rows(snapshot, world.ports.lake).num_rows == live.rows == ROWS  # I1
        assert live.snapshot_digest == snapshot.digest
        assert ledger.validation_of("parcels", window, snapshot.digest, live.suite_digest) is not None  # I2
        rows = table_digest(live_rows(live, world.ports))
        assert rows == table_digest(world.ports.lake.read(live.table, window.key))
        assert rows == world.ports.published.digest("parcels", window)  # I3
    champion = ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    assert champion is not None
    assert champion.model_version == world.ports.registry.alias("parcels", DeployedRole.CHAMPION) == "2"  # I5
    world.ports.registry.load("parcels", champion.model_version, champion.model_digest)
    assert world.ports.published.windows("parcels", world.use_case.spec.start, NOW) == [world.day(day) for day in DAYS]


OLDER = (
    (),
    *((store,) for store in STORES),
    ("ledger", "published"),  # one server of both, saved before the lake
    ("ledger", "published", "registry"),  # `make compose-backup`: all databases are saved before the objects
    ("lake", "registry"),
)


@pytest.mark.parametrize("older", OLDER, ids=lambda stores: " and ".join(stores) or "none")
def test_a_mix_of_two_moments_is_mended_by_reconciling_and_the_tasks(
    saved: Saved, older: tuple[str, ...], tmp_path: Path
) -> None:
    of = {store: BEFORE if store in older else AFTER for store in STORES}
    with saved.restored(of, tmp_path) as world:
        before = {day: published_of(world, day) for day in DAYS}
        done = reconciled(world)
        told = " ".join(done.unmended)
        # What is right stays: reconciling brings published rows to a revision that the lake holds, or leaves them.
        for day in DAYS:
            batch = world.ports.ledger.latest_batch("parcels", world.day(day))
            assert published_of(world, day) in (before[day], batch.digest if batch else None)
        lake_behind = of["lake"] < of["ledger"]
        assert ("has lost the predictions of 4 windows (2024-02-01 to 2024-02-03, 2024-02-28)" in told) is (lake_behind)
        unknown = of["ledger"] == BEFORE and of["published"] == AFTER
        assert ("predictions of 3 windows (2024-02-02 to 2024-02-03, 2024-02-28) are published" in told) is unknown
        registry_behind = of["registry"] < of["ledger"]
        assert ("the registry has no version 2, which is champion" in told) is (registry_behind and lake_behind)
        assert any("version 2 was lost by the registry" in text for text in done.restored) is (
            registry_behind and not lake_behind
        )
        assert bool(done.unmended) is (lake_behind or unknown)
        if done.unmended:
            with pytest.raises(
                NotReconciled, match=r"`perennial run parcels --from 2024-02-0\dT00:00Z --to 2024-02-29"
            ):
                reconcile.require_all(done)
        if registry_behind and lake_behind:  # both have lost the model: nothing but the backup of either has it
            return

        anchors_tell(world, moved_back=of["ledger"] < of["lake"])
        _, missing = gaps.find(world.use_case.spec, world.day(33).end + timedelta(hours=1), world.ports.ledger)
        assert missing == ([] if of["ledger"] else [world.day(day) for day in SCORED_BETWEEN])
        for day in (*SCORED_BEFORE, *SCORED_BETWEEN):
            predict(world, day)
        for day in INGESTED_FOR_TRAINING if lake_behind else ():  # reconciling named them, too
            ingest_and_validate(world, day)
        if of["ledger"] == BEFORE:  # what was promoted since is judged and promoted again
            at = world.day(BY_THE_SECOND).start
            retrain.run(world.use_case, at, world.ports, "again", actor="test", reason="again")
        predict(world, BY_THE_SECOND)
        monitor.run(world.use_case, world.day(BY_THE_SECOND), world.ports, "again")
        audit(world, saved)
        assert reconciled(world, "the next night").unmended == ()
        audit(world, saved)
        assert len(maintain.run(world.use_case, NOW, world.ports, "the next night", actor="maintenance")) == 5


def anchors_tell(world: World, *, moved_back: bool) -> None:
    """The chains' anchors in a newer lake say that the ledger was brought back; then a person goes on from there."""
    anchors = anchors_of(world)
    if not moved_back:
        anchor.run(world.ports.ledger, anchors, NOW + timedelta(hours=1))
        return
    with pytest.raises(LedgerAltered, match=r"shorter than its anchor|rewritten"):
        anchor.run(world.ports.ledger, anchors, NOW + timedelta(hours=1))
    anchors.put(anchor.anchor_of(world.ports.ledger, NOW + timedelta(hours=1)))
    anchor.run(world.ports.ledger, anchors, NOW + timedelta(hours=2))


LAKE_BEHIND = {"ledger": AFTER, "lake": BEFORE, "published": AFTER, "registry": AFTER}


def test_a_lake_that_grew_again_after_it_was_brought_back_never_passes_other_rows_off(
    saved: Saved, tmp_path: Path
) -> None:
    """Its numbers of versions are given a second time, to other rows; what is published stays until it is made anew."""
    with saved.restored(LAKE_BEHIND, tmp_path) as world:
        batch = world.ports.ledger.latest_batch("parcels", world.day(31))
        assert batch is not None
        for day in range(34, 34 + batch.version + 3):  # the runs of days that nobody scored yet
            predict(world, day)
        assert (world.ports.lake.version(batch.table) or 0) > batch.version
        before = {day: published_of(world, day) for day in DAYS}
        done = reconciled(world)
        assert "has lost the predictions of 4 windows" in done.unmended[0]
        assert {day: published_of(world, day) for day in DAYS} == before
        with pytest.raises(RowsLost, match="does not hold revision 2"):
            live_rows(batch, world.ports)
        with pytest.raises(RowsLost, match=r"does not hold .*`perennial run parcels --window 2024-02-03T00:00Z`"):
            validate.run(world.use_case, world.day(33), world.ports, "validate alone")
        for day in DAYS:
            predict(world, day)
        for day in INGESTED_FOR_TRAINING:
            ingest_and_validate(world, day)
        for day in DAYS:
            live = world.ports.ledger.latest_batch("parcels", world.day(day))
            assert live is not None
            assert live.digest == saved.predicted[day] == published_of(world, day)
        assert reconciled(world, "the next night").unmended == ()


def test_rows_that_the_source_no_longer_has_stay_published_and_are_named_every_night(
    saved: Saved, tmp_path: Path
) -> None:
    with saved.restored(LAKE_BEHIND, tmp_path) as world:
        before = {day: published_of(world, day) for day in DAYS}
        for night in ("one", "two"):
            with pytest.raises(NotReconciled, match="Rows that their source no longer has are lost"):
                reconcile.require_all(reconciled(world, night))
        with pytest.raises(RowsLost, match="older than the ledger"):
            score.run(world.use_case, world.day(33), world.ports, "score alone", model=ModelChoice())
        assert {day: published_of(world, day) for day in DAYS} == before


def test_a_registry_that_lost_a_version_gets_it_back_from_the_lake_with_the_same_bytes(
    saved: Saved, tmp_path: Path
) -> None:
    of = {"ledger": AFTER, "lake": AFTER, "published": AFTER, "registry": BEFORE}
    with saved.restored(of, tmp_path) as world:
        champion = world.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
        assert champion is not None
        assert reconciled(world).unmended == ()
        assert world.ports.registry.content("parcels", "2", champion.model_digest)
        assert world.ports.registry.parameters("parcels", "2")["estimator"] == "linear"
        assert world.ports.registry.alias("parcels", DeployedRole.CHAMPION) == "2"
        (entry,) = world.ports.ledger.interventions("parcels", InterventionKind.VERSION_RESTORED)
        assert (entry.subject, entry.details["digest"]) == ("2", champion.model_digest)
        predict(world, 59)
        live = world.ports.ledger.latest_batch("parcels", world.day(59))
        assert live is not None
        assert live.model_version == "2"


def test_a_registry_that_gave_a_lost_versions_number_to_another_model_is_told(saved: Saved, tmp_path: Path) -> None:
    of = {"ledger": AFTER, "lake": AFTER, "published": AFTER, "registry": BEFORE}
    with saved.restored(of, tmp_path) as world:
        versions = world.ports.registry._versions["parcels"]  # type: ignore[attr-defined]
        versions.append(replace(versions[0], model=replace(versions[0].model, version="2", digest="f" * 64)))
        (told,) = reconciled(world).unmended
        assert "the registry has another model (ffffffffffff) as version 2, which is champion" in told
        assert "`perennial rollback parcels VERSION --reason …` (it has 1)" in told
