"""How good the champion was when it was deployed, measured as it is in service."""

from collections.abc import Iterable

from perennial.judgement.within import MEAN_OF
from perennial.ledger.entries import Deployment, RecordedDecision


def metric_at_deployment(metric: str, champion: Deployment, promotions: Iterable[RecordedDecision]) -> float | None:
    """The deciding metric of the model that won, as the mean of its holdout's windows; None where nobody measured it.

    In service it is the mean of windows, too. Of all holdout rows together it may be quite another number: a ranking
    metric then also counts that stormy days are told from calm ones, and a model in service would look as if it had
    lost by that. Where the judge had too few windows, or did not say how it measured, it is that of all rows together.
    `promotions` are decisions about candidates, the champion's among them.
    """
    won = next((each.numbers for each in promotions if _is_of(each, champion)), {})
    if won.get("metric") == metric and str(won.get("method", "")).startswith(MEAN_OF):
        value = won.get("tested_value")
        return float(value) if value is not None else None
    return champion.metrics.get(metric)


def _is_of(decision: RecordedDecision, champion: Deployment) -> bool:
    judged = champion.training.get("judged_digest", champion.model_digest)
    return decision.numbers.get("winner_digest") == judged and decision.numbers.get("tested") is not None
