"""One message delivered twice: what a queue does when a task takes longer than its visibility timeout (celery#5935).

Every task of a use case's life is executed three times with one run id and one window: twice at once in processes of
their own, shifted by a random moment, and once more after both, as those of the predict, evaluate and retrain DAGs and
of the telling of alerts are.
"""

import fcntl
import pickle
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg2
from tests.faults import receivers
from tests.faults.outcome import Damage, Outcome
from tests.faults.steps import fork_context, shown
from tests.faults.world import NAME, Address, World
from tests.servers import WatchedPostgres
from tests.unit.jobs.world import RECORDED, ROWS, make_world, new_world
from tests.unit.jobs.world import World as Parcels
from tests.waiting import PATIENCE

from perennial.artifacts.store import ArtifactStore
from perennial.digest import table_digest
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.predict import ingest, monitor, score, validate
from perennial.jobs.retrain import assemble, chain, deploy, judge, train
from perennial.jobs.retrain.judge import Judged
from perennial.jobs.retrain.train import Outcome as Trained
from perennial.lake.delta import DeltaLake
from perennial.lake.port import labels_table
from perennial.ledger.entries import DecisionKind, DeployedRole
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ledger.postgres.schema import migrate
from perennial.published.postgres import PostgresPublished
from perennial.records.model_choice import ModelChoice
from perennial.registry.memory import MemoryRegistry
from perennial.spec.load import load_use_case

FIRST_MODEL, SECOND_MODEL = 30, 58
DAYS = (58, 59)  # long after the world has shifted: these windows drift
EVALUATED = DAYS[-1] + 3
Task = Callable[[Parcels, str], object]


class SharedRegistry:
    """The registry in memory, kept in a file that processes take turns with."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self._asked, name)

    def _asked(self, name: str, *arguments: Any, **named: Any) -> Any:
        with self._file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            registry = MemoryRegistry()
            if self._file.exists():
                vars(registry).update(pickle.loads(self._file.read_bytes()))
            answer = getattr(registry, name)(*arguments, **named)
            self._file.write_bytes(pickle.dumps(vars(registry)))
            return answer


@dataclass(frozen=True)
class Life:
    """Where the stores of a use case's life are: enough for another process to open them."""

    home: Path
    folder: Path
    url: str

    @contextmanager
    def open(self) -> Iterator[Parcels]:
        plain = new_world(load_use_case(self.home / NAME))
        ledger = PostgresLedger(self.url, lambda: RECORDED, lock_timeout=PATIENCE)
        ports = replace(
            plain.ports,
            ledger=ledger,
            lake=DeltaLake(str(self.folder / "lake"), {}),
            artifacts=ArtifactStore(str(self.folder / "lake" / "artifacts"), {}),
            published=PostgresPublished(self.url),
            registry=SharedRegistry(self.folder / "registry"),
        )
        yield replace(plain, ports=ports)
        ledger.close()


def delivered_again(world: World, times: int, seed: int, postgres: WatchedPostgres) -> Outcome:
    """So many messages, rounded up to whole lives.

    `doubled` are entries, rows, versions or alerts that are there twice, `torn` executions that failed, `lost` what is
    not there at all, `stale` stores that differ.
    """
    chance, damage, seconds = random.Random(seed), Damage(), []
    root = world.address.root / "deliveries"
    root.mkdir()
    make_world(root)
    first = Life(root, root / "first", postgres.url(postgres.new_database("deliveries")))
    first.folder.mkdir()
    migrate.upgrade(first.url)
    with first.open() as began:
        tried, training_id = _prepared(began)
    while len(seconds) < times:
        number = len(seconds)
        copy = postgres.new_database("life", first.url.rpartition("/")[2])
        life = Life(root, root / f"life {number}", postgres.url(copy))
        shutil.copytree(first.folder, life.folder)
        judged: Judged | None = None
        for name, task in _tasks(training_id, tried):
            began_at = time.monotonic()
            given = partial(task, judged=judged) if name == "deploy" else task
            damage += _twice_at_once(partial(_execute, life, given, name), chance)
            with life.open() as own:  # and once more, after both
                answer = given(own, name)
            judged = answer if isinstance(answer, Judged) else judged
            seconds.append(time.monotonic() - began_at)
        with life.open() as own:
            damage += _audit(own, life.url)
        began_at = time.monotonic()
        damage += _told_twice(world, life.url, chance)
        seconds.append(time.monotonic() - began_at)
        shutil.rmtree(life.folder)
    return Outcome("a task's message delivered again", len(seconds), damage)


def _prepared(own: Parcels) -> tuple[list[Trained], str]:
    """A first model in service, and candidates for the next that wait for their judge."""
    use_case, ports = own.use_case, own.ports
    chain.run(use_case, own.day(FIRST_MODEL).start, ports, "first", actor="faults", reason="first")
    set_ = assemble.run(use_case, own.day(SECOND_MODEL).start, ports, "second")
    names = [each.name for each in use_case.spec.training.candidates]
    return [train.run(use_case, set_.training_id, name, ports, "second") for name in names], set_.training_id


def _tasks(training_id: str, tried: Sequence[Trained]) -> Iterator[tuple[str, Callable[..., object]]]:
    for day in DAYS:
        yield f"ingest {day}", partial(_ingest, day=day)
        yield f"validate {day}", partial(_validate, day=day)
        yield f"score {day}", partial(_score, day=day)
        yield f"monitor {day}", partial(_monitor, day=day)
    yield "collect labels", _collect
    yield "measure", _measure
    yield "assemble", _assemble
    yield "judge", partial(_judge, training_id=training_id, tried=tried)
    yield "deploy", _deploy


