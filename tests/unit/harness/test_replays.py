"""How the bench compares policies that lived through recorded data."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.bench.replays.months import by_month, weighted_areas

from perennial.backtest.life import Known, Outcomes
from perennial.window import Window

FIRST, DAY = datetime(2013, 3, 20, tzinfo=UTC), timedelta(days=1)
DAYS = [Window(FIRST + i * DAY, FIRST + (i + 1) * DAY) for i in range(30)]


def test_areas_under_weights_are_those_of_scikit_learn_with_ties_too() -> None:
    random = np.random.default_rng(1)
    truth = (random.random(400) < 0.3).astype(float)
    said = np.round(random.random(400) + 0.2 * truth, 1)
    unit = np.sort(random.integers(0, 8, 400))
    weights = random.multinomial(8, np.full(8, 1 / 8), size=5).astype(float)
    expected = [roc_auc_score(truth, said, sample_weight=each[unit]) for each in weights]
    assert weighted_areas(truth, said, weights, unit) == pytest.approx(expected, abs=1e-12)


def lived(skill: float, seed: int = 2) -> Outcomes:
    random = np.random.default_rng(seed)
    found: Outcomes = {}
    for day in DAYS:
        truth = (random.random(60) < 0.4).astype(float)
        found[day] = Known(truth, skill * truth + random.random(60))
    return found


def test_a_policy_is_measured_by_month_and_against_others_on_the_same_days() -> None:
    good, poor = lived(0.8), lived(0.1)
    months = by_month({"good": good, "same": dict(good), "poor": poor})
    assert months.names == ("2013-03", "2013-04")
    march = [good[day] for day in DAYS if day.start.month == 3]
    truth, said = (np.concatenate([each[i] for each in march]) for i in (0, 1))
    assert months.values["good"]["2013-03"] == pytest.approx(roc_auc_score(truth, said))
    assert months.mean("good") == pytest.approx(np.mean(list(months.values["good"].values())))
    above = months.gain("good", "poor")
    assert 0 < above.low < above.value < above.high
    assert (months.gain("good", "same").low, months.gain("good", "same").high) == (0, 0)


def test_days_that_one_policy_did_not_score_count_for_none() -> None:
    good = lived(0.8)
    later = {day: found for day, found in good.items() if day.start.month == 4}
    assert by_month({"good": good, "later": later}).names == ("2013-04",)
