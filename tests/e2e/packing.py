"""A small use case in roll-out: packing takes another time from one day on, and later the old time again.

So a model of the new times is surely better for a while, and surely worse afterwards. Outcomes are known a minute after
their order, so that a window is final an hour after its end.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from tests.e2e.orders import day_of

from perennial.window import Window

NAME, TITLE = "packing", "How long an order takes to pack"
ROWS = 60  # a day
OLD, NEW = 2.0, 5.0  # minutes an item
CHANGED, BEGUN, BACK, END = 10, 20, 34, 44  # days: times changed, the retraining, times are the old ones, no more data
CANARY = 25  # percent of the rows

SPEC = """
name: {name}
title: {title}
owner: warehouse
task: regression
schedule: {{every: day, start: {start}, end: {end}}}
source: {{type: files, path: data, pattern: "%Y-%m-%d.csv", format: csv}}
columns:
  order: {{kind: integer, role: key}}
  ordered_at: {{kind: timestamp, role: event_time}}
  items: {{kind: numeric}}
labels:
  source: {{type: files, path: times, pattern: "%Y-%m-%d.csv", format: csv}}
  column: minutes
  arrival_time: packed_at
  mature_after: 1h
training:
  history: 10d
  holdout: 4d
  min_rows: 200
  metric: mae
  candidates: [{{name: line, estimator: linear}}]
monitoring: {{cooldown: 90d, max_age: null}}
rollout: {{shadow: 7d, canary: [{canary}]}}
"""
RISK = """
risk: {purpose: When trucks leave., impact: high, likelihood: medium, autonomy: advises, personal_data: false}
"""
EXPECTATIONS = """
expectations: [{type: expect_column_values_to_be_between, kwargs: {column: items, min_value: 0}}]
"""


@dataclass(frozen=True)
class Packing:
    """The use case, and its first day."""

    folder: Path
    first: date

    def day(self, number: int) -> date:
        return self.first + timedelta(days=number)

    def window(self, number: int) -> Window:
        return day_of(self.day(number))

    def ask_people(self) -> None:
        """From now on a person must approve a new model."""
        path = self.folder / "use_case.yaml"
        path.write_text(path.read_text() + RISK)


def write_packing(use_cases: Path, today: date) -> Packing:
    """Write the use case with all its rows and times, at first without any risk."""
    folder = use_cases / NAME
    for part in ("data", "times"):
        (folder / part).mkdir(parents=True)
    found = Packing(folder, today - timedelta(days=END + 1))
    random = np.random.default_rng(11)
    for number in range(END):
        start = found.window(number).start
        pace = NEW if CHANGED <= number < BACK else OLD
        rows, times = ["order,ordered_at,items"], ["order,ordered_at,minutes,packed_at"]
        for row in range(ROWS):
            key, at = number * ROWS + row, start + timedelta(hours=12, minutes=row)
            items = random.uniform(1, 8)
            rows.append(f"{key},{at.isoformat()},{items:.3f}")
            minutes, packed = pace * items + random.normal(0, 3), at + timedelta(minutes=1)
            times.append(f"{key},{at.isoformat()},{minutes:.3f},{packed.isoformat()}")
        (folder / "data" / f"{found.day(number)}.csv").write_text("\n".join(rows) + "\n")
        (folder / "times" / f"{found.day(number)}.csv").write_text("\n".join(times) + "\n")
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    dates = {"start": found.first, "end": found.day(END)}
    (folder / "use_case.yaml").write_text(SPEC.format(name=NAME, title=TITLE, canary=CANARY, **dates))
    return found
