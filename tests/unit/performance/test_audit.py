"""Estimates are believed, doubted and switched off by what came true."""

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from perennial.performance.audit import Audited, Trust, audit
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)


def points(
    gaps: np.ndarray | list[float], *, drifted: int = 0, error: float = 0.02, usual: float = 0.0
) -> list[Audited]:
    return [
        Audited(
            window=Window(START + timedelta(days=i), START + timedelta(days=i + 1)),
            estimate=0.7,
            estimate_error=error,
            truth=0.7 + usual + float(gap),
            truth_error=error,
            correction=usual,
            error_sd=0.0,
            drifted=i < drifted,
        )
        for i, gap in enumerate(gaps)
    ]


def test_estimates_that_were_right_are_trusted() -> None:
    found = audit("roc_auc", points([0.01, -0.02, 0.0, 0.03, -0.01, 0.0, 0.01], usual=-0.05))
    assert (found.trust, found.windows, found.within, found.concept_drift) == (Trust.TRUSTED, 7, 1.0, False)
    assert found.mean_gap == pytest.approx(0.02 / 7)
    assert found.reasons == (
        "Estimates of roc_auc were right in 100% of the last 7 final windows; the truth is 0.002857 above them on "
        "average, net of the -0.05 that it was in training.",
    )


def test_few_windows_prove_nothing() -> None:
    found = audit("roc_auc", points([0.0] * 6))
    assert (found.trust, found.within) == (Trust.UNPROVEN, None)
    assert found.reasons == ("6 final windows tell how good estimates of roc_auc are; 7 are needed.",)


def test_windows_that_could_not_be_measured_do_not_count() -> None:
    assert audit("roc_auc", points([0.0] * 6 + [math.nan])).trust is Trust.UNPROVEN


def test_a_gap_that_lasts_on_ordinary_inputs_is_concept_drift_and_switches_estimates_off() -> None:
    found = audit("roc_auc", points([-0.1, -0.12, -0.09, -0.1, -0.11, -0.1, -0.08, -0.1], drifted=1))
    assert (found.trust, found.concept_drift) == (Trust.OFF, True)
    assert "switched off" in found.reasons[1]
    assert "concept drift" in found.reasons[2]
    assert "1 of 8 windows" in found.reasons[2]


def test_the_same_gap_on_drifted_inputs_is_told_apart() -> None:
    found = audit("roc_auc", points([-0.1] * 8, drifted=6))
    assert not found.concept_drift
    assert "covariate shift that the estimates did not follow" in found.reasons[-1]


def test_evidence_of_drift_that_accumulated_counts_where_no_window_raised_an_alarm() -> None:
    gaps = points([-0.1] * 20)
    found = audit("roc_auc", gaps, drift_shown_by=lambda: gaps[8].window)
    assert not found.concept_drift
    assert "(0 of 14 windows raised an alarm, and evidence has accumulated): this is covariate" in found.reasons[-1]
    # Long ago: the inputs are ordinary now.
    assert audit("roc_auc", gaps, drift_shown_by=lambda: gaps[2].window).concept_drift


def test_only_the_last_windows_count() -> None:
    found = audit("roc_auc", points([-0.3] * 30 + [0.0] * 20))
    assert (found.trust, found.windows, found.concept_drift) == (Trust.TRUSTED, 14, False)


def test_evidence_of_drift_is_not_asked_for_where_the_gap_does_not_persist() -> None:
    def asked() -> Window | None:
        pytest.fail("it takes long to sum up")

    assert not audit("roc_auc", points([0.01, -0.02] * 10), drift_shown_by=asked).concept_drift


def test_a_gap_too_small_to_matter_is_none() -> None:
    assert not audit("roc_auc", points([0.01] * 20, error=0.0001)).concept_drift


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_ordinary_windows_are_rarely_called_concept_drift(correlation: float) -> None:
    """At most one evaluation in twenty, with gaps that scatter as their errors say, and resemble their neighbours."""
    random = np.random.default_rng(8)
    called = 0
    for _ in range(400):
        noise = random.normal(0, 1, 60)
        for i in range(1, 60):
            noise[i] = correlation * noise[i - 1] + math.sqrt(1 - correlation**2) * noise[i]
        called += audit("roc_auc", points(noise * math.hypot(0.02, 0.02))).concept_drift
    assert called / 400 <= 0.05


def test_a_real_change_is_seen_within_ten_windows() -> None:
    random = np.random.default_rng(9)
    called = sum(
        audit("roc_auc", points(np.append(random.normal(0, 0.028, 10), random.normal(-0.1, 0.028, 10)))).concept_drift
        for _ in range(200)
    )
    assert called / 200 >= 0.9
