"""Two models by the decisions that follow from their predictions at a threshold."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from perennial.arrays import Floats
from perennial.errors import NotEnoughData
from perennial.judgement.bootstrap import compare_resampled
from perennial.judgement.compare import FEWEST
from perennial.judgement.comparison import CONFIDENCE, Comparison
from perennial.judgement.rows import Scored


@dataclass(frozen=True)
class DecisionComparison:
    """How many rows each model decides rightly, and what McNemar's test makes of those where they disagree.

    A row is decided for 1 when its prediction is at least `threshold`. `p_value` is one-sided: small when the
    challenger is right more often; `p_two_sided` asks for any difference. Both count rows as independent. `accuracy`,
    the gain in the share of right decisions, does not: its interval is by windows where they suffice, and is the
    one to decide by.
    """

    threshold: float
    both_right: int
    only_champion_right: int
    only_challenger_right: int
    both_wrong: int
    p_value: float
    p_two_sided: float
    accuracy: Comparison


def compare_decisions(scored: Scored, threshold: float, confidence: float = CONFIDENCE) -> DecisionComparison:
    """McNemar's test (1947, Psychometrika 12), exact for any number of rows: given how many rows only one model
    decides rightly, the challenger's share of them is binomial with 1/2 when both are equally good.

    With rows that depend on each other within windows that test is too sure; the gain in accuracy with windows as
    clusters is its counterpart for them (Obuchowski, 1998, Statistics in Medicine 17; here by bootstrap).
    Errors: `NotEnoughData` with fewer than two rows.
    """
    if len(scored) < FEWEST:
        raise NotEnoughData(
            f"decisions of two models can't be compared on {len(scored)} labelled rows; wait for labels, or lengthen "
            "training.holdout."
        )
    decided = _decided(scored.champion, threshold), _decided(scored.challenger, threshold)
    champion, challenger = (each == scored.truth for each in decided)
    only_champion, only_challenger = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
    discordant = only_champion + only_challenger
    at_least = float(stats.binom.sf(only_challenger - 1, discordant, 0.5)) if discordant else 1.0
    at_most = float(stats.binom.cdf(only_challenger, discordant, 0.5)) if discordant else 1.0
    return DecisionComparison(
        threshold=threshold,
        both_right=int((champion & challenger).sum()),
        only_champion_right=only_champion,
        only_challenger_right=only_challenger,
        both_wrong=int((~champion & ~challenger).sum()),
        p_value=at_least,
        p_two_sided=min(1.0, 2 * min(at_least, at_most)),
        accuracy=compare_resampled("accuracy", Scored(scored.truth, *decided, scored.windows), confidence),
    )


def _decided(prediction: Floats, threshold: float) -> Floats:
    return np.asarray((prediction >= threshold).astype(np.float64))
