"""The alarm after a roll-out: raised when the new model is worse by more than the margin, and then for good."""

from datetime import UTC, datetime, timedelta

import numpy as np

from perennial.judgement.alarm import watch
from perennial.judgement.sequential import Claim, Question, judge_shadow
from perennial.judgement.window_gains import WindowGain
from perennial.window import Window

START, DAY = datetime(2013, 3, 1, tzinfo=UTC), timedelta(days=1)
BEARABLE = Question("brier", margin=0.001)


def rolled_out(gains: np.ndarray | list[float]) -> list[WindowGain]:
    return [
        WindowGain(Window(START + i * DAY, START + (i + 1) * DAY), START + (i + 2) * DAY, float(each), 500)
        for i, each in enumerate(gains)
    ]


def test_a_large_loss_raises_the_alarm_before_a_shadow_would_have_a_verdict() -> None:
    windows = rolled_out(np.random.default_rng(1).normal(-0.02, 0.004, 12))
    found = watch(windows, BEARABLE)
    assert found.raised
    assert found.raised_at is not None
    assert 6 <= found.raised_at.windows <= 8
    assert judge_shadow(windows[: found.raised_at.windows], BEARABLE).claim is Claim.UNDECIDED
    assert found.reasons[0].startswith(f"Alarm: after {found.raised_at.windows} windows and ")
    assert found.reasons[0].endswith("which is more than the margin of 0.001. Roll back.")


def test_an_alarm_stays_although_better_windows_follow() -> None:
    random = np.random.default_rng(2)
    bad, good = random.normal(-0.02, 0.004, 12), random.normal(0.02, 0.004, 30)
    one, other = watch(rolled_out(bad), BEARABLE), watch(rolled_out([*bad, *good]), BEARABLE)
    assert one.raised_at == other.raised_at
    assert other.raised


def test_a_model_as_good_as_the_margin_allows_raises_none() -> None:
    found = watch(rolled_out(np.random.default_rng(3).normal(-0.001, 0.004, 60)), BEARABLE)
    assert not found.raised
    assert all(look.low is None for look in found.looks)
    assert found.reasons[0].startswith(
        "No alarm: over 60 windows and 30,000 labelled rows the mean gain in Brier score"
    )


def test_a_better_model_raises_none_however_much_it_is() -> None:
    assert not watch(rolled_out(np.random.default_rng(4).normal(0.05, 0.004, 60)), BEARABLE).raised


def test_too_few_windows_raise_none() -> None:
    assert watch([], BEARABLE).reasons == ("No window of the new model has matured, so nothing is known yet.",)
    early = watch(rolled_out([-0.5, -0.51, -0.49, -0.5, -0.5]), BEARABLE)
    assert not early.raised
    assert "the true gain is at most" not in early.reasons[0]


def test_windows_left_out_are_told() -> None:
    found = watch(
        [*rolled_out([0.1]), WindowGain(Window(START + DAY, START + 2 * DAY), START + 3 * DAY, None, 0)], BEARABLE
    )
    assert found.reasons[-1] == "1 window had no labelled rows and does not count: 2013-03-02T00:00Z."


def test_equal_models_raise_few_alarms() -> None:
    random = np.random.default_rng(5)
    raised = sum(watch(rolled_out(each), Question("brier")).raised for each in random.normal(0, 0.004, (200, 60)))
    assert raised <= 17  # 10 are promised on average; 17 or fewer in 98.6% of such simulations
