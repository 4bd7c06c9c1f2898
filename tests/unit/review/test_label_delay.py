"""How long labels take, against values counted by hand."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.unit.review.lived import Life, arrivals

from perennial.performance.delay import GRID
from perennial.performance.maturity import Maturity
from perennial.review import label_delay
from perennial.review.label_delay import age_at

DAY = 86_400.0  # mature_after of the spec is one day


def life_with(tmp_path: Path, shares: list[tuple[float, ...]]) -> Life:
    life = Life(tmp_path)
    for number, each in enumerate(shares):
        life.read(number)
        life.score(number, "1")
        life.measure(number, "1", 0.7, arrivals=each)
    life.now = life.window(len(shares)).end + timedelta(days=9)
    return life


def test_median_band_and_ages_of_windows(tmp_path: Path) -> None:
    # From s at the window's end on a straight line to 1 a day later.
    begins = [0.0, 0.2, 0.4, 0.6, 0.8]
    life = life_with(tmp_path, [arrivals(each, 1.0) for each in begins])
    found = label_delay.run(life.spec, life.now, life.ledger)
    assert (found.windows, found.first, found.last) == (5, life.window(0), life.window(4))
    assert found.ages[:2] == (0.0, pytest.approx(DAY / 20))
    assert found.median[0] == pytest.approx(0.4)
    assert found.median[10] == pytest.approx(0.7)
    # 5% and 95% of five values lie a fifth of the way from the ends to their neighbours.
    assert (found.low[0], found.high[0]) == (pytest.approx(0.04), pytest.approx(0.76))
    # Half of the labels: (0.5 - s) / (1 - s) of a day, and none where more than half is there at once.
    half = [0.5, 0.3 / 0.8, 0.1 / 0.6, 0.0, 0.0]
    reached = found.reached[0]
    assert (reached.share, reached.median) == (0.5, pytest.approx(half[2] * DAY))
    assert (reached.low, reached.high) == (pytest.approx(0.0), pytest.approx((0.5 - 0.2 * 0.125) * DAY))
    assert (found.mature_after, found.give_up_after) == (DAY, 90 * DAY)


def test_ages_are_of_the_labels_that_come_at_all(tmp_path: Path) -> None:
    life = life_with(tmp_path, [arrivals(0.0, 0.8)] * 5)  # of a fifth of the rows nothing is ever heard
    found = label_delay.run(life.spec, life.now, life.ledger)
    assert [each.median for each in found.reached] == pytest.approx([0.5 * DAY, 0.9 * DAY, 0.99 * DAY])
    assert found.median[-1] == pytest.approx(0.8)


def test_few_windows_teach_nothing_and_others_than_final_ones_never_do(tmp_path: Path) -> None:
    life = life_with(tmp_path, [arrivals(0.5)] * 4)
    life.read(4)
    life.score(4, "1")
    life.measure(4, "1", 0.7, Maturity.PARTIAL)
    life.now = life.window(9).end
    found = label_delay.run(life.spec, life.now, life.ledger)
    assert (found.windows, found.ages, found.median, found.reached) == (4, (), (), ())


def test_a_window_of_which_no_label_came_says_nothing_about_their_delay(tmp_path: Path) -> None:
    life = life_with(tmp_path, [arrivals(0.5)] * 5 + [(0.0,) * len(GRID), ()])
    assert label_delay.run(life.spec, life.now, life.ledger).windows == 5


def test_only_the_last_windows_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = life_with(tmp_path, [arrivals(0.1)] * 5 + [arrivals(0.5)] * 6)
    monkeypatch.setattr(label_delay, "WINDOWS", 6)
    found = label_delay.run(life.spec, life.now, life.ledger)
    assert (found.windows, found.first, found.median[0]) == (6, life.window(5), pytest.approx(0.5))


@pytest.mark.parametrize(("share", "age"), [(0.0, 0.0), (0.25, 5.0), (0.5, 10.0), (0.75, 15.0), (1.0, 20.0)])
def test_the_age_lies_on_the_line_between_two_ages(share: float, age: float) -> None:
    assert age_at([0.0, 0.4, 0.8, 0.8], share, [0.0, 10.0, 20.0, 30.0]) == pytest.approx(age)


def test_the_age_agrees_with_an_inverse_by_numpy() -> None:
    shares = np.sort(np.random.default_rng(3).random(len(GRID)))
    ages = np.linspace(0, DAY, len(GRID))
    for share in (0.5, 0.9, 0.99):
        wanted = max(float(np.interp(share * shares[-1], shares, ages)), 0.0)
        assert age_at(shares.tolist(), share, ages.tolist()) == pytest.approx(wanted)
