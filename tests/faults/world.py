"""A use case on real stores that faults are made in: Delta tables, PostgreSQL, model files that are checked.

Two models are deployed nowhere but trained, so that scenarios can deploy them. The source of a day is a file that can
be written anew, so that a retry has another result than the run before.
"""

import functools
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
import psycopg2
import pyarrow as pa
import pyarrow.parquet as pq
from tests.faults.outcome import Damage
from tests.servers import Run, WatchedPostgres
from tests.unit.jobs.world import EXPECTATIONS, ROWS, SPEC, START, make_world
from tests.waiting import PATIENCE

from perennial import clock
from perennial.digest import table_digest
from perennial.errors import NoModel
from perennial.jobs.predict import ingest, score, validate
from perennial.jobs.retrain import chain as retrain
from perennial.lake.delta import DeltaLake
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.modeling.artifact import load
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.port import LoadedModel, ModelCandidate, RegisteredModel
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.window import Window
from perennial.wiring import open_ports

NAME = "parcels"
SCENARIO_ROWS = ROWS // 3


class ModelFiles:
    """A registry in a folder: model bytes, digests, and aliases as files. Nothing is loaded that was not checked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, version: str, content: bytes, digest: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        _write(self._folder / f"{version}.skops", content)
        _write(self._folder / f"{version}.digest", digest.encode())

    def register(self, candidate: ModelCandidate) -> RegisteredModel:
        raise NoModel("nothing is registered while faults are made")

    def load(self, use_case: str, version: str, digest: str) -> LoadedModel:
        return LoadedModel(version, digest, _loaded(self._folder / f"{version}.skops", digest), {})

    def versions(self, use_case: str) -> list[RegisteredModel]:
        files = sorted(self._folder.glob("*.digest"))
        return [RegisteredModel(use_case, file.stem, file.read_text()) for file in files]

    def set_alias(self, use_case: str, alias: str, version: str | None) -> None:
        (self._folder / f"alias-{alias}").write_text(version or "")

    def alias(self, use_case: str, alias: str) -> str | None:
        file = self._folder / f"alias-{alias}"
        return (file.read_text() or None) if file.exists() else None

    def address(self, use_case: str, version: str) -> str | None:
        return None

    def reference(self, use_case: str, version: str, digest: str) -> dict[str, Any]:
        raise NoModel("no reference is kept while faults are made")

    def parameters(self, use_case: str, version: str) -> dict[str, str]:
        return {}

    def attach(self, use_case: str, version: str, files: Mapping[str, bytes]) -> None:
        for path, content in files.items():
            self._attached(version, path).write_bytes(content)

    def attached(self, use_case: str, version: str, path: str) -> bytes | None:
        file = self._attached(version, path)
        return file.read_bytes() if file.exists() else None

    def _attached(self, version: str, path: str) -> Path:
        return self._folder / f"{version}-{path.replace('/', '-')}"


def _write(file: Path, content: bytes) -> None:
    """Write the file at once: who reads it while it is written anew sees one content or the other, whole."""
    with NamedTemporaryFile(dir=file.parent, prefix=".", delete=False) as incoming:
        incoming.write(content)
    Path(incoming.name).replace(file)


@functools.lru_cache(maxsize=8)
def _loaded(file: Path, digest: str) -> object:
    return load(file.read_bytes(), digest)


@dataclass(frozen=True)
class Address:
    """Where a world is: enough for another process to open it."""

    root: Path
    ledger_url: str
    published_url: str
    lake_url: str
    lake_options: tuple[tuple[str, str], ...] = ()
    heartbeat_timeout: float = 60.0
    lock_timeout: float = PATIENCE
    run: Run | None = None

    def open(self) -> "World":
        environment = {
            "PERENNIAL_HOME": str(self.root / "home"),
            "PERENNIAL_USE_CASES": str(self.root / "use_cases"),
            "PERENNIAL_MLFLOW_URL": "http://127.0.0.1:9",
            "PERENNIAL_LAKE_URL": self.lake_url,
            "AIRFLOW_CONN_PERENNIAL_LEDGER": self.ledger_url,
            "AIRFLOW_CONN_PERENNIAL_PUBLISHED": self.published_url,
        }
        settings = Settings.from_environment(environment)
        ports = replace(
            open_ports(settings, EnvironmentConnections(environment)),
            ledger=PostgresLedger(
                self.ledger_url, clock.now, lock_timeout=self.lock_timeout, heartbeat_timeout=self.heartbeat_timeout
            ),
            lake=DeltaLake(self.lake_url, dict(self.lake_options)),
            published=PostgresPublished(self.published_url, heartbeat_timeout=self.heartbeat_timeout),
            registry=ModelFiles(self.root / "models"),
        )
        return World(self, load_use_case(self.root / "use_cases" / NAME), ports)


@dataclass(frozen=True)
class World:
    """The use case, its stores, and what the source has now."""

    address: Address
    use_case: LoadedUseCase
    ports: Ports

    @property
    def ledger(self) -> PostgresLedger:
        assert isinstance(self.ports.ledger, PostgresLedger)
        return self.ports.ledger

    def window(self, number: int) -> Window:
        return Window(START + timedelta(days=number), START + timedelta(days=number + 1))

    def change_source(self, window: Window, seed: int) -> None:
        """Write the window's rows anew; another seed, other weights. One row in twenty breaks a rule."""
        random = np.random.default_rng(seed)
        first = (window.start - START).days * SCENARIO_ROWS
        weight = random.normal(10, 2, SCENARIO_ROWS)
        weight[: SCENARIO_ROWS // 20] = -60.0
        seconds = np.sort(random.integers(0, 86_400, SCENARIO_ROWS))
        sent = [window.start + timedelta(seconds=int(second)) for second in seconds]
        rows = pa.table(
            {
                "parcel": np.arange(first, first + SCENARIO_ROWS),
                "sent_at": pa.array(sent, pa.timestamp("us", "UTC")),
                "weight": weight,
                "service": random.choice(["road", "air", "rail"], SCENARIO_ROWS),
            }
        )
        path = self.source_file(window)
        pq.write_table(rows, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)

    def predict(self, window: Window, run_id: str) -> score.Scored:
        """Ingest, validate and score, in this process."""
        ingest.run(self.use_case, window, self.ports, run_id)
        validate.run(self.use_case, window, self.ports, run_id)
        return score.run(self.use_case, window, self.ports, run_id, model=ModelChoice())

    def deploy(self, version: str, window: Window, run_id: str) -> Deployment:
        """Make a version champion from the window on, superseding whoever is."""
        current = self.ledger.current_deployment(NAME, DeployedRole.CHAMPION)
        return self.ledger.deploy(self.deployment(version, window, run_id, current))

    def deployment(self, version: str, window: Window, run_id: str, current: Deployment | None) -> Deployment:
        digest = (self.address.root / "models" / f"{version}.digest").read_text()
        return Deployment(
            use_case=NAME, role=DeployedRole.CHAMPION, model_version=version, model_digest=digest,
            effective_from=window.start, supersedes=current.id if current else None, actor="faults", reason=run_id,
            training={}, metrics={}, approved_by=None, code_version="c", lock_digest="l", run_id=run_id,
        )  # fmt: skip

    def audit(self, window: Window) -> Damage:
        """What is wrong with a window, by SQL on the published table and by reading the lake."""
        expected = self.keys(window)
        batches = self.ledger.batches(NAME, window)
        live, snapshot = batches[-1], self.ledger.latest_snapshot(NAME, window)
        with _session(self.address.published_url) as cursor:
            cursor.execute(
                "SELECT parcel, revision, model_digest, snapshot_digest FROM perennial.provenance_parcels "
                "WHERE window_start = %s",
                (window.start,),
            )
            rows = cursor.fetchall()
        keys = [row[0] for row in rows]
        origins = {row[1:] for row in rows}
        recorded = self.ports.lake.read(live.table, window.key, version=live.version)
        agreeing = (
            table_digest(recorded)
            == table_digest(self.ports.lake.read(live.table, window.key))
            == self.ports.published.digest(NAME, window)
        )
        whole = origins == {(live.revision, live.model_digest, live.snapshot_digest)}
        linear = [batch.revision for batch in batches] == list(range(1, len(batches) + 1))
        newest = snapshot is not None and live.snapshot_digest == snapshot.digest
        return Damage(
            lost=len(set(expected) - set(keys)) + len(set(keys) - set(expected)),
            doubled=len(keys) - len(set(keys)),
            torn=int(not (whole and linear)),
            stale=int(not (agreeing and newest)),
        )

    def keys(self, window: Window) -> list[int]:
        """The keys of the source's rows that break no rule: a prediction of each is to be published."""
        source = pq.read_table(self.source_file(window))
        rows = zip(source["parcel"].to_pylist(), source["weight"].to_pylist(), strict=True)
        return [key for key, weight in rows if weight >= -50]

    def audit_published(self, window: Window) -> Damage:
        """What consumers see of a window: a revision that the ledger has, whole."""
        with _session(self.address.published_url) as cursor:
            cursor.execute(
                "SELECT revision, model_digest, snapshot_digest, count(*) FROM perennial.provenance_parcels "
                "WHERE window_start = %s GROUP BY 1, 2, 3",
                (window.start,),
            )
            seen = cursor.fetchall()
        recorded = {(b.revision, b.model_digest, b.snapshot_digest, b.rows) for b in self.ledger.batches(NAME, window)}
        return Damage(torn=int(len(seen) != 1 or seen[0] not in recorded))

    def source_file(self, window: Window) -> Path:
        """The window's rows at the source."""
        return self.use_case.folder / "data" / f"{window.start:%Y-%m-%d}.parquet"


def make(root: Path, postgres: WatchedPostgres, run: Run) -> World:
    """A world below `root`, with model version 1 in service from the first day on."""
    folder = root / "use_cases" / NAME
    (folder / "data").mkdir(parents=True)
    (folder / "use_case.yaml").write_text(_spec())
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    _train(root)
    url = postgres.url(postgres.new_database("faults"))
    migrate.upgrade(url)
    world = Address(root, url, url, str(root / "lake"), run=run).open()
    world.deploy("1", world.window(0), "first")
    return world


def _spec() -> str:
    data = "source: {type: files, path: data, format: parquet}"
    assert data in SPEC
    dated = "source: {type: files, path: data, pattern: '%Y-%m-%d.parquet', format: parquet}"
    return SPEC.replace(data, dated).replace("max_quarantined_share: 0.05", "max_quarantined_share: 0.2")


def _train(root: Path) -> None:
    """Two models by real retraining: one from before the world shifted, one from after."""
    scratch = root / "training"
    scratch.mkdir()
    memory = make_world(scratch)
    for day in (30, 58):
        retrain.run(memory.use_case, memory.day(day).start, memory.ports, "train", actor="faults", reason="train")
    models = ModelFiles(root / "models")
    for entry in memory.ports.ledger.deployments(NAME):
        models.put(entry.model_version, memory.ports.artifacts.get(entry.model_digest), entry.model_digest)
    assert len(models.versions(NAME)) == 2, json.dumps([vars(model) for model in models.versions(NAME)])
    shutil.rmtree(scratch)


class _session:
    def __init__(self, url: str) -> None:
        self._connection = psycopg2.connect(url)

    def __enter__(self) -> "psycopg2.extensions.cursor":
        return self._connection.cursor()

    def __exit__(self, *error: object) -> None:
        self._connection.close()
