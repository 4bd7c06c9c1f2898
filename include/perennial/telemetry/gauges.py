"""All gauges of several use cases, as of now."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version

from perennial.ledger.port import Ledger
from perennial.review.airflow_state import DagState
from perennial.spec.models import UseCase
from perennial.telemetry import facts, models, people, windows
from perennial.telemetry.samples import Sample


def run(
    specs: Sequence[UseCase], now: datetime, ledger: Ledger, dags: Mapping[str, DagState] | None = None, broken: int = 0
) -> list[Sample]:
    """The values as the ledger, and by `dags` Airflow, know them now; `broken` use cases have a wrong spec.

    Errors: `StoreUnavailable`.
    """
    known = facts.read(specs, now, ledger, dags or {})
    return [*_of_all(specs, broken), *(sample for each in known for sample in _of_one(each))]


def _of_all(specs: Sequence[UseCase], broken: int) -> Iterator[Sample]:
    yield Sample("build_info", (version("perennial"),), 1)
    yield Sample("specs_broken", (), broken)
    for spec in sorted(specs, key=lambda each: each.name):
        yield Sample("use_case_info", (spec.name, spec.owner, spec.training.metric, spec.schedule.every), 1)


def _of_one(known: facts.Facts) -> Iterator[Sample]:
    for part in (windows, models, people):
        yield from part.samples(known)
