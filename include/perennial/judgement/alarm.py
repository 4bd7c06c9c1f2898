"""The alarm after a roll-out: is the new champion worse than what it replaced, by more than is bearable?

It asks one thing only, so it notices large losses sooner than a shadow's verdict, after nine windows or so. A false
alarm costs a rollback to a model that was good enough before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from perennial.judgement.confidence_sequence import PROMPT, confidence_sequence
from perennial.judgement.sequential import Look, Question, looks_of
from perennial.judgement.window_gains import WindowGain, evidence
from perennial.performance.gain import METRIC_TITLES
from perennial.wording import counted


@dataclass(frozen=True)
class Alarm:
    """Whether the new model has been shown to be worse by more than the margin.

    `raised_at` is the look at which the alarm was raised, None while it was not. Looks have no `low`: how good the
    model may be is not asked.
    """

    question: Question
    looks: tuple[Look, ...]
    raised_at: Look | None
    reasons: tuple[str, ...]

    @property
    def raised(self) -> bool:
        """Whether there is an alarm."""
        return self.raised_at is not None


def watch(found: Iterable[WindowGain], question: Question) -> Alarm:
    """Watch the gains of a new model over the one it replaced; the order in which they are given makes no difference.

    The alarm is raised when the mean gain is below -margin. Of models that are as good as the margin allows, a share
    `alpha` at most ever raises one. Once raised it stays. It
    is for the time after a roll-out: a model that was good for long and then goes bad moves the mean slowly, and is the
    business of the performance triggers. Errors: `InvalidWindow` (see `evidence`).
    """
    known = evidence(found)
    # One end of an interval at twice the level.
    sequence = confidence_sequence(known.gains, known.rows, min(2 * question.alpha, 1.0), PROMPT)
    looks = tuple(replace(look, low=None) for look in looks_of(known, sequence))
    raised_at = next((look for look in looks if look.high is not None and look.high < -question.margin), None)
    return Alarm(question, looks, raised_at, (_reason(question, looks, raised_at), *known.left_out))


def _reason(question: Question, looks: tuple[Look, ...], raised_at: Look | None) -> str:
    title, limit = METRIC_TITLES[question.metric], f"the margin of {question.margin:.4g}"
    if raised_at is not None:
        return (
            f"Alarm: after {counted(raised_at.windows, 'window')} and {counted(raised_at.rows, 'labelled row')} the "
            f"new model's {title} is worse by {-raised_at.mean:.4g} on average, and by at least "
            f"{-(raised_at.high or 0):.4g}, which is more than {limit}. Roll back."
        )
    if not looks:
        return "No window of the new model has matured, so nothing is known yet."
    last = looks[-1]
    at_worst = "" if last.high is None else f", and the true gain is at most {last.high:.4g}"
    return (
        f"No alarm: over {counted(last.windows, 'window')} and {counted(last.rows, 'labelled row')} the mean gain in "
        f"{title} is {last.mean:.4g}{at_worst}; an alarm takes a loss beyond doubt of "
        f"more than {limit}."
    )
