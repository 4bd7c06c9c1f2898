"""A world in which every gauge has a value, and its recording: `python -m tests.unit.telemetry.everything` makes it."""

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.contract.test_ledger import deployment
from tests.contract.test_ledger_approvals import asked
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.pages.asking import live
from tests.unit.telemetry.read import NOW

from perennial.jobs.evaluate import collect_labels, measure
from perennial.ledger.entries import AlertNotice, DeployedRole, HumanLabel, ReviewSelection
from perennial.review.airflow_state import DagState
from perennial.spec.load import load_use_case
from perennial.telemetry import gauges
from perennial.telemetry.samples import as_text

RECORDED = Path(__file__).with_name("recorded.prom")
ROUTES = "alerts:\n  - {connection: alerts_hook, arguments: {endpoint: x}}\n"
DAGS = {
    f"parcels.{kind}": DagState(f"parcels.{kind}", paused=kind == "evaluate", waiting=int(kind == "retrain"))
    for kind in ("predict", "evaluate", "retrain", "rollback")
}


def with_everything(folder: Path) -> World:
    """The world, with labels, a roll-out, an open approval, questions to people, and a message that waits."""
    world = live(make_world(folder))
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, "test")
    world = asking(world)
    ledger, window = world.ports.ledger, world.day(30)
    ledger.deploy(deployment("parcels", 2, share=5, role=DeployedRole.CHALLENGER, salt="x"))
    ledger.record_approval_request(asked("parcels"))
    question = {"prediction": 0.5, "probability": 0.1, "doubtful": False, "uniform": True, "model_digest": "m"}
    questions = tuple({"entity": str(number), **question} for number in range(3))
    ledger.record_selection(ReviewSelection("parcels", window, 1, 180, 0, questions, "r"))
    ledger.record_human_label(
        HumanLabel("parcels", window, "1", "ann", NOW - timedelta(days=9), 1.0, 1, "m", 0.1, "page", "r")
    )
    route = world.use_case.spec.alerts[0].name
    ledger.record_notice(AlertNotice("parcels", route, 1, NOW, ({"event": "raised"},), {}, "r"))
    return world


def asking(world: World) -> World:
    """The world with a spec that asks people, and that tells somebody."""
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(f"{SPEC}\nreview: {{random_share: 0.1}}\n{ROUTES}")
    return replace(world, use_case=load_use_case(world.use_case.folder))


def recorded(world: World) -> bytes:
    """Its gauges, as Prometheus gets them."""
    return as_text(gauges.run([world.use_case.spec], NOW, world.ports.ledger, DAGS))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        RECORDED.write_bytes(recorded(with_everything(Path(folder))))
