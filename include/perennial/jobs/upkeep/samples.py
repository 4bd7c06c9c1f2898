"""Samples: cells that verdicts name are taken out of the ledger once they are as old as the spec keeps them.

These are examples of values that broke an expectation, and what the clean rows of a window were like. The verdicts
stay, with their reasons and numbers. Each window's change is recorded beside it, and what was done in all comes last:
so a run that was killed is done again, from where the last finished one ended.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from perennial.ledger.entries import Intervention, InterventionKind
from perennial.ledger.port import Ledger
from perennial.ledger.redacting import Named, named_in
from perennial.ports import Ports
from perennial.records.retained import SAMPLES, UNTIL
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase
from perennial.spec.training import in_days
from perennial.window import Window

log = logging.getLogger(__name__)

NOBODY = ""  # no entity is called so: nothing but values is taken out


@dataclass(frozen=True)
class OldSamples:
    """The windows whose verdicts name cells and are that old, and how many verdicts those are."""

    what: str
    windows: int
    validations: int
    reason: str


def plan(use_case: LoadedUseCase, as_of: datetime, ports: Ports) -> list[OldSamples]:
    """What `run` would take out; empty where that is nothing. Errors: `StoreUnavailable`."""
    age = use_case.spec.retention.samples
    if not isinstance(age, timedelta):
        return []
    found = list(_old(use_case.spec, as_of - age, ports.ledger))
    return [_said(age, len(found), sum(number for _, _, number in found))] if found else []


def run(use_case: LoadedUseCase, as_of: datetime, ports: Ports, run_id: str, *, actor: str) -> list[OldSamples]:
    """Take them out, and record it. Errors: `StoreUnavailable`."""
    name, age = use_case.name, use_case.spec.retention.samples
    if not isinstance(age, timedelta):
        return []
    until, windows, validations = as_of - age, 0, 0
    for window, named, _ in _old(use_case.spec, until, ports.ledger):
        done = ports.ledger.redact(name, window, NOBODY, named, subject=SAMPLES, run_id=run_id)
        windows += 1
        validations += done.validations if done else 0
    if not windows:
        return []
    said = _said(age, windows, validations)
    ports.ledger.record_intervention(
        Intervention(
            use_case=name,
            kind=InterventionKind.FILES_REMOVED,
            subject=SAMPLES,
            actor=actor,
            reason=said.reason,
            details={UNTIL: until.isoformat(), "age": in_days(age), "windows": windows, "validations": validations},
            run_id=run_id,
        )
    )
    log.info("%s: %s of %d verdicts on %d windows were removed: %s", name, SAMPLES, validations, windows, said.reason)
    return [said]


def _said(age: timedelta, windows: int, validations: int) -> OldSamples:
    return OldSamples(SAMPLES, windows, validations, f"samples older than {in_days(age)}")


def _old(spec: UseCase, until: datetime, ledger: Ledger) -> Iterator[tuple[Window, Named, int]]:
    """The windows that ended by then and were not looked at before, whose verdicts name cells: which, in how many."""
    done = ledger.interventions(spec.name, InterventionKind.FILES_REMOVED, subject=SAMPLES)
    since = max((datetime.fromisoformat(each.details[UNTIL]) for each in done), default=spec.start)
    start = max(spec.start, spec.grid.containing(since).start)
    for last in ledger.validations_between(spec.name, start, until):
        names = [named_in(each.result) for each in ledger.validations(spec.name, last.window)]
        together: dict[str, list[object]] = {}
        for named in names:
            for column, values in named.items():
                together.setdefault(column, []).extend(values)
        if together:
            yield last.window, together, sum(map(bool, names))
