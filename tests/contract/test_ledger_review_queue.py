"""What every ledger keeps of the review queue: which rows people are asked about, and their answers."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.contract.test_ledger import FIRST_RECORDING, ledger, make_ledger, use_case

from perennial.errors import LeaseLost
from perennial.ledger.entries import HumanLabel, ReviewMeasurement, ReviewSelection
from perennial.ledger.port import Ledger
from perennial.window import Window

__all__ = ["ledger", "make_ledger", "use_case"]

FIRST = datetime(2013, 3, 1, tzinfo=UTC)
QUESTION = {"entity": "7", "prediction": 0.5, "probability": 1.0, "doubtful": True, "uniform": False}


def day(number: int) -> Window:
    return Window(FIRST + timedelta(days=number), FIRST + timedelta(days=number + 1))


def selection(use_case: str, number: int = 0, revision: int = 1, **changes: Any) -> ReviewSelection:
    return replace(ReviewSelection(use_case, day(number), revision, 90, 30, (QUESTION,), "run"), **changes)


def answer(use_case: str, number: int = 0, **changes: Any) -> HumanLabel:
    made = HumanLabel(use_case, day(number), "7", "ada", FIRST, 1.0, 1, "m", 0.02, "page", "run")
    return replace(made, **changes)


def test_entries_come_back_whole(ledger: Ledger, use_case: str) -> None:
    chosen = ledger.record_selection(selection(use_case))
    assert replace(chosen, id=None, recorded_at=None) == selection(use_case)
    said = ledger.record_human_label(answer(use_case))
    assert replace(said, id=None, recorded_at=None) == answer(use_case)
    assert chosen.recorded_at == FIRST_RECORDING
    withdrawn = ledger.record_human_label(answer(use_case, value=None, answered_at=FIRST + timedelta(hours=1)))
    assert withdrawn.value is None


def test_the_first_of_rivals_stands(ledger: Ledger, use_case: str) -> None:
    chosen, said = ledger.record_selection(selection(use_case)), ledger.record_human_label(answer(use_case))
    assert ledger.record_selection(selection(use_case, questions=(), run_id="rival")) == chosen
    assert ledger.record_human_label(answer(use_case, value=0.0, run_id="rival")) == said


def test_selections_are_found_by_window_and_the_newest_first(ledger: Ledger, use_case: str) -> None:
    later, first, again = (
        ledger.record_selection(selection(use_case, number, revision)) for number, revision in ((3, 1), (0, 1), (0, 2))
    )
    ledger.record_selection(selection(f"{use_case}_too", 1))
    assert ledger.selections_between(use_case, day(0).start, day(3).end) == [first, again, later]
    assert ledger.selections_between(use_case, day(0).start, day(2).end) == [first, again]
    assert ledger.last_selections(use_case, 2) == [later, again]
    assert ledger.last_selections(use_case, 9, until=day(3).start) == [again, first]


def test_answers_are_found_in_the_order_in_which_they_were_given(ledger: Ledger, use_case: str) -> None:
    moments = [FIRST + timedelta(hours=hours) for hours in (5, 1, 3)]
    third, first, second = (ledger.record_human_label(answer(use_case, answered_at=at)) for at in moments)
    other = ledger.record_human_label(answer(use_case, author="bob", answered_at=moments[0]))
    elsewhere = ledger.record_human_label(answer(use_case, 4))
    ledger.record_human_label(answer(f"{use_case}_too"))
    assert ledger.human_labels_between(use_case, day(0).start, day(0).end) == [first, second, third, other]
    assert ledger.human_labels_between(use_case, day(0).start, day(4).end, answered_by=moments[1]) == [elsewhere, first]
    assert ledger.human_labels_between(use_case, day(1).start, day(2).end) == []


def test_who_lost_its_turn_selects_nothing(ledger: Ledger, use_case: str) -> None:
    with ledger.working_on(f"{use_case}/review", day(0), "slow") as slow:
        pass
    with ledger.working_on(f"{use_case}/review", day(0), "next"):
        pass
    with pytest.raises(LeaseLost):
        ledger.record_selection(selection(use_case), slow)
    assert ledger.last_selections(use_case, 1) == []


def test_the_last_measurement_is_that_of_the_latest_moment(ledger: Ledger, use_case: str) -> None:
    assert ledger.last_review_measurement(use_case) is None
    moments = [FIRST + timedelta(hours=hours) for hours in (2, 1)]
    made = [
        ReviewMeasurement(
            use_case, at, FIRST, at, "1", 3, 1, 90, 30, 20, 5, 12.5, {"brier": {"value": 0.2}}, {}, {"people": 1}, "run"
        )
        for at in moments
    ]
    last, _ = (ledger.record_review_measurement(each) for each in made)
    ledger.record_review_measurement(replace(made[0], use_case=f"{use_case}_too"))
    assert ledger.record_review_measurement(replace(made[0], rows=91)) == last
    assert ledger.last_review_measurement(use_case) == last
    again = ledger.record_review_measurement(replace(made[0], run_id="again", answered=21))
    assert ledger.last_review_measurement(use_case) == again
    assert replace(last, id=None, recorded_at=None) == made[0]
