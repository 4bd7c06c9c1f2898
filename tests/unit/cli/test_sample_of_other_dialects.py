"""`perennial check --sample` reads cells as the spec says that they are written, and finds nothing where nothing is."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit.cli.test_sample import HEADER, LABELS, Orders, label, row

from perennial.review.findings import Level


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path)


def respell(orders: Orders, *changes: tuple[str, str]) -> None:
    file = orders.folder / "use_case.yaml"
    spec = file.read_text()
    for old, new in changes:
        assert old in spec
        spec = spec.replace(old, new, 1)
    file.write_text(spec)


def test_null_texts_and_a_decimal_comma_that_the_spec_knows_are_no_findings(orders: Orders) -> None:
    respell(orders, ("format: csv}", "format: csv, csv: {delimiter: ';', decimal: ',', null_values: ['-', 'k.A.']}}"))
    changed = {0: {"amount": "-"}, 1: {"items": "K.A."}, 2: {"country": "-"}}
    lines = [row(n, **changed.get(n, {})).split(",") for n in range(60)]
    for cells in lines:
        cells[4] = "1,0" if cells[4] == "true" else "0,0"
    orders.rows([";".join(cells) for cells in lines], HEADER.replace(",", ";"))
    assert orders.found().findings == ()
    orders.rows([";".join(cells) for cells in [*lines, ["o60", *lines[0][1:3], "1,5", *lines[0][4:]]]],
                HEADER.replace(",", ";"))  # fmt: skip
    (found,) = orders.found().findings
    assert "column items holds" in found.problem


def test_a_label_file_may_call_the_key_as_the_spec_does_and_not_as_the_rows_do(orders: Orders) -> None:
    respell(orders, ("order_id: {", 'order_id: {from: "Order Id", '), ("ordered_at: {", 'ordered_at: {from: "When", '))
    orders.rows([row(n) for n in range(60)], HEADER.replace("order_id,ordered_at", "Order Id,When"))
    assert orders.found().findings == ()


def test_rows_that_another_window_finds_in_the_same_file_are_no_mistake(orders: Orders) -> None:
    """A local day lies in the files of two dates."""
    respell(orders, ("start: 2024-01-01}", "start: 2024-01-01, timezone: Europe/Berlin}"))
    night = [row(99, ordered_at="2024-01-05T23:30:00Z")]
    orders.rows([*[row(n) for n in range(60)], *night])
    (note,) = orders.found().findings
    assert (note.level, note.problem) == ("note", "1 row of 61 belong to other windows, which read these files, too")
    orders.rows([*[row(n) for n in range(60)], row(99, ordered_at="2024-01-09T23:30:00Z")])
    (found,) = orders.found().findings
    assert found.problem.startswith("1 row of 61 lie outside the window")
    assert "`reach: 1d`" in found.problem


def test_whole_numbers_beyond_64_bits_are_told(orders: Orders) -> None:
    respell(orders, ('pattern: "%Y-%m-%d*.csv", format: csv', 'pattern: "%Y-%m-%d*", format: parquet'))
    (orders.folder / "data" / "2024-01-05.csv").unlink()
    cells = list(zip(*[row(n).split(",") for n in range(60)], strict=True))
    table = pa.table(dict(zip(HEADER.split(","), map(list, cells), strict=True)))
    huge = pa.array([2**64 - 1] * 60, pa.uint64())
    pq.write_table(table.set_column(3, "items", huge), orders.folder / "data" / "2024-01-05.parquet")
    assert any("too large for 64 bits, so declare it categorical" in each.problem for each in orders.found().findings)


def test_labels_by_arrival_whose_keys_come_again_are_told(orders: Orders) -> None:
    respell(orders, ("  mature_after: 1d", "  mature_after: 1d\n  dated_by: arrival_time"))
    for day in range(5, 9):
        lines = [label(n, known_at=f"2024-01-0{day}T12:00:00Z") for n in range(60)]
        (orders.folder / "labels" / f"2024-01-0{day}.csv").write_text("\n".join([LABELS, *lines, ""]))
    (found,) = orders.found().findings
    assert found.level is Level.WARNING
    assert found.line == orders.line_of("dated_by")
    assert "with 240 labels: by arrival time they are matched by the key alone" in found.problem
