"""A value of a gauge, and how values are written as text for Prometheus."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from perennial.telemetry.catalogue import GAUGES, full_name

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


@dataclass(frozen=True)
class Sample:
    """One value of the gauge of that name, at the values of its labels, in the order of `Gauge.labels`."""

    name: str
    labels: tuple[str, ...]
    value: float


def at(name: str, moment: datetime, *labels: str) -> Sample:
    """A moment, as Prometheus has it: in seconds since 1970."""
    return Sample(name, labels, moment.timestamp())


def states(name: str, labels: tuple[str, ...], known: Iterable[str], current: str | None) -> Iterator[Sample]:
    """1 for the state that holds, 0 for the others, so that a state that ended is seen to have ended."""
    for state in known:
        yield Sample(name, (*labels, state), float(state == current))


def as_text(samples: Iterable[Sample]) -> bytes:
    """The samples in Prometheus' text format, by gauge. A value that is no number is left out.

    Errors: `KeyError` for a gauge that is not in the catalogue, `ValueError` for other labels than it has there.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Answer(samples))
    return generate_latest(registry)


class _Answer(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._families = {
            name: GaugeMetricFamily(full_name(name), gauge.says, labels=gauge.labels) for name, gauge in GAUGES.items()
        }
        for sample in samples:
            if len(sample.labels) != len(GAUGES[sample.name].labels):
                raise ValueError(f"{sample} needs values of the labels {GAUGES[sample.name].labels}")
            if not math.isnan(sample.value):
                self._families[sample.name].add_metric(sample.labels, sample.value)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Those that have a value."""
        yield from (family for family in self._families.values() if family.samples)
