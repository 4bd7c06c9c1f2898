"""The gauges of the use cases that the reader may see, in Prometheus' text format."""

from perennial import clock
from perennial.errors import InvalidSpec
from perennial.pages.asked import Answer, Asked
from perennial.ports import Ports
from perennial.review.airflow_state import by_dag_id
from perennial.settings import Settings
from perennial.spec.load import load_again, use_case_names
from perennial.telemetry import gauges
from perennial.telemetry.samples import CONTENT_TYPE, as_text

OK = 200


def run(asked: Asked, settings: Settings, ports: Ports) -> Answer:
    """The gauges; of a use case whose spec has errors, only that it has some. Of one that has ended, none."""
    specs, broken = [], 0
    for name in use_case_names(settings.use_cases):
        if name not in asked.use_cases:
            continue
        try:
            loaded = load_again(settings.use_cases / name)
        except InvalidSpec:
            broken += 1
            continue
        if loaded.ended is None:
            specs.append(loaded.spec)
    found = gauges.run(specs, clock.now(), ports.ledger, by_dag_id(asked.dags), broken)
    return Answer(OK, CONTENT_TYPE, as_text(found))
