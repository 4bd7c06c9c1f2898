"""Whether a newly trained candidate takes the champion's place."""

from collections.abc import Sequence
from dataclasses import dataclass

from perennial.judgement.candidates import CandidatesJudged
from perennial.judgement.slices import SlicesJudged, SliceStanding
from perennial.judgement.verdict import GainJudgement
from perennial.performance.gain import METRIC_TITLES, metric_named
from perennial.spec.training import Training
from perennial.verdict import PROMOTE, REJECT, Decision

Numbers = dict[str, float | int | str | None]


WITHOUT_SKILL = "a prediction without skill"


@dataclass(frozen=True)
class CandidateScore:
    """How a model did on the holdout. `name` is what people call it: a candidate's name, or "champion version 3".

    `metrics` maps metric name to value; `digest` is the model's.
    """

    name: str
    digest: str
    rows: int
    metrics: dict[str, float]


def best_candidate(training: Training, candidates: Sequence[CandidateScore]) -> CandidateScore | None:
    """The candidate with the best deciding metric; of equals the first by name. None when none has the metric."""
    judged = [candidate for candidate in candidates if training.metric in candidate.metrics]
    sign = 1 if metric_named(training.metric).higher_is_better else -1
    return min(judged, key=lambda score: (-sign * score.metrics[training.metric], score.name), default=None)


def decide_promotion(
    training: Training,
    candidates: Sequence[CandidateScore],
    champion: CandidateScore | None,
    baseline: dict[str, float],
    judged: CandidatesJudged | str,
    slices: SlicesJudged | None = None,
) -> Decision:
    """`promote` the winner of the judgement, or `reject` all.

    Only a candidate that is `better` than the champion takes over, and only when no slice is worse beyond its margin.
    Where there is no champion it must in the same way be better than `baseline`, the metrics of a prediction without
    skill (see `perennial.performance.metrics.no_skill`). `judged` is a text where nothing could be judged, which says
    why. The numbers hold every score on all holdout rows together as `<name>.<metric>`, and what the judgement found.
    `tested` is the candidate that won or came nearest; `winner` and `winner_digest` are None when nothing is promoted.
    """
    numbers = _numbers(training, candidates, champion, baseline)
    if isinstance(judged, str):
        return Decision(REJECT, (judged,), numbers)
    best = leading(judged)
    found = judged.judgements[best]
    numbers |= _of_judgement(best, found)
    reasons = (found.reasons[0], *(each for each in judged.reasons if each != found.reasons[0]))
    if slices is not None:
        reasons += slices.reasons
        worse = slices.of(SliceStanding.WORSE)
        numbers |= {"slices": len(slices.slices), "slices_worse": len(worse)}
        if judged.winner is not None and worse:
            names = ", ".join(each.name for each in worse)
            refused = f"{best} is better on the whole, but worse for {names}, by more than the margin: not promoted."
            return Decision(REJECT, (refused, *reasons), numbers)
    if judged.winner is None:
        return Decision(REJECT, reasons, numbers)
    digest = next(each.digest for each in candidates if each.name == best)
    return Decision(PROMOTE, reasons, {**numbers, "winner": best, "winner_digest": digest})


def leading(judged: CandidatesJudged) -> str:
    """The winner; without one, of the candidates that were tested the one with the largest gain."""
    gains = {name: each.comparison.gain for name, each in judged.judgements.items()}
    return judged.winner or min(gains, key=lambda name: (-gains[name], name))


def not_comparable(
    training: Training,
    candidates: Sequence[CandidateScore],
    champion: CandidateScore | None,
    baseline: dict[str, float],
) -> str:
    """Why nothing can be judged, or ""."""
    title = METRIC_TITLES[training.metric]
    if not candidates:
        return "None of the candidates could be used."
    best = best_candidate(training, candidates)
    if best is None:
        judged = ", ".join(score.name for score in candidates)
        return f"No candidate has a {title} on the holdout ({judged})."
    models = [*candidates, *([champion] if champion else [])]
    if len({score.rows for score in models}) > 1:
        told = ", ".join(f"{score.name} on {score.rows:,}" for score in models)
        return f"The models were judged on different rows, so they can't be compared: {told}."
    if champion and best.digest == champion.digest:
        return f"{best.name} is the same model as {champion.name}."
    if training.metric not in (champion.metrics if champion else baseline):
        return f"{champion.name if champion else WITHOUT_SKILL} has no {title} on the holdout to compare with."
    return ""


def _numbers(
    training: Training,
    candidates: Sequence[CandidateScore],
    champion: CandidateScore | None,
    baseline: dict[str, float],
) -> Numbers:
    scores = [(score.name, score.metrics) for score in [*candidates, *([champion] if champion else [])]]
    numbers: Numbers = {
        "metric": training.metric,
        "min_gain": training.min_gain,
        "margin": training.margin,
        "verdict": None,
        "gain": None,
        "rows": candidates[0].rows if candidates else None,
        "winner": None,
        "winner_digest": None,
    }
    for name, metrics in [*scores, ("no_skill", baseline)]:
        numbers.update({f"{name}.{metric}": value for metric, value in metrics.items()})
    return numbers


def _of_judgement(name: str, judged: GainJudgement) -> Numbers:
    found, needed = judged.comparison, judged.needed
    return {
        "tested": name,
        "verdict": judged.verdict.value,
        "tested_value": found.challenger,
        "rival_value": found.champion,
        "gain": found.gain,
        "low": found.low,
        "high": found.high,
        "confidence": found.confidence,
        "p_value": found.p_value,
        "method": found.method,
        "rows_compared": found.rows,
        "windows": found.windows,
        "unit": found.unit.value,
        "improvement_ruled_out": judged.ruled_out,
        "needed_labels": needed.labels if needed else None,
        "needed_windows": needed.windows if needed else None,
    }


def text_of(value: float) -> str:
    """A metric's value as messages show it.

    Three decimals, or for what they would round away two digits that count; no decimals from a thousand on.
    """
    if abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"  # noqa: PLR2004
