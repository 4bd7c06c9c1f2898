"""Stores that lose answers, restart, fill up or fail, and bytes that rot."""

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

import numpy as np
import pyarrow as pa
from tests.faults.outcome import Damage, Outcome
from tests.faults.processes import recover
from tests.faults.proxies import PostgresProxy, S3Proxy, failing, losing_commits
from tests.faults.world import NAME, World
from tests.servers import new_bucket, shared_s3
from tests.unit.jobs.world import START

from perennial.digest import table_digest
from perennial.errors import PerennialError, TransientError, UntrustedModel
from perennial.lake.storage import storage_options
from perennial.modeling.artifact import load
from perennial.performance.labels import active_labels
from perennial.registry.cache import ModelCache, StoredModel
from perennial_local.postgres import EmbeddedPostgres

TMPFS_BYTES = 4_000_000


def lost_answers_of_postgres(world: World, times: int, seed: int) -> Outcome:
    """A COMMIT of a run reaches PostgreSQL, and its answer is lost with the connection."""
    chance, damage, recoveries, window = random.Random(seed), Damage(), [], world.window(4)
    parts = urlsplit(world.address.ledger_url)
    with PostgresProxy(parts.hostname or "127.0.0.1", parts.port or 5432) as proxy:
        netloc = f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}".lstrip("@")
        url = urlunsplit(parts._replace(netloc=netloc))
        far = replace(world.address, ledger_url=url, published_url=url).open()
        while proxy.lost < times:
            world.change_source(window, seed + proxy.lost)
            before = proxy.lost
            proxy.lose_commit(chance.randint(1, 22))
            damage += _broken(far, 4, f"lost-{seed}-{proxy.lost}")
            proxy.lose_commit(0)
            recoveries.append(recover(far, 4, f"lost-retry-{seed}-{proxy.lost}"))
            damage += world.audit(window)
            assert proxy.lost >= before
        far.ledger.close()
    return Outcome("COMMIT arrived, answer lost", proxy.lost, damage, tuple(recoveries))


def lost_answers_of_the_lake(world: World, times: int, seed: int) -> Outcome:
    """A commit of a Delta table reaches S3, and its answer is lost with the connection."""
    chance, damage, recoveries = random.Random(seed), Damage(), []
    with s3_world(world) as (far, proxy):
        window, turn = far.window(5), 0
        while proxy.faults < times:
            far.change_source(window, seed + turn)
            proxy.choose = losing_commits(chance, 0.5)
            damage += _broken(far, 5, f"lake-{seed}-{turn}")
            proxy.choose = losing_commits(chance, 0.0)
            recoveries.append(recover(far, 5, f"lake-retry-{seed}-{turn}"))
            damage += far.audit(window)
            turn += 1
        lost = proxy.faults
    return Outcome("lake commit arrived, answer lost", lost, damage, tuple(recoveries))


def s3_faults(world: World, times: int, seed: int) -> Outcome:
    """S3 answers one request in ten with 500 or 503, or not at all."""
    chance, damage, recoveries = random.Random(seed), Damage(), []
    with s3_world(world) as (far, proxy):
        for turn in range(times):
            window = far.window(6)
            far.change_source(window, seed + turn)
            proxy.choose = failing(chance, 0.1)
            damage += _broken(far, 6, f"s3-{seed}-{turn}")
            proxy.choose = failing(chance, 0.0)
            recoveries.append(recover(far, 6, f"s3-retry-{seed}-{turn}"))
            damage += far.audit(window)
        faults = proxy.faults
    return Outcome("S3 answers 500, 503 or nothing", times, damage, tuple(recoveries), f"{faults} requests failed")


def postgres_restarts(world: World, times: int, seed: int, postgres: EmbeddedPostgres) -> Outcome:
    """PostgreSQL crashes in the middle of a run, and comes back."""
    chance, damage, recoveries, window = random.Random(seed), Damage(), [], world.window(7)
    for turn in range(times):
        world.change_source(window, seed + turn)
        crash = Thread(target=_crash, args=(postgres, chance.uniform(0.0, 0.25)))
        crash.start()
        damage += _broken(world, 7, f"restart-{seed}-{turn}")
        crash.join()
        recoveries.append(recover(world, 7, f"restart-retry-{seed}-{turn}"))
        damage += world.audit(window)
    return Outcome("PostgreSQL crashes and restarts", times, damage, tuple(recoveries))


