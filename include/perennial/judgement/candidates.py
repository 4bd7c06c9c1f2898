"""Several candidates against one champion on the same holdout, without rewarding the luckiest."""

from collections.abc import Mapping
from dataclasses import dataclass

from perennial.judgement.comparison import CONFIDENCE, Comparison
from perennial.judgement.verdict import GainJudgement, GainVerdict, judge_gain
from perennial.wording import percent


@dataclass(frozen=True)
class CandidatesJudged:
    """Each tested candidate's judgement, and the winner's name; None when none is `better`.

    `confidence` is that of each interval: all of them together hold their true gains with `CONFIDENCE`.
    """

    winner: str | None
    judgements: dict[str, GainJudgement]
    confidence: float
    reasons: tuple[str, ...]


def judge_candidates(
    comparisons: Mapping[str, Comparison],
    min_effect: float = 0.0,
    margin: float = 0.0,
    champion: str = "the champion",
    chosen: str | None = None,
) -> CandidatesJudged:
    """Which of the candidates, if any, is better than the champion. `comparisons` are by candidate, at least one.

    The best of k equal candidates looks better than the champion more often than one does, and by more. Two ways out:

    - `chosen` names the candidate that was best on rows other than the holdout, such as by its tuning score, before
      the holdout was looked at. It alone is tested, at the full confidence. This finds most; prefer it.
    - Without it all are tested, each interval widened to 1 - (1 - CONFIDENCE) / k (Bonferroni; Dunn, 1961, Journal of
      the American Statistical Association 56). The chance that any of k equal candidates is promoted is no larger than
      for one, and because the intervals hold together, that of the winner, too, is not flattered by its selection.
      The winner is the `better` one with the largest gain; of equals the first by name.

    Errors: `KeyError` when `chosen` is none of the candidates.
    """
    tested = dict(comparisons) if chosen is None else {chosen: comparisons[chosen]}
    each = 1 - (1 - CONFIDENCE) / len(tested)
    judgements = {
        name: judge_gain(comparison.at(each), min_effect, margin, name, champion)
        for name, comparison in sorted(tested.items())
    }
    better = [name for name, judged in judgements.items() if judged.verdict is GainVerdict.BETTER]
    winner = min(better, key=lambda name: (-judgements[name].comparison.gain, name), default=None)
    reasons = tuple(dict.fromkeys(reason for judged in judgements.values() for reason in judged.reasons))
    if chosen is not None and len(comparisons) > 1:
        others = ", ".join(name for name in sorted(comparisons) if name != chosen)
        reasons += (f"{chosen} was chosen before the holdout was looked at, so it alone was tested; not {others}.",)
    elif len(tested) > 1:
        reasons += (
            f"Because {len(tested)} candidates were tested on the same rows, each interval is one of "
            f"{percent(each)}: together they hold with {percent(CONFIDENCE)}.",
        )
    return CandidatesJudged(winner, judgements, each, reasons)
