"""The gauges of a world as Prometheus' own parser reads them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.jobs.world import START

from perennial.review.airflow_state import DagState
from perennial.telemetry import gauges
from perennial.telemetry.samples import as_text

NOW = START + timedelta(days=46, hours=1)

Labels = frozenset[tuple[str, str]]
Read = Mapping[tuple[str, Labels], float]


def parsed(text: bytes) -> dict[tuple[str, Labels], float]:
    """By name and labels. Errors: `ValueError` for what is not in the format."""
    found: dict[tuple[str, Labels], float] = {}
    for family in text_string_to_metric_families(text.decode()):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, f"{key} is told twice"
            found[key] = sample.value
    return found


def read(world: Any, now: datetime = NOW, dags: Mapping[str, DagState] | None = None) -> Read:
    """The gauges of the world's use case."""
    return parsed(as_text(gauges.run([world.use_case.spec], now, world.ports.ledger, dags)))


def value(told: Read, name: str, **labels: str) -> float:
    """The value of a gauge of the use case."""
    return told[f"perennial_{name}", frozenset({"use_case": "parcels", **labels}.items())]


def names(told: Read) -> set[str]:
    """The names that have a value, without the namespace."""
    return {name.removeprefix("perennial_") for name, _ in told}
