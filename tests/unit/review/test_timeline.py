"""The timeline says of each window how its performance compares to what was expected of the model that scored it."""

from pathlib import Path

import pytest
from tests.unit.review.lived import EXPECTED, Life

from perennial.ledger.entries import DecisionKind
from perennial.performance.maturity import Maturity
from perennial.performance.standing import Standing, standing_of
from perennial.review import timeline, use_case_report
from perennial.review.events import Change
from perennial.verdict import REJECT, RETRAIN


@pytest.fixture
def life(tmp_path: Path) -> Life:
    life = Life(tmp_path)
    life.deploy(2, "1", "first")
    for number in range(8):
        life.read(number)
    for number in range(2, 8):
        life.score(number, "1")
    return life


def found(life: Life) -> timeline.Timeline:
    life.now = life.window(8).start
    return timeline.run(life.spec, [life.window(number) for number in range(8)], life.now, life.ledger)


def test_performance_is_compared_with_what_the_model_had_on_its_holdout(life: Life) -> None:
    life.measure(2, "1", EXPECTED - 0.01)
    life.measure(3, "1", EXPECTED - 0.05)  # the interval ends 0.02 below
    life.measure(4, "1", EXPECTED - 0.15)  # 0.12 below, and max_metric_loss is 0.1
    life.measure(5, "1", None, Maturity.ESTIMATED, estimate=0.66)
    life.measure(6, "unknown", 0.5)
    windows = found(life).windows
    assert [each.standing for each in windows] == [
        *(None, None), Standing.AS_EXPECTED, Standing.WORSE, Standing.FAR_WORSE, None, None, None,
    ]  # fmt: skip
    assert [each.expected for each in windows[2:]] == [EXPECTED] * 4 + [None, None]
    young = windows[5]
    assert (young.estimate, young.estimate_low, young.estimate_high) == (0.66, pytest.approx(0.61), pytest.approx(0.71))


def test_events_name_the_run_that_did_or_decided_it(life: Life) -> None:
    life.decide(4, DecisionKind.RETRAIN_ON_DRIFT, RETRAIN, "drift")
    life.decide(5, DecisionKind.PROMOTE, REJECT, "no better")
    events = found(life).events
    assert [(each.change, each.version, each.run_id) for each in events] == [
        (Change.FIRST_MODEL, "1", "parcels.retrain/version_1_at_2"),
        (Change.RETRAINING, None, "parcels.predict/scheduled__4"),
        (Change.REJECTED, None, "parcels.retrain/rejected_5"),
    ]


def test_a_model_that_waits_for_its_first_window_is_on_the_newest_page_alone(life: Life) -> None:
    life.deploy(8, "2", "better")
    life.now = life.window(8).start
    reports = [use_case_report.run(life.spec, life.now, life.ports, until) for until in (None, life.window(4).start)]
    versions = [[each.version for each in report.timeline.events] for report in reports]
    assert versions == [["1", "2"], ["1"]]
    assert [report.timeline.windows[-1].window for report in reports] == [life.window(7), life.window(3)]


@pytest.mark.parametrize(
    ("metric", "expected", "measured", "max_loss", "standing"),
    [
        ("roc_auc", 0.7, (0.71, 0.65, 0.77), 0.05, Standing.AS_EXPECTED),
        ("roc_auc", 0.7, (0.65, 0.6, 0.7), 0.05, Standing.AS_EXPECTED),  # the interval reaches it
        ("roc_auc", 0.7, (0.64, 0.6, 0.68), 0.05, Standing.WORSE),
        ("roc_auc", 0.7, (0.6, 0.56, 0.64), 0.05, Standing.FAR_WORSE),
        ("roc_auc", 0.7, (0.6, 0.56, 0.64), None, Standing.WORSE),
        ("mae", 10.0, (9.0, 8.0, 9.5), 2.0, Standing.AS_EXPECTED),
        ("mae", 10.0, (12.0, 11.0, 13.0), 2.0, Standing.WORSE),
        ("mae", 10.0, (14.0, 13.0, 15.0), 2.0, Standing.FAR_WORSE),
        ("mae", None, (14.0, 13.0, 15.0), 2.0, None),
        ("mae", 10.0, (14.0, None, None), 2.0, None),
        ("mae", 10.0, (None, None, None), 2.0, None),
    ],
)
def test_a_value_stands_where_its_whole_interval_does(
    metric: str,
    expected: float | None,
    measured: tuple[float | None, float | None, float | None],
    max_loss: float | None,
    standing: Standing | None,
) -> None:
    assert standing_of(metric, expected, measured, max_loss) is standing
