"""Whether a newly trained candidate takes the champion's place."""

from collections.abc import Sequence
from dataclasses import dataclass

from perennial.performance.gain import METRIC_TITLES, gain, metric_named
from perennial.spec.training import Training
from perennial.verdict import PROMOTE, REJECT, Decision

Numbers = dict[str, float | int | str | None]


NO_SKILL = "a prediction without skill"


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
) -> Decision:
    """`promote` the best candidate, or `reject` all.

    The best must beat the champion by at least `training.min_gain` in the deciding metric, and by more than
    nothing. Where there is no champion it must in the same way beat `baseline`, the metrics of a prediction without
    skill (see `perennial.performance.metrics.no_skill`). All must have been judged on the same rows. The numbers
    hold every score as `<name>.<metric>`, and the best candidate's name and digest as `winner` and `winner_digest`,
    which are None when nothing is promoted.
    """
    best = best_candidate(training, candidates)
    numbers = _numbers(training, candidates, champion, baseline)
    reason = _not_comparable(training, candidates, best, champion, baseline)
    if best is None or reason:
        return Decision(REJECT, (reason,), numbers)
    rival_name, rival = (champion.name, champion.metrics) if champion else (NO_SKILL, baseline)
    value, other = best.metrics[training.metric], rival[training.metric]
    gained = gain(training.metric, value, other)
    numbers["gain"] = gained
    facts = (
        f"{best.name} has {METRIC_TITLES[training.metric]} {text_of(value)} on {best.rows:,} holdout rows, "
        f"{_difference(value - other)} {rival_name}"
    )
    if gained <= 0:
        return Decision(REJECT, (f"{facts}: no improvement.",), numbers)
    if gained < training.min_gain:
        needed = f"an improvement of at least {text_of(training.min_gain)} was asked for"
        return Decision(REJECT, (f"{facts}; {needed}.",), numbers)
    return Decision(PROMOTE, (f"{facts}.",), {**numbers, "winner": best.name, "winner_digest": best.digest})


def _not_comparable(
    training: Training,
    candidates: Sequence[CandidateScore],
    best: CandidateScore | None,
    champion: CandidateScore | None,
    baseline: dict[str, float],
) -> str:
    """Why nothing can be compared, or ""."""
    title = METRIC_TITLES[training.metric]
    if best is None:
        judged = ", ".join(score.name for score in candidates) or "none was trained"
        return f"No candidate has a {title} on the holdout ({judged})."
    models = [*candidates, *([champion] if champion else [])]
    if len({score.rows for score in models}) > 1:
        told = ", ".join(f"{score.name} on {score.rows:,}" for score in models)
        return f"The models were judged on different rows, so they can't be compared: {told}."
    if champion and best.digest == champion.digest:
        return f"{best.name} is the same model as {champion.name}."
    if training.metric not in (champion.metrics if champion else baseline):
        return f"{champion.name if champion else NO_SKILL} has no {title} on the holdout to compare with."
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
        "gain": None,
        "rows": candidates[0].rows if candidates else None,
        "winner": None,
        "winner_digest": None,
    }
    for name, metrics in [*scores, ("no_skill", baseline)]:
        numbers.update({f"{name}.{metric}": value for metric, value in metrics.items()})
    return numbers


def _difference(difference: float) -> str:
    if difference == 0:
        return "the same as"
    return f"{text_of(abs(difference))} {'more' if difference > 0 else 'less'} than"


def text_of(value: float) -> str:
    """A metric's value as messages show it.

    Three decimals, or for what they would round away two digits that count; no decimals from a thousand on.
    """
    if abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"  # noqa: PLR2004
