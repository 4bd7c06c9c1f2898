"""How often a proposed suite fails in windows like those that it was told from: seldom. Observed extremes often do."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from tests.unit.jobs.world import SPEC

from perennial.quality.chunks import Chosen
from perennial.quality.proposals.proposal import Looked, Proposal, held_out
from perennial.quality.proposals.propose import propose
from perennial.quality.proposals.seen import WindowSeen, look
from perennial.quality.proposals.unmet import unmet
from perennial.quality.schema import canonical_schema
from perennial.spec.expectations import Expectation
from perennial.spec.models import UseCase
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
LEARNT, AFTER = 30, 100
RARE = [0.3, 0.3, 0.2, 0.1, 0.05, 0.04, 0.0095, 0.0005]
COLUMNS: dict[str, tuple[str, int, Callable[[np.random.Generator, int], Any]]] = {
    "normal": ("numeric", 8, lambda random, rows: random.normal(10, 2, rows)),
    "lognormal": ("numeric", 8, lambda random, rows: random.lognormal(3, 1, rows)),
    "pareto": ("numeric", 4, lambda random, rows: 10 * (1 + random.pareto(2, rows))),
    "exponential": ("numeric", 4, lambda random, rows: random.exponential(5, rows)),
    "poisson": ("integer", 4, lambda random, rows: random.poisson(3, rows)),
    "minute": ("integer", 4, lambda random, rows: random.integers(0, 1440, rows)),
    "category": ("categorical", 6, lambda random, rows: random.choice(list("abcdefgh"), rows, p=RARE)),
    "code": ("categorical", 4, lambda random, rows: [f"AB{n:05}" for n in random.integers(0, 10**5, rows)]),
}
MISSING = (0.05, 0.002, 0.0)


def world() -> tuple[UseCase, dict[str, Callable[[np.random.Generator, int], Any]]]:
    document = yaml.safe_load(SPEC)
    draws = {f"{name}{n}": draw for name, (_, count, draw) in COLUMNS.items() for n in range(count)}
    kinds = {f"{name}{n}": kind for name, (kind, count, _) in COLUMNS.items() for n in range(count)}
    document["columns"] |= {name: {"kind": kind, "role": "carry"} for name, kind in kinds.items()}
    return UseCase.model_validate(document), draws


def test_one_window_in_twenty_at_most_has_a_false_alarm() -> None:
    spec, draws = world()
    schema, random = canonical_schema(spec), np.random.default_rng(5)

    def rows_of(day: int) -> pa.Table:
        rows = int(random.poisson(900 if day % 7 < 5 else 500))
        cells: dict[str, Any] = {
            "parcel": np.arange(rows),
            "sent_at": [START + timedelta(days=day)] * rows,
            "weight": np.zeros(rows),
            "service": ["air"] * rows,
        }
        for place, (name, draw) in enumerate(draws.items()):
            cells[name] = pa.array(draw(random, rows), mask=random.random(rows) < MISSING[place % 3])
        return pa.table(
            {name: pa.chunked_array([pa.array(cells[name])]).cast(schema.field(name).type) for name in cells}
        )

    days = [Window(START + timedelta(days=n), START + timedelta(days=n + 1)) for n in range(LEARNT)]
    seen = [look(spec, day, Chosen.of(rows_of(number))) for number, day in enumerate(days)]
    looked = Looked(seen, LEARNT - held_out(LEARNT), [number % 7 for number in range(LEARNT)])
    proposals, _ = propose(spec, looked)
    assert len(proposals) == 88
    later = [look(spec, days[-1], Chosen.of(rows_of(number))) for number in range(LEARNT, LEARNT + AFTER)]
    assert share_alarmed(proposals, later) <= 0.05
    extremes = [
        Expectation(
            type="expect_column_values_to_be_between",
            kwargs={
                "column": name,
                "min_value": min(window.columns[name].low for window in seen),
                "max_value": max(window.columns[name].high for window in seen),
            },
        )
        for name in draws
        if spec.columns[name].kind in ("numeric", "integer")
    ]
    assert share_alarmed([Proposal(each, "", ()) for each in extremes], later) > 0.5


def share_alarmed(proposals: Sequence[Proposal], windows: Sequence[WindowSeen]) -> float:
    """The share of the windows that don't meet one of the proposals at least."""
    return sum(any(unmet(each, window) for each in proposals) for window in windows) / len(windows)
