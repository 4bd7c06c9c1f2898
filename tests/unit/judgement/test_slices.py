"""Slices: who is worse, who could not be judged, and how often an equal challenger is refused."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.bench.promotion_errors import World

from perennial.judgement.compare import compare
from perennial.judgement.multiplicity import holm
from perennial.judgement.rows import Scored
from perennial.judgement.slices import MISSING, MOST_SLICES, OTHER, SlicesJudged, SliceStanding, judge_slices


def judged(world: World, days: int = 14, seed: int = 1, margin: float = 0.0, metric: str = "roc_auc") -> SlicesJudged:
    holdout = world.holdout(days, seed)
    columns = {"origin": holdout.origin.tolist(), "carrier": holdout.carrier.tolist()}
    return judge_slices(metric, holdout.scored(), columns, {"origin": margin, "carrier": margin})


def test_the_slice_that_gets_worse_is_named_with_its_numbers() -> None:
    found = judged(World(rows=400, level=0.2, harmed=6.0))
    assert found.refused
    harmed = found.of(SliceStanding.WORSE)[0]  # carriers that fly from there may be, too
    assert (harmed.name, harmed.column, harmed.value) == ("origin LGA", "origin", "LGA")
    assert not {"origin EWR", "origin JFK"} & {each.name for each in found.of(SliceStanding.WORSE)}
    assert harmed.comparison is not None
    assert harmed.comparison.high < 0
    assert harmed.p_value is not None
    assert harmed.p_value < 0.05
    assert found.reasons[0] == harmed.reason
    assert harmed.reason.startswith("origin LGA: the challenger has ROC AUC 0.")
    assert "worse by more than the margin of 0, beyond chance (p = " in harmed.reason


def test_a_margin_allows_for_a_loss_that_does_not_matter() -> None:
    found = judged(World(rows=400, level=0.2, harmed=6.0), margin=0.3)
    assert not found.refused
    assert "origin LGA" in [each.name for each in found.of(SliceStanding.NOT_WORSE)]


def test_a_slices_numbers_are_those_of_its_rows_alone() -> None:
    holdout = World().holdout(14, 1)
    (first, *_) = judged(World()).slices
    alone = compare("roc_auc", holdout.scored().where(holdout.origin == first.value))
    assert first.comparison == alone
    assert first.rows == alone.rows == (holdout.origin == first.value).sum()


def test_p_values_are_adjusted_over_all_columns() -> None:
    slices = [each for each in judged(World()).slices if each.comparison]
    raw = [each.comparison.p_below(0.0) for each in slices if each.comparison]
    assert len(slices) > 8
    assert [each.p_value for each in slices] == pytest.approx(holm(raw))
    smallest = min(raw)
    assert min(each.p_value for each in slices if each.p_value) == pytest.approx(min(1, len(raw) * smallest))


def test_slices_with_too_little_are_named_and_judged_together() -> None:
    found = judged(World(rows=400))
    skipped = [each.value for each in found.of(SliceStanding.NOT_JUDGED)]
    assert {"K", "L"} <= set(skipped)
    other = next(each for each in found.slices if each.value == OTHER)
    assert other.rows == sum(each.rows for each in found.of(SliceStanding.NOT_JUDGED))
    assert other.standing is not SliceStanding.NOT_JUDGED
    told = found.reasons[-1]
    assert told.startswith("Not judged, because there are too few rows, outcomes or windows: carrier ")
    assert all(f"carrier {value} (" in told for value in skipped)
    counts = found.reasons[-2]
    assert counts.startswith(
        f"Of {len(found.slices) - len(skipped)} slices judged by ROC AUC, 0 worse beyond their margin, "
    )


def small(rows: int = 400, windows: int = 10) -> Scored:
    random = np.random.default_rng(2)
    truth = (random.random(rows) < 0.4).astype(float)
    return Scored(truth, random.random(rows), random.random(rows), np.arange(rows) % windows)


def only(scored: Scored, values: list[object]) -> SlicesJudged:
    return judge_slices("roc_auc", scored, {"airport": values}, {"airport": 0.0})


def test_rows_without_a_value_are_a_slice() -> None:
    found = only(small(), [None] * 200 + ["JFK"] * 200)
    assert sorted(each.value for each in found.slices) == [MISSING, "JFK"]
    assert found.of(SliceStanding.NOT_JUDGED) == ()


@pytest.mark.parametrize("lacking", ["rows", "outcomes", "windows"])
def test_what_a_slice_lacks_is_said(lacking: str) -> None:
    scored, values = small(), ["JFK"] * 300 + ["LGA"] * 100
    if lacking == "rows":
        values[-1] = "JFK"
        expected = "airport LGA was not judged: there are 99 labelled rows, and 100 are needed."
    elif lacking == "outcomes":
        scored.truth[300:] = [1.0] * 9 + [0.0] * 91
        expected = "airport LGA was not judged: 9 outcomes are 1 and 91 are 0, and 10 of either are needed."
    else:
        scored.windows[300:] = np.arange(100) % 2
        expected = "airport LGA was not judged: most of its rows are of too few windows (2)."
    found = only(scored, values)
    assert [each.reason for each in found.of(SliceStanding.NOT_JUDGED)] == [expected]


def test_with_too_few_windows_for_the_whole_slices_are_judged_by_rows_too() -> None:
    found = only(small(windows=2), ["JFK"] * 200 + ["LGA"] * 200)
    assert found.of(SliceStanding.NOT_JUDGED) == ()


def test_of_very_many_values_the_most_frequent_are_judged() -> None:
    scored = small(rows=200 * (MOST_SLICES + 5))
    values = [f"{k:03d}" for k in np.arange(len(scored)) // 200]
    found = only(scored, values)
    assert len(found.slices) == MOST_SLICES + 1
    assert (found.slices[-1].value, found.slices[-1].rows) == (OTHER, 1000)
    assert found.of(SliceStanding.NOT_JUDGED) == ()
    told = "airport has 55 values: the 50 with the most rows are judged one by one, all others together."
    assert found.reasons[-1] == told


def test_a_column_with_a_value_for_every_row_fills_no_page() -> None:
    scored = small(rows=5_000)
    found = only(scored, [f"{k:05d}" for k in range(len(scored))])
    assert len(found.slices) == MOST_SLICES + 1
    assert sum(map(len, found.reasons)) < 2_000


def test_a_margin_is_asked_for_each_column_and_no_columns_are_no_slices() -> None:
    with pytest.raises(KeyError):
        judge_slices("roc_auc", small(), {"airport": ["JFK"] * 400}, {})
    assert judge_slices("roc_auc", small(), {}, {}) == SlicesJudged((), ())


def test_in_an_error_more_is_worse() -> None:
    scored = World(rows=300, noise=(0.3, 0.9)).holdout(12, 3).scored("mae")
    values = ["a"] * len(scored)
    worse = judge_slices("mae", scored, {"all": values}, {"all": 0.0})
    better = judge_slices(
        "mae", replace(scored, champion=scored.challenger, challenger=scored.champion), {"all": values}, {"all": 0.0}
    )
    assert (worse.refused, better.refused) == (True, False)
    assert better.slices[0].standing is SliceStanding.NOT_WORSE


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """Step down: the smallest against alpha / m, the next against alpha / (m - 1), and so on until one fails."""
    adjusted = holm(p_values)
    for alpha in (0.01, 0.05, 0.3):
        order = sorted(range(len(p_values)), key=lambda k: (p_values[k], k))
        rejected: set[int] = set()
        for rank, position in enumerate(order):
            if min(1.0, (len(p_values) - rank) * p_values[position]) > alpha:
                break
            rejected.add(position)
        assert {k for k, p in enumerate(adjusted) if p <= alpha} == rejected
    assert holm([]) == ()
