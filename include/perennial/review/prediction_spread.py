"""How a window's predictions are spread, against the window before and what its model considers normal.

All of it is on record since the window was monitored: no prediction is read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from perennial.drift.profiles.profile import NumericProfile
from perennial.drift.reference import PREDICTION
from perennial.ledger.entries import DriftReport

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class PredictionBar:
    """The share of all predictions that fall here: in the model's reference, in the window, in the window before."""

    label: str
    reference: float
    window: float
    before: float | None


@dataclass(frozen=True)
class Spread:
    """Predictions in figures, in the prediction's own unit; `low`, `median`, `high` are the 5, 50 and 95% quantiles."""

    predictions: int
    mean: float
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class PredictionSpread:
    """The predictions of a window. `before` is None where the window before is not monitored, or has no such figures.

    Bars of the window before are left out where it was compared with another model, whose reference has other bars:
    `other_model` says so.
    """

    bars: tuple[PredictionBar, ...]
    now: Spread | None
    before: Spread | None
    other_model: bool


def spread(report: DriftReport | None, before: DriftReport | None) -> PredictionSpread | None:
    """How the predictions are spread; None where their drift was not measured."""
    found = _bars(report)
    if report is None or not found:
        return None
    other_model = before is not None and before.model_digest != report.model_digest
    earlier = {} if other_model else {bar["label"]: bar["window"] for bar in _bars(before)}
    return PredictionSpread(
        bars=tuple(
            PredictionBar(bar["label"], bar["reference"], bar["window"], _share(bar["label"], earlier)) for bar in found
        ),
        now=_figures(report),
        before=_figures(before),
        other_model=other_model,
    )


def _bars(report: DriftReport | None) -> list[dict[str, Any]]:
    for column in report.report.get("columns", ()) if report else ():
        if column["name"] == PREDICTION and column["measures"]:
            bars: list[dict[str, Any]] = column["measures"]["bars"]
            return bars
    return []


def _share(label: str, earlier: Mapping[str, float]) -> float | None:
    """A bar that neither the reference nor that window needed is left out of its report: nothing fell there."""
    return earlier.get(label, 0.0) if earlier else None


_PROFILE: TypeAdapter[NumericProfile] = TypeAdapter(NumericProfile)


def _figures(report: DriftReport | None) -> Spread | None:
    profile = report.profile.get("numeric", {}).get(PREDICTION) if report else None
    if profile is None:
        return None
    try:
        found = _PROFILE.validate_python(profile)
    except ValidationError:  # an earlier version's: the bars are shown without figures
        return None
    if not found.moments.count:
        return None
    low, median, high = found.sketch.quantiles(QUANTILES)
    return Spread(found.moments.count, found.moments.mean, low, median, high)
