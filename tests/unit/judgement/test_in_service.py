"""Which comparison decides: the mean of windows, or all rows together where that can't be had."""

import numpy as np
import pytest
from tests.bench.promotion_errors import World

from perennial.errors import NotEnoughData
from perennial.judgement.compare import compare
from perennial.judgement.in_service import by_window, compare_in_service, measured_text
from perennial.judgement.rows import Scored
from perennial.judgement.within import compare_within


def test_windows_are_measured_one_by_one_as_in_service() -> None:
    scored = World().holdout(14, 1).scored()
    found = compare_in_service("roc_auc", scored)
    assert found == compare_within("roc_auc", scored)
    assert by_window(found)
    assert measured_text(found) == "ROC AUC is that of each window, averaged by rows, as it is measured in service."


def test_with_too_few_windows_all_rows_are_compared() -> None:
    scored = World().holdout(2, 1).scored()
    found = compare_in_service("roc_auc", scored)
    assert found == compare("roc_auc", scored)
    assert "of all rows together: there are too few windows" in measured_text(found)


def test_where_most_rows_are_of_windows_that_leave_the_metric_undefined_all_rows_are_compared() -> None:
    holdout = World().holdout(14, 1).scored()
    days = np.unique(holdout.windows)
    truth = np.where(np.isin(holdout.windows, days[4:]), 0.0, holdout.truth)
    scored = Scored(truth, holdout.champion, holdout.challenger, holdout.windows)
    assert compare_within("roc_auc", scored).windows == 4
    assert compare_in_service("roc_auc", scored) == compare("roc_auc", scored)


def test_one_outcome_of_a_class_can_be_compared_in_no_way() -> None:
    truth = np.zeros(100)
    truth[0] = 1.0
    models = np.linspace(0, 1, 100), np.linspace(1, 0, 100)
    with pytest.raises(NotEnoughData, match="1 outcomes are 1"):
        compare_in_service("roc_auc", Scored(truth, *models, np.arange(100) // 10))