def _ingest(own: Parcels, run_id: str, *, day: int) -> object:
    return ingest.run(own.use_case, own.day(day), own.ports, run_id)


def _validate(own: Parcels, run_id: str, *, day: int) -> object:
    return validate.run(own.use_case, own.day(day), own.ports, run_id)


def _score(own: Parcels, run_id: str, *, day: int) -> object:
    return score.run(own.use_case, own.day(day), own.ports, run_id, model=ModelChoice())


def _monitor(own: Parcels, run_id: str, *, day: int) -> object:
    return monitor.run(own.use_case, own.day(day), own.ports, run_id)


def _collect(own: Parcels, run_id: str) -> object:
    return collect_labels.run(own.use_case, own.day(EVALUATED).start, own.ports, run_id)


def _measure(own: Parcels, run_id: str) -> object:
    return measure.run(own.use_case, own.day(EVALUATED).start, own.ports, run_id)


def _assemble(own: Parcels, run_id: str) -> object:
    return assemble.run(own.use_case, own.day(SECOND_MODEL).start, own.ports, run_id)


def _judge(own: Parcels, run_id: str, *, training_id: str, tried: Sequence[Trained]) -> Judged:
    return judge.run(own.use_case, training_id, tried, own.ports, run_id)


def _deploy(own: Parcels, run_id: str, *, judged: Judged) -> object:
    return deploy.run(own.use_case, judged, own.ports, run_id, actor="faults", reason="better")


def _execute(life: Life, task: Task, run_id: str) -> None:
    with shown(Address(life.folder, life.url, life.url, ""), run_id), life.open() as own:
        task(own, run_id)


def _twice_at_once(execution: Callable[[], None], chance: random.Random) -> Damage:
    """Both executions; the second begins up to a third of a second after the first."""
    context = fork_context()
    started = [context.Process(target=execution) for _ in range(2)]
    started[0].start()
    time.sleep(chance.choice((0.0, chance.uniform(0.0, 0.3))))
    started[1].start()
    for process in started:
        process.join(PATIENCE)
    return Damage(torn=sum(process.exitcode != 0 for process in started))


def _told_twice(world: World, url: str, chance: random.Random) -> Damage:
    """An alert of this life, told by two tasks at once and by a third after them."""
    address = replace(world.address, ledger_url=url)
    receiver = receivers.Receiver()
    with receivers.listening(receiver) as port:
        damage = _twice_at_once(partial(_tell, address, port), chance)
        receivers.tell(address, port, 0)
    own = address.open()
    damage += receivers.audit(own, receiver.taken, 1)
    own.ledger.close()
    return damage


def _tell(address: Address, port: int) -> None:
    receivers.tell(address, port, 0)


def _audit(own: Parcels, url: str) -> Damage:
    """What the stores hold of a life, against what one execution of each task leaves."""
    ledger, damage = own.ports.ledger, Damage()
    start, end = own.day(DAYS[0]).start, own.day(DAYS[-1]).end
    once = Counter[str]()
    with psycopg2.connect(url) as session, session.cursor() as cursor:
        for table in ("snapshots", "validations", "batches", "drift_reports", "performance"):
            cursor.execute(
                f"SELECT count(*) FROM ledger.{table} WHERE window_start >= %s AND window_end <= %s", (start, end)
            )
            once[table] = cursor.fetchone()[0] - len(DAYS)
        cursor.execute("SELECT count(*), count(DISTINCT parcel) FROM perennial.predictions_parcels")
        rows, distinct = cursor.fetchone()
        once["published rows"] = rows - distinct
        cursor.execute("SELECT count(*) FROM ledger.interventions")
        once["interventions"] = cursor.fetchone()[0]
    session.close()
    champions = [each for each in ledger.deployments(NAME) if each.role is DeployedRole.CHAMPION]
    once["deployments"] = len(champions) - 2
    once["versions"] = len(own.ports.registry.versions(NAME)) - 2
    once["promotions"] = len(ledger.decisions(NAME, DecisionKind.PROMOTE)) - 2
    kinds = (DecisionKind.RETRAIN_ON_DRIFT, DecisionKind.RETRAIN_ON_PERFORMANCE)
    asked = [decision for kind in kinds for decision in ledger.decisions(NAME, kind)]
    once["retrainings asked for"] = max(0, sum(each.action == "retrain" for each in asked) - 1)
    for window in map(own.day, DAYS):
        live = ledger.latest_batch(NAME, window)
        assert live is not None
        stores = {
            table_digest(own.ports.lake.read(live.table, window.key, version=live.version)),
            table_digest(own.ports.lake.read(live.table, window.key)),
            own.ports.published.digest(NAME, window),
        }
        labels = own.ports.lake.read(labels_table(NAME), window.key)
        once["labels"] += labels.num_rows - ROWS
        damage += Damage(stale=len(stores) - 1)
    alias = own.ports.registry.alias(NAME, DeployedRole.CHAMPION)
    damage += Damage(stale=int(alias != champions[-1].model_version), lost=len(DAYS) * ROWS - distinct)
    return damage + Damage(
        doubled=sum(each for each in once.values() if each > 0), lost=-sum(each for each in once.values() if each < 0)
    )