def disk_full(world: World, times: int, seed: int) -> Outcome:
    """The lake's disk is full in the middle of a run; then there is room again."""
    chance, damage, recoveries, window = random.Random(seed), Damage(), [], world.window(8)
    failed = 0
    with small_disk(world) as disk:
        near = replace(world.address, lake_url=str(disk / "lake")).open()
        near.change_source(window, seed)
        recover(near, 8, "room")
        for turn in range(times):
            near.change_source(window, seed + turn + 1)
            with filled(disk, leaving=chance.randint(0, 14) * 1024):
                before = world.ledger.latest_batch(NAME, window)
                found = _broken(near, 8, f"full-{seed}-{turn}")
                damage += found
                failed += world.ledger.latest_batch(NAME, window) == before
            recoveries.append(recover(near, 8, f"full-retry-{seed}-{turn}"))
            damage += near.audit(window)
    return Outcome("disk full", times, damage, tuple(recoveries), f"{failed} runs could not finish")


def bit_flips(world: World, times: int, seed: int) -> Outcome:
    """One bit of a model's file changes; what is damaged must not be loaded, from the file or from the cache."""
    chance, loaded = random.Random(seed), 0
    model = world.ports.registry.versions(NAME)[0]
    content = (world.address.root / "models" / f"{model.version}.skops").read_bytes()
    with TemporaryDirectory() as folder:
        cache = ModelCache(Path(folder))
        for turn in range(times):
            damaged = bytearray(content)
            damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
            if turn % 2:
                try:
                    load(bytes(damaged), model.digest)
                except UntrustedModel:
                    continue
                loaded += 1
            else:
                cache.put(NAME, model.version, model.digest, StoredModel(content, {}))
                cache._model_file(model.digest).write_bytes(damaged)
                loaded += cache.get(NAME, model.version, model.digest) is not None
    return Outcome("bit flipped in a model file", times, Damage(torn=loaded))


def shuffled_labels(world: World, times: int, seed: int, *, events: int = 10_000) -> Outcome:
    """Late, doubled, corrected, withdrawn and future label events in any order: one label per entity as of a time."""
    chance = np.random.default_rng(seed)
    arrival = [START + timedelta(minutes=int(minute)) for minute in chance.integers(0, 30 * 1440, events)]
    labels = pa.table(
        {
            "parcel": chance.integers(0, events // 4, events),
            "late": pa.array(chance.choice([True, False, None], events).tolist(), pa.bool_()),
            "delivered_at": pa.array(arrival, pa.timestamp("us", "UTC")),
        }
    )
    moments = [START + timedelta(days=days) for days in (1, 10, 20, 29)]
    results = set()
    for _ in range(times):
        some = labels.take(pa.array(chance.permutation(events)))
        some = pa.concat_tables([some, some.slice(0, events // 10)])  # some come twice
        active = [
            active_labels(some, key="parcel", label="late", arrival="delivered_at", as_of=moment) for moment in moments
        ]
        results.add(tuple(table_digest(each) for each in active))
    return Outcome(f"{events:,} label events shuffled", times, Damage(torn=len(results) - 1))


def _broken(world: World, number: int, run_id: str) -> Damage:
    """A run that may fail, but only with an error that says: try again."""
    try:
        world.predict(world.window(number), run_id)
    except TransientError:
        return Damage()
    except PerennialError as error:
        raise AssertionError(f"a passing failure was taken for a lasting one: {error!r}") from error
    return Damage()


def _crash(postgres: EmbeddedPostgres, after: float) -> None:
    time.sleep(after)
    assert postgres.process is not None
    postgres.process.send_signal(signal.SIGQUIT)  # immediate shutdown, as a crash: recovery follows
    postgres.process.wait()
    postgres.start()


@contextmanager
def s3_world(world: World) -> Iterator[tuple[World, S3Proxy]]:
    """The world with a lake of its own on S3, behind a proxy; its ledger and published table are the same."""
    assert world.address.run is not None
    endpoint = shared_s3(world.address.run)
    bucket, place = new_bucket(endpoint, "lake"), urlsplit(endpoint)
    proxy = S3Proxy(place.hostname or "127.0.0.1", place.port or 80)
    options = storage_options(f"aws://key:secret@/?endpoint_url={proxy.url}&region_name=us-east-1")
    impatient = {**options, "TIMEOUT": "2s", "RETRY_TIMEOUT": "4s", "MAX_RETRIES": "2"}
    address = replace(world.address, lake_url=f"s3://{bucket}", lake_options=tuple(impatient.items()))
    try:
        yield address.open(), proxy
    finally:
        proxy.close()


@contextmanager
def small_disk(world: World) -> Iterator[Path]:
    """A folder with little room: a file system of its own where this process may mount one."""
    folder = world.address.root / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "tmpfs", str(folder)]
    mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True, check=False).returncode == 0
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def filled(disk: Path, leaving: int) -> Iterator[None]:
    """Inside, there is room for `leaving` bytes more; without a file system of its own, no file may be longer."""
    if not os.path.ismount(disk):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (leaving // 4, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)
        return
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        file.write(b"\0" * max(0, room.f_bavail * room.f_frsize - leaving))
    try:
        yield
    finally:
        ballast.unlink()
