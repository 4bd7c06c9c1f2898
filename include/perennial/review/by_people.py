"""What people's answers say of the model, in sentences: for the command line and the pages alike."""

from typing import Any

from perennial.ledger.entries import ReviewMeasurement
from perennial.performance.design_based import FEWEST
from perennial.performance.gain import METRIC_TITLES
from perennial.wording import counted


def sentences(found: ReviewMeasurement) -> list[str]:
    """How good the model is by the rows that people were asked about, and how far people agree with it."""
    return [*_measured(found), *_agreement(found)]


def _measured(found: ReviewMeasurement) -> list[str]:
    asked = (
        f"By the rows that people were asked about, in {counted(found.windows, 'window')} of model version "
        f"{found.model_version} until {found.until:%Y-%m-%d %H:%MZ}"
    )
    left_out = f" {counted(found.left_out, 'further window')} can't take part yet: too few of the rows have an answer."
    if not found.metrics:
        return [
            f"{asked}: no estimate yet. The answers are worth {found.effective_rows:,.0f} rows chosen evenly, and "
            f"{FEWEST} are needed." + (left_out if found.left_out else "")
        ]
    told = "; ".join(
        f"{METRIC_TITLES[name]} {interval_text(each)}"
        + (
            f", by the source's labels alone {interval_text(ordinary)}"
            if (ordinary := found.ordinary.get(name))
            else ""
        )
        for name, each in found.metrics.items()
    )
    return [f"{asked}: {told}." + (left_out if found.left_out else "")]


def _agreement(found: ReviewMeasurement) -> list[str]:
    told = found.agreement
    if not told["answered"]:
        return ["Nobody has answered yet."]
    lines = []
    if share := told["with_model"]:
        lines.append(
            f"People and the model agree on {told['same']:,} of {counted(told['answered'], 'answered row')}. Of all "
            f"rows, doubtful or not, they would agree on {share['value']:.0%} "
            f"({share['low']:.0%} to {share['high']:.0%})."
        )
    elif told["difference"] is not None:
        lines.append(f"Answers and predictions differ by {told['difference']:.4g} on average, over all rows.")
    if told["twice"]:
        lines.append(f"Two people or more answered {counted(told['twice'], 'row')}; they agree on {told['alike']:,}.")
    if told["outcomes"] and share:
        lines.append(
            f"Of {counted(told['outcomes'], 'answered row')} the outcome came, too: people had said "
            f"{told['right']:,} of them right. The outcome counts, not the answer."
        )
    return lines


def interval_text(found: dict[str, Any]) -> str:
    """The value with its 95% interval.

    >>> interval_text({"value": 0.7, "low": 0.65, "high": 0.75})
    '0.700 (0.650-0.750)'
    """
    low, high = found.get("low"), found.get("high")
    reach = f" ({low:.3f}-{high:.3f})" if low is not None and high is not None else ""
    return f"{found['value']:.3f}{reach}"
