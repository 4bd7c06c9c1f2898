"""A use case ends in real stores: its bytes are gone from the disk, and the ledger's chain proves the rest."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from tests.contract.test_registry import candidate
from tests.unit.jobs.world import START, World, as_batch, make_world

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.jobs.upkeep import decommission, verify
from perennial.jobs.upkeep.anchor import anchor_of
from perennial.jobs.upkeep.decommission import DataClass
from perennial.lake.delta import DeltaLake
from perennial.ledger.entries import InterventionKind
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ports import Ports
from perennial.published.postgres import PostgresPublished
from perennial.registry.memory import MemoryRegistry

NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def real(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    """The small world on real stores, with rows in every table, in two versions each."""
    world = make_world(tmp_path)
    ledger = PostgresLedger(ledger_url, lambda: NOW)
    ports = Ports(
        source=world.ports.source, lake=DeltaLake(str(tmp_path / "lake"), {}), ledger=ledger,
        registry=MemoryRegistry(), published=PostgresPublished(ledger_url), artifacts=InMemoryArtifacts(),
    )  # fmt: skip
    for value in (0.25, 0.5):
        rows = pa.table(
            {"parcel": [1], "prediction": [value], "event_time": pa.array([START], pa.timestamp("us", "UTC"))}
        )
        for table in decommission.TABLES.values():
            ports.lake.replace(table("parcels"), world.day(31).key, rows)
        ports.published.publish("parcels", world.day(31), as_batch(rows))
    ports.registry.register(candidate("parcels"))
    yield World(world.use_case, ports, world.parcels, world.outcomes)
    ledger.close()


def test_what_is_erased_is_gone_from_disk_and_database_and_the_chain_verifies(real: World, tmp_path: Path) -> None:
    ports = real.ports
    anchor = anchor_of(ports.ledger, NOW)
    decommission.run(real.use_case, list(DataClass), NOW, ports, "by hand", actor="ada", reason="closed")
    left = [path for path in (tmp_path / "lake").rglob("*") if path.is_file() and "_delta_log" not in path.parts]
    assert left == []
    assert ports.published.size("parcels").rows == 0
    assert ports.published.ended("parcels") == "ENDED on 2026-05-01: closed. No new rows come."
    kinds = [entry.kind for entry in ports.ledger.interventions("parcels")]
    assert kinds == [InterventionKind.USE_CASE_ENDED] + [InterventionKind.DATA_ERASED] * len(DataClass)
    verified = verify.run(ports.ledger, [anchor])
    assert verified.alterations == 0
    assert [(chain.end.use_case, chain.entries) for chain in verified.chains] == [("parcels", len(kinds))]


def test_a_dead_holder_does_not_hold_it_back_and_can_write_no_more(real: World) -> None:
    ports = real.ports
    with pytest.raises(KeyboardInterrupt), ports.ledger.working_on("parcels", real.day(31), "killed") as late:
        raise KeyboardInterrupt
    decommission.run(real.use_case, [DataClass.SNAPSHOTS], NOW, ports, "by hand", actor="ada", reason="closed")
    assert list(ports.ledger.leases_not_given_back("parcels")) == []
    with pytest.raises(Exception, match="taken over by another run"):
        ports.lake.replace("raw/parcels", real.day(31).key, pa.table({"parcel": [2]}), late)
    assert ports.lake.stored("raw/parcels").files == 0
