"""A disk under daily retrainings that change nothing: a Delta lake, a real MLflow, and maintenance every night."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from mlflow import MlflowClient
from tests.unit.jobs.world import World, make_world

from perennial import clock
from perennial.artifacts.store import ArtifactStore
from perennial.errors import RowsRemoved, UntrustedModel
from perennial.jobs.retrain import chain as retrain
from perennial.jobs.upkeep import maintain, rejected
from perennial.lake.delta import DeltaLake
from perennial.ledger.entries import DecisionKind, InterventionKind
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.records.judgement import read as read_evidence
from perennial.records.training_set import read_manifest, read_rows
from perennial.registry.mlflow import MlflowRegistry
from perennial.review import retraining_report
from perennial.spec.models import UseCase

KEPT = timedelta(days=90)
EVIDENCE = 10_000  # bytes of what the judge found, which is part of the decision, and stays
KEPT_DAYS, DAYS = 2, 6  # after a retraining, the night keeps the last two days' and removes those before


@dataclass
class Disk:
    """A use case with a champion, its stores on disk, and what they take."""

    world: World
    folders: tuple[Path, ...]

    def bytes(self) -> int:
        """Of the training sets, the artefacts and MLflow's files of the use case, without Delta's log."""
        files = [file for folder in self.folders for file in folder.rglob("*") if file.is_file()]
        return sum(file.stat().st_size for file in files if "_delta_log" not in file.parts)

    def retrain(self, day: int) -> str:
        """Retrain as of a day; the training set's id."""
        run_id = f"day {day}"
        retrain.run(
            self.world.use_case, self.world.day(day).start, self.world.ports, run_id, actor="me", reason="daily"
        )
        return next(
            each.subject.partition(" ")[0]
            for each in self.world.ports.ledger.decisions(self.world.use_case.name, DecisionKind.PROMOTE)
            if each.run_id == run_id
        )

    def night(self, as_of: datetime, number: int) -> list[rejected.RejectedRemoved]:
        use_case, ports = self.world.use_case, self.world.ports
        maintain.run(use_case, as_of, ports, f"night {number}", actor="maintenance")
        return rejected.run(use_case, as_of, ports, f"night {number}", actor="maintenance")


@pytest.fixture
def disk(tmp_path: Path, mlflow_url: str, mlflow_artifacts: Path) -> Disk:
    world = make_world(tmp_path)
    name = f"parcels_{uuid4().hex[:8]}"  # MLflow is shared with other tests
    spec: UseCase = world.use_case.spec.model_copy(update={"name": name})
    world.use_case = replace(world.use_case, spec=spec)
    world.ports = replace(
        world.ports,
        lake=DeltaLake(str(tmp_path / "lake"), {}),
        artifacts=ArtifactStore(str(tmp_path / "lake" / "artifacts"), {}),
        registry=MlflowRegistry(mlflow_url, tmp_path / "cache"),
        ledger=InMemoryLedger(clock.now),
    )
    found = Disk(world, (tmp_path / "lake" / "training", tmp_path / "lake" / "artifacts"))
    found.retrain(30)
    unlikely = spec.training.model_copy(update={"min_gain": 0.5})
    world.use_case = replace(world.use_case, spec=spec.model_copy(update={"training": unlikely}))
    experiment = MlflowClient(mlflow_url).get_experiment_by_name(name)
    assert experiment is not None
    found.folders = (*found.folders, mlflow_artifacts / experiment.experiment_id)
    assert found.folders[-1].is_dir()
    return found


