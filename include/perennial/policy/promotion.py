"""Whether a newly trained candidate takes the champion's place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perennial.judgement.candidates import CandidatesJudged
from perennial.judgement.fairness import FairnessJudged, FairnessStanding
from perennial.judgement.slices import SlicesJudged, SliceStanding
from perennial.judgement.verdict import GainJudgement, GainVerdict
from perennial.judgement.within import MEAN_OF
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


@dataclass(frozen=True)
class Gates:
    """What a candidate that is better on the whole must pass, too; a gate that the spec does not ask for is None."""

    slices: SlicesJudged | None = None
    fairness: FairnessJudged | None = None

    @property
    def refused(self) -> bool:
        """Whether it may not take over."""
        return any(each is not None and each.refused for each in (self.slices, self.fairness))

    @property
    def reasons(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        return tuple(reason for each in (self.slices, self.fairness) if each is not None for reason in each.reasons)

    def refusal(self, name: str) -> str:
        """Why the candidate of that name may not take over, as a sentence."""
        worse = ", ".join(each.name for each in self.slices.of(SliceStanding.WORSE)) if self.slices else ""
        wider = ", ".join(each.name for each in self.fairness.of(FairnessStanding.WIDER)) if self.fairness else ""
        found = [f"worse for {worse}"] if worse else []
        found += [f"treats groups more differently than the champion ({wider})"] if wider else []
        return f"{name} is better on the whole, but {' and '.join(found)}, by more than the margin: not promoted."

    @property
    def numbers(self) -> Numbers:
        """How many were looked at, and how many refuse, for the record."""
        found: Numbers = {}
        if self.slices is not None:
            worse, unknown = (self.slices.of(each) for each in (SliceStanding.WORSE, SliceStanding.NOT_JUDGED))
            found |= {"slices": len(self.slices.slices), "slices_worse": len(worse), "slices_not_judged": len(unknown)}
        if self.fairness is not None:
            wider = len(self.fairness.of(FairnessStanding.WIDER))
            found |= {"differences": len(self.fairness.differences), "differences_wider": wider}
        return found


NO_GATES = Gates()


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
    gates: Mapping[str, Gates] | None = None,
) -> Decision:
    """`promote` a winner of the judgement, or `reject` all.

    Only a candidate that is `better` than the champion takes over, and only if it passes its gates. Where the best one
    is refused, the next that is `better` is tried (see `in_turn`). `gates` are those of the candidates that were tried.

    Where there is no champion it must in the same way be better than `baseline`, the metrics of a prediction without
    skill (see `perennial.performance.metrics.no_skill`). `judged` is a text where nothing could be judged, which says
    why. The numbers hold every score on all holdout rows together as `<name>.<metric>`, and what the judgement found.
    `tested` is the candidate that won or came nearest; `winner` and `winner_digest` are None when nothing is promoted.
    """
    numbers = _numbers(training, candidates, champion, baseline)
    if isinstance(judged, str):
        return Decision(REJECT, (judged,), numbers)
    known = gates or {}
    best = leading(judged, known)
    found, gate = judged.judgements[best], known.get(best, NO_GATES)
    numbers |= {**_of_judgement(best, found), **gate.numbers}
    tried = in_turn(judged)
    refused = [name for name in tried if known.get(name, NO_GATES).refused]
    if len(tried) > 1 and refused:
        numbers["refused"] = ", ".join(refused)
    reasons = tuple(
        dict.fromkeys(
            [
                *([] if best in refused else [found.reasons[0]]),
                *(known[name].refusal(name) for name in refused),
                *([_turn_text(best)] if refused and best not in refused else []),
                found.reasons[0],
                *judged.reasons,
                *gate.reasons,
                *(reason for name in refused if name != best for reason in known[name].reasons),
            ]
        )
    )
    if judged.winner is None or best in refused:
        return Decision(REJECT, reasons, numbers)
    digest = next(each.digest for each in candidates if each.name == best)
    return Decision(PROMOTE, reasons, {**numbers, "winner": best, "winner_digest": digest})


def in_turn(judged: CandidatesJudged) -> list[str]:
    """The candidates that may take over, in the order in which they are tried: `better` ones, by gain.

    That one after the other is tried errs no more often than trying the best alone. Their intervals hold together with
    the confidence asked for (Bonferroni, see `judge_candidates`): the chance that any candidate is called `better` and
    is not is bounded, whichever of them is then taken, and by whatever rule. A gate can only keep candidates out.
    """
    better = [name for name, each in judged.judgements.items() if each.verdict is GainVerdict.BETTER]
    return sorted(better, key=lambda name: (-judged.judgements[name].comparison.gain, name))


def leading(judged: CandidatesJudged, gates: Mapping[str, Gates]) -> str:
    """The winner, or the first to be tried; without one, the candidate with the largest gain of those tested."""
    tried = in_turn(judged)
    passed = next((name for name in tried if not gates.get(name, NO_GATES).refused), None)
    if passed is not None or tried:
        return passed or tried[0]
    gains = {name: each.comparison.gain for name, each in judged.judgements.items()}
    return min(gains, key=lambda name: (-gains[name], name))


def _turn_text(name: str) -> str:
    return f"{name} was tried next: it is better beyond chance, too; all intervals hold together."


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


def measured_in_service(numbers: Numbers) -> dict[str, float]:
    """The deciding metric as the mean of windows, of a decision's numbers; nothing where it was measured otherwise."""
    metric, value = numbers.get("metric"), numbers.get("tested_value")
    if not isinstance(value, float) or not str(numbers.get("method", "")).startswith(MEAN_OF):
        return {}
    return {str(metric): value}


def text_of(value: float) -> str:
    """A metric's value as messages show it.

    Three decimals, or for what they would round away two digits that count; no decimals from a thousand on.
    """
    if abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.001 else f"{value:.1e}"  # noqa: PLR2004
