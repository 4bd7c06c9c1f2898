"""The shadow's judgement: is the challenger better, looking after every window?

The claims rest on one confidence sequence (`perennial.judgement.confidence_sequence`), so that all of them together are
wrong in a share `alpha` of shadows at most, however often one looks and whenever one stops. Its assumptions are written
there.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

import numpy as np

from perennial.errors import InvalidSpec
from perennial.judgement.confidence_sequence import (
    ConfidenceSequence,
    confidence_sequence,
    windows_needed,
)
from perennial.judgement.window_gains import Evidence, WindowGain, evidence
from perennial.performance.gain import METRIC_TITLES, metric_named
from perennial.window import Window
from perennial.wording import counted

ALPHA = 0.05
MOST_WINDOWS = 2_000  # to look ahead
FEWEST_AHEAD = 2  # windows that have a spread


class Claim(StrEnum):
    """What a shadow has shown. `undecided` is no claim."""

    BETTER = "better"
    NOT_WORSE = "not worse"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Question:
    """What is asked of a shadow: in which metric, which gain is the smallest of interest (`min_effect`), and which loss
    does not matter (`margin`), both in the metric's unit.

    Errors: `InvalidSpec` for a metric that there is none of, a negative `min_effect` or `margin`, an `alpha` outside of
    0 to 1.
    """

    metric: str
    margin: float = 0.0
    min_effect: float = 0.0
    alpha: float = ALPHA

    def __post_init__(self) -> None:
        metric_named(self.metric)
        for name, value in (("margin", self.margin), ("min_effect", self.min_effect)):
            if not 0 <= value < math.inf:
                raise InvalidSpec(f"A {name} of {value} can't be judged by; write a number from 0 on.")
        if not 0 < self.alpha < 1:
            raise InvalidSpec(f"alpha is {self.alpha}; it is the share of false verdicts: write one such as {ALPHA}.")


@dataclass(frozen=True)
class Look:
    """What was known once a window had matured: the mean gain of all rows so far, and where the true one is.

    `low` and `high` hold at this and all earlier looks at once; None where there is no end yet.
    """

    window: Window
    matured_at: datetime
    windows: int
    rows: int
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SequentialVerdict:
    """What a shadow has shown so far, as of its last look.

    `decided_at` is the look at which the claim was first made. `more_windows` is about how many it takes until
    `next_claim` is made, if the gain stays as it was found; None where there is no such claim, or where it takes more
    than `MOST_WINDOWS`. `autocorrelation` is that of windows with the ones before. `claim_remeasured` is the claim that
    the same windows make with their newest values, None where no window was measured again.
    """

    claim: Claim
    question: Question
    looks: tuple[Look, ...]
    decided_at: Look | None
    autocorrelation: float
    next_claim: Claim | None
    more_windows: int | None
    remeasured: int
    claim_remeasured: Claim | None
    reasons: tuple[str, ...]

    @property
    def last(self) -> Look | None:
        """The last look; None without a window."""
        return self.looks[-1] if self.looks else None


def judge_shadow(found: Iterable[WindowGain], question: Question) -> SequentialVerdict:
    """Judge by all windows that have matured; the order in which they are given makes no difference.

    - `better`: the mean gain is above 0, and `min_effect` is not ruled out.
    - `not worse`: it is above -margin. A gain that is surely below `min_effect` is this too.
    - `worse`: it is below -margin. A loss within the margin must not end a shadow that is going to show just that.
    - `undecided`: none of these; or late windows contradict what earlier ones had shown, so that the mean of all lies
      outside the interval.

    As more windows come, `not worse` may become `better`, and `better` `not worse` when they rule `min_effect` out.
    Errors: `InvalidWindow` (see `evidence`).
    """
    known = evidence(found)
    sequence = confidence_sequence(known.gains, known.rows, question.alpha)
    looks = looks_of(known, sequence)
    claims = [claim_of(look, question) for look in looks]
    claim = claims[-1] if claims else Claim.UNDECIDED
    decided_at = _first_of_the_last(looks, claims) if claim is not Claim.UNDECIDED else None
    alike = float(sequence.autocorrelation[-1]) if looks else 0.0
    next_claim, more = _ahead(known, looks, claim, question, alike)
    again = None
    if known.remeasured:
        newest = known.with_newest()
        then = looks_of(newest, confidence_sequence(newest.gains, newest.rows, question.alpha))
        again = claim_of(then[-1], question)
    verdict = SequentialVerdict(
        claim, question, looks, decided_at, alike, next_claim, more, len(known.remeasured), again, ()
    )
    return replace(verdict, reasons=(*_reasons(verdict), *known.left_out))


def looks_of(known: Evidence, sequence: ConfidenceSequence) -> tuple[Look, ...]:
    """What was known after each window."""
    rows = np.cumsum(known.rows)
    low, high = sequence.lower, sequence.upper
    return tuple(
        Look(
            window=each.window,
            matured_at=each.matured_at,
            windows=i + 1,
            rows=int(rows[i]),
            mean=float(sequence.mean[i]),
            low=float(low[i]) if np.isfinite(low[i]) else None,
            high=float(high[i]) if np.isfinite(high[i]) else None,
        )
        for i, each in enumerate(known.windows)
    )


def claim_of(look: Look, question: Question) -> Claim:
    """The claim that the interval of a look allows: none where it and the mean contradict each other."""
    if _contradictory(look):
        return Claim.UNDECIDED
    if look.low is not None and look.low > 0 and not ruled_out(look, question):
        return Claim.BETTER
    if look.low is not None and look.low > -question.margin:
        return Claim.NOT_WORSE
    if look.high is not None and look.high < -question.margin:
        return Claim.WORSE
    return Claim.UNDECIDED


def ruled_out(look: Look, question: Question) -> bool:
    """Whether the gain is surely below `min_effect`, so that waiting for windows makes no challenger `better`."""
    return look.high is not None and look.high < question.min_effect


def _first_of_the_last(looks: tuple[Look, ...], claims: list[Claim]) -> Look:
    """The look from which on the last claim was made without a break."""
    since = max((i for i, (before, after) in enumerate(pairwise(claims), 1) if before is not after), default=0)
    return looks[since]


def _ahead(
    known: Evidence, looks: tuple[Look, ...], claim: Claim, question: Question, alike: float
) -> tuple[Claim | None, int | None]:
    """The claim that the mean found so far leads to, and how many more windows it takes."""
    if len(looks) < FEWEST_AHEAD or claim in (Claim.BETTER, Claim.WORSE) or _contradictory(looks[-1]):
        return None, None
    mean = looks[-1].mean
    towards = _towards(looks[-1], claim, question)
    if towards is None:
        return None, None
    effects = {Claim.BETTER: mean, Claim.NOT_WORSE: mean + question.margin, Claim.WORSE: -question.margin - mean}
    weights = np.asarray(known.rows, dtype=np.float64)
    weights /= weights.mean()
    spread = float(np.sqrt((weights**2 * (np.asarray(known.gains) - mean) ** 2).sum() / (len(looks) - 1)))
    effect = effects[towards] / spread if spread > 0 else math.inf
    needed = windows_needed(effect, question.alpha, alike, MOST_WINDOWS)
    return towards, None if needed is None else max(1, needed - len(looks))


def _towards(last: Look, claim: Claim, question: Question) -> Claim | None:
    hopeless = ruled_out(last, question)
    if claim is Claim.NOT_WORSE:
        return Claim.BETTER if last.mean > 0 and not hopeless else None
    if last.mean > -question.margin:
        return Claim.NOT_WORSE if question.margin > 0 or hopeless else Claim.BETTER
    return Claim.WORSE if last.mean < -question.margin else None


def _contradictory(look: Look) -> bool:
    """Whether the mean of all windows lies outside the interval that all of them have left of it."""
    return (look.low is not None and look.mean < look.low) or (look.high is not None and look.mean > look.high)


def _reasons(verdict: SequentialVerdict) -> list[str]:
    question, last = verdict.question, verdict.last
    title = METRIC_TITLES[question.metric]
    by_more = f" by more than the margin of {question.margin:.4g}" if question.margin else ""
    if last is None:
        return ["No window of the shadow has matured, so nothing is known yet."]
    so_far = (
        f"Over {counted(last.windows, 'window')} and {counted(last.rows, 'labelled row')} the challenger's {title} is "
        f"{_gained(last.mean)} the champion's on average"
    )
    if _contradictory(last):
        told = (
            f"{so_far}. The last windows contradict earlier ones: the gain does not stay the same, so no claim about "
            "it holds. Find out what changed, and begin the shadow anew."
        )
    else:
        told = f"{so_far}; {_interval(last, question.alpha)}. {_CLAIMS[verdict.claim].format(by_more=by_more)}"
    reasons = [told]
    if last.high is not None and ruled_out(last, question):
        reasons.append(f"A gain of {question.min_effect:.4g}, the smallest of interest, is ruled out.")
    if verdict.next_claim is not None:
        reasons.append(_outlook(verdict))
    if verdict.remeasured:
        reasons.append(
            f"{counted(verdict.remeasured, 'window')} {'was' if verdict.remeasured == 1 else 'were'} measured again "
            f"after maturing and {'counts' if verdict.remeasured == 1 else 'count'} as first measured; with the newest "
            f"values the answer would be {verdict.claim_remeasured}."
        )
    return reasons


_CLAIMS = {
    Claim.BETTER: "It is better.",
    Claim.NOT_WORSE: "It is not worse{by_more}.",
    Claim.WORSE: "It is worse{by_more}.",
    Claim.UNDECIDED: "That does not decide it.",
}


def _outlook(verdict: SequentialVerdict) -> str:
    if verdict.more_windows is None:
        return (
            f"If the gain stays as it is, it takes more than {MOST_WINDOWS:,} windows until it is {verdict.next_claim}."
        )
    return (
        f"If the gain stays as it is, it takes about {counted(verdict.more_windows, 'more window')} until it is "
        f"{verdict.next_claim}."
    )


def _gained(mean: float) -> str:
    if mean == 0:
        return "equal to"
    return f"{abs(mean):.4g} {'better' if mean > 0 else 'worse'} than"


def _interval(look: Look, alpha: float) -> str:
    if look.low is None and look.high is None:
        return "so few windows can't tell where the true gain is"
    low = "anything" if look.low is None else f"{look.low:.4g}"
    high = "anything" if look.high is None else f"{look.high:.4g}"
    return f"the true gain is between {low} and {high} (at every look, with {100 * (1 - alpha):.4g}% confidence)"
