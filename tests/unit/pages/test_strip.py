"""The strip of the last windows: its third lane is performance, pale until its labels are complete."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from perennial.pages.charts.windows import small_strip, state_word, strip, strip_lanes
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing
from perennial.review.timeline import WindowState
from perennial.verdict import Verdict
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
GOOD = WindowState(
    window=Window(START, START + timedelta(days=1)), validation=Verdict.PASS, drift=Verdict.PASS, drift_p_value=0.5,
    performance=Verdict.PASS, maturity=Maturity.FINAL, value=0.7, low=0.6, high=0.8, completeness=1.0, rows=900,
    rows_quarantined=0, rows_late=0, model_version="3", revision=1, run_id="run", recorded_at=START, missing=False,
    empty=False, standing=Standing.AS_EXPECTED,
)  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "pass"),
        ({"standing": Standing.WORSE}, "warn"),
        ({"standing": Standing.FAR_WORSE}, "fail"),
        ({"standing": None}, "now"),
        ({"maturity": Maturity.PARTIAL}, "pass early"),
        ({"maturity": Maturity.PARTIAL, "standing": Standing.FAR_WORSE}, "fail early"),
        ({"maturity": Maturity.OVERDUE}, "overdue"),
        ({"value": None, "standing": None, "maturity": Maturity.ESTIMATED}, "none"),
        ({"value": None, "standing": None, "maturity": None}, "none"),
        ({"missing": True, "maturity": None}, "missing"),
    ],
)
def test_the_third_lane_is_performance(changes: dict[str, object], kind: str) -> None:
    assert strip_lanes(replace(GOOD, **changes))[2] == kind  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, "scored by version 3, no drift, labels final, 100% of rows"),
        ({"rows_quarantined": 1}, "scored by version 3 (1 row set aside), no drift, labels final, 100% of rows"),
        ({"drift": None, "maturity": None}, "scored by version 3, drift not looked at, no labels yet"),
        ({"revision": None, "validation": Verdict.FAIL}, "refused by validation, not scored"),
        ({"revision": None}, "validated, not scored yet"),
        ({"revision": None, "validation": None}, "read, not validated yet"),
        ({"missing": True}, "missing"),
        ({"empty": True}, "no rows"),
    ],
)
def test_every_state_has_words(changes: dict[str, object], word: str) -> None:
    assert state_word(replace(GOOD, **changes)) == word  # type: ignore[arg-type]


def test_a_cell_says_what_it_is_and_a_line_of_a_table_draws_each_kind_once() -> None:
    windows = [GOOD, replace(GOOD, standing=Standing.WORSE), GOOD]
    large = strip(windows, lambda state: f"/windows/{state.window.key}")
    assert large.count("<a href=") == 3
    assert "performance 0.7, worse than expected" in large
    small = small_strip(windows)
    assert small.count("<path ") == 2
    assert small.count("M") == 9
    assert 'aria-label="3 windows: 0 refused by validation, 0 drifted, 0 missing"' in small
    assert "<svg" in small_strip([])


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        ({}, []),
        ({"validation": Verdict.FAIL}, ["cross"]),
        ({"validation": Verdict.WARN}, ["slash"]),
        ({"validation": Verdict.WARN, "drift": Verdict.FAIL}, ["cross", "slash"]),
        ({"drift": Verdict.INSUFFICIENT}, ["dash"]),
        ({"standing": None}, ["tick"]),
        ({"maturity": Maturity.OVERDUE}, ["due"]),
        ({"missing": True}, []),  # its outline is dashed
    ],
)
def test_a_state_is_told_by_a_shape_too(changes: dict[str, object], shapes: list[str]) -> None:
    drawn = strip([replace(GOOD, **changes)], lambda _: "/")  # type: ignore[arg-type]
    assert sorted(re.findall(r'<path class="(\w+)"', drawn)) == shapes
