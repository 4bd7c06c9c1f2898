"""A small use case on files of the last days, for what becomes of days that nobody scored."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from perennial.window import Window

ROWS = 60  # a day
DAYS = 16  # before today
DOWN = 6  # the last of them, from the first model on

SPEC = """
name: {name}
title: What an order will cost to pack
owner: warehouse
task: regression
schedule: {{every: day, start: {start}, gaps: {gaps}}}
source: {{type: files, path: data, pattern: "%Y-%m-%d.csv", format: csv}}
columns:
  order: {{kind: integer, role: key}}
  ordered_at: {{kind: timestamp, role: event_time}}
  items: {{kind: numeric}}
labels:
  source: {{type: files, path: costs, pattern: "%Y-%m-%d.csv", format: csv}}
  column: cost
  arrival_time: packed_at
  mature_after: 1h
training:
  history: 10d
  holdout: 3d
  min_rows: 200
  metric: mae
  candidates: [{{name: line, estimator: linear}}]
"""
EXPECTATIONS = """
expectations: [{type: expect_column_values_to_be_between, kwargs: {column: items, min_value: 0}}]
"""


@dataclass(frozen=True)
class Orders:
    """The use case, and the day of its first model: none after it was scored."""

    name: str
    down_since: date

    @property
    def missing(self) -> list[Window]:
        """The windows that should have been scored since."""
        return [day_of(self.down_since + timedelta(days=number)) for number in range(DOWN)]


def write_orders(use_cases: Path, name: str, gaps: str, today: date) -> Orders:
    """Write the use case with all its rows and costs; a cost is known a minute after its order."""
    folder = use_cases / name
    for part in ("data", "costs"):
        (folder / part).mkdir(parents=True)
    first = today - timedelta(days=DAYS)
    for number in range(DAYS):
        day = first + timedelta(days=number)
        rows, costs = ["order,ordered_at,items"], ["order,ordered_at,cost,packed_at"]
        for row in range(ROWS):
            at = datetime.combine(day, time(12, row), UTC)
            key, items = number * ROWS + row, 1 + row % 7 + number % 2 / 10
            rows.append(f"{key},{at.isoformat()},{items}")
            costs.append(f"{key},{at.isoformat()},{2 * items + row % 3 * 3},{(at + timedelta(minutes=1)).isoformat()}")
        (folder / "data" / f"{day}.csv").write_text("\n".join(rows) + "\n")
        (folder / "costs" / f"{day}.csv").write_text("\n".join(costs) + "\n")
    (folder / "expectations.yaml").write_text(EXPECTATIONS)
    (folder / "use_case.yaml").write_text(SPEC.format(name=name, start=first, gaps=gaps))
    return Orders(name, today - timedelta(days=DOWN))


def day_of(day: date) -> Window:
    start = datetime.combine(day, time(), UTC)
    return Window(start, start + timedelta(days=1))