def test_a_disk_does_not_fill_with_daily_retrainings_that_change_nothing(disk: Disk) -> None:
    use_case, ports = disk.world.use_case, disk.world.ports
    with_champion = disk.bytes()
    ended: list[datetime] = []
    trained: list[str] = []
    sizes: list[int] = []
    for number in range(DAYS):
        trained.append(disk.retrain(31 + number))
        ended.append(clock.now())
        if number >= KEPT_DAYS:
            disk.night(ended[number - KEPT_DAYS] + KEPT, number)
        sizes.append(disk.bytes() - with_champion)
    assert len(ports.ledger.deployments(use_case.name)) == 1, "none of these models was promoted"
    day, grown = sizes[0], sizes[KEPT_DAYS:]  # what one retraining leaves, and all of them after each night
    assert max(grown) < 1.1 * KEPT_DAYS * day, sizes
    assert grown[-1] - grown[0] < EVIDENCE * len(grown), sizes

    # What the ledger says of them stays, and so does all of the champion's.
    (first, *others) = ports.ledger.decisions(use_case.name, DecisionKind.PROMOTE)
    assert len(others) == DAYS
    assert all(each.reasons for each in others)
    assert read_evidence(others[0], ports) is not None
    with pytest.raises(UntrustedModel):
        read_manifest(trained[0], ports)
    assert retraining_report.run(use_case, "day 31", ports).training_gone
    assert read_rows(read_manifest(first.subject.partition(" ")[0], ports), ports).num_rows
    assert read_rows(read_manifest(trained[-1], ports), ports).num_rows
    (champion,) = ports.ledger.deployments(use_case.name)
    assert ports.artifacts.get(champion.model_digest)
    assert ports.registry.shown_candidates(use_case.name, first.subject.partition(" ")[0], "day 30")
    assert not ports.registry.shown_candidates(use_case.name, trained[0], "day 31")
    entries = ports.ledger.interventions(use_case.name, InterventionKind.FILES_REMOVED)
    said = [each.details for each in entries if each.subject == rejected.SUBJECT]
    assert next(each["retrainings"] for each in said) == ["day 31"]
    assert sum(each["bytes"] for each in said) > 0


def test_a_killed_removal_is_finished_by_the_next_night_and_then_nothing_is_left_to_do(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_case, ports = disk.world.use_case, disk.world.ports
    with_champion = disk.bytes()
    training_id = disk.retrain(31)
    manifest = read_manifest(training_id, ports)
    later = clock.now() + KEPT
    assert rejected.plan(use_case, later - timedelta(hours=1), ports) == [], "not a day too early"
    (planned,) = rejected.plan(use_case, later, ports)
    assert planned.training_sets == (manifest.partition,)
    assert planned.retrainings == ("day 31",)
    assert training_id in planned.artefacts
    for number, killed in enumerate(("drop", "remove", "forget_retraining")):
        with monkeypatch.context() as patch:

            def kill(*_: object) -> None:
                raise KeyboardInterrupt

            owner = {"drop": ports.lake, "remove": ports.artifacts, "forget_retraining": ports.registry}[killed]
            patch.setattr(owner, killed, kill)
            with pytest.raises(KeyboardInterrupt):
                disk.night(later, number)
    (done,) = disk.night(later, 9)
    assert done.retrainings == 1
    assert disk.bytes() < with_champion + EVIDENCE
    with pytest.raises(RowsRemoved):
        read_rows(manifest, ports)
    assert rejected.plan(use_case, later, ports) == []
    assert disk.night(later, 10) == []


def test_what_is_kept_forever_is_kept(disk: Disk) -> None:
    disk.retrain(31)
    spec = disk.world.use_case.spec
    forever = spec.model_copy(update={"retention": spec.retention.model_copy(update={"rejected": "forever"})})
    use_case = replace(disk.world.use_case, spec=forever)
    assert rejected.plan(use_case, clock.now() + 100 * KEPT, disk.world.ports) == []


def test_the_training_set_that_people_are_asked_about_is_kept(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case, ports = disk.world.use_case, disk.world.ports
    training_id = disk.retrain(31)
    asked = _Asked(training_id, "0" * 64)
    monkeypatch.setattr(ports.ledger, "last_approval_request", lambda _: asked)
    assert rejected.plan(use_case, clock.now() + KEPT, ports) == []


@dataclass(frozen=True)
class _Asked:
    training_id: str
    model_digest: str
