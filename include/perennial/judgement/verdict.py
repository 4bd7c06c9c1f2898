"""Whether a challenger is better than the champion, from their comparison and what the spec asks for."""

from dataclasses import dataclass
from enum import StrEnum

from perennial.judgement.comparison import Comparison
from perennial.judgement.labels_needed import Needed, labels_needed
from perennial.judgement.wording import caveats, facts_text
from perennial.wording import counted


class GainVerdict(StrEnum):
    """What the labels prove about the challenger. Only `better` is a reason to promote.

    `worse` means the same as in the shadow's judgement and for slices: a loss of more than the margin, beyond chance.
    """

    BETTER = "better"
    NOT_WORSE = "not worse"
    WORSE = "worse"
    NOT_ENOUGH_LABELS = "not enough labels"


@dataclass(frozen=True)
class GainJudgement:
    """A verdict on the gain, with its reasons in sentences.

    `ruled_out` says that an improvement of `min_effect` or more is excluded: waiting for labels will not make the
    challenger `better`. `needed` is the number of labels that would probably settle what is open: for `not enough
    labels`, and for `not worse` where an improvement is still possible; None where no number of them would.
    """

    verdict: GainVerdict
    reasons: tuple[str, ...]
    comparison: Comparison
    min_effect: float
    margin: float
    ruled_out: bool
    needed: Needed | None


def judge_gain(
    comparison: Comparison,
    min_effect: float = 0.0,
    margin: float = 0.0,
    challenger: str = "the challenger",
    champion: str = "the champion",
) -> GainJudgement:
    """The verdict on the interval of the gain; the first that holds.

    - `better`: the whole interval lies above 0, and reaches `min_effect`, the smallest gain of interest.
    - `not worse`: the whole interval lies above -`margin`, the loss that does not matter (non-inferiority: Piaggio
      et al., 2012, JAMA 308). A challenger that is surely better, but surely by less than `min_effect`, is this too.
    - `worse`: the whole interval lies below -`margin`: by more than the loss that does not matter.
    - `not enough labels`: none of these. A challenger that is surely worse, but not surely by more than `margin`, is
      this too; `ruled_out` says that waiting for labels would not help it.

    The estimate itself need not reach `min_effect`. If it had to, a challenger that truly is better by exactly
    `min_effect` would be refused half of the time, however many labels there are, because its estimate lies below the
    truth as often as above. What is asked is that `min_effect` is not ruled out, so such a challenger is found with
    the power that the number of labels gives.

    Of equally good models with 95% intervals, about 2.5% are `better`, and as many, or fewer with a `margin`, `worse`.
    Where the unit is the row, that holds for the windows at hand only, and the reasons say so.
    """
    if min_effect < 0 or margin < 0:
        raise ValueError(f"min_effect ({min_effect}) and margin ({margin}) are lengths and can't be negative")
    facts = facts_text(comparison, challenger, champion)
    ruled_out = comparison.high < min_effect or comparison.high <= 0
    needed = None
    if comparison.low > 0 and not ruled_out:
        verdict, told = GainVerdict.BETTER, "better beyond chance"
        if comparison.gain < min_effect:
            told += f"; the {min_effect:g} that was asked for is within the interval"
    elif comparison.low > -margin or comparison.low > 0:
        verdict = GainVerdict.NOT_WORSE
        needed, told = _not_worse(comparison, min_effect, margin, ruled_out)
    elif comparison.high < -margin:
        verdict, told = GainVerdict.WORSE, "worse beyond chance"
        if margin:
            told += f", by more than the margin of {margin:g}"
    else:
        verdict = GainVerdict.NOT_ENOUGH_LABELS
        needed, told = _undecided(comparison, min_effect, margin, ruled_out)
    reasons = (f"{facts}: {told}.", *caveats(comparison))
    return GainJudgement(verdict, reasons, comparison, min_effect, margin, ruled_out, needed)


def _not_worse(comparison: Comparison, min_effect: float, margin: float, ruled_out: bool) -> tuple[Needed | None, str]:
    """How many labels would show an improvement that is still possible, and the sentence's end."""
    if comparison.low > 0:
        return None, f"better beyond chance, but surely by less than the {min_effect:g} that was asked for"
    if comparison.high < 0:
        return None, f"worse beyond chance, but surely by less than the {margin:g} that would matter"
    told = f"not shown to be better, and surely not worse by the {margin:g} that would matter"
    if ruled_out:
        return None, f"{told}; {_improvement(min_effect)} is ruled out"
    needed = labels_needed(comparison, min_effect) if min_effect else None
    if needed and needed.beyond(comparison):
        return needed, f"{told}; an improvement of {min_effect:g} takes {_enough(needed, comparison)}"
    return None, told


def _undecided(comparison: Comparison, min_effect: float, margin: float, ruled_out: bool) -> tuple[Needed | None, str]:
    """How many labels would settle what is open, and the sentence's end."""
    if comparison.high < 0:
        return None, (
            f"worse beyond chance; whether by more than the margin of {margin:g} is not shown, and more labels will "
            "not make it better"
        )
    if ruled_out:
        begin = f"{_improvement(min_effect)} is ruled out"
        needed = labels_needed(comparison, margin) if margin else None
        if needed and needed.beyond(comparison):
            return needed, f"{begin}; to see that it is not worse by {margin:g} takes {_enough(needed, comparison)}"
        return None, f"{begin}, and more labels will not make it better"
    for effect, told in (
        (min_effect, f"an improvement of {min_effect:g}"),
        (comparison.gain, "if it is what it looks like, it"),
    ):
        if effect > 0:
            needed = labels_needed(comparison, effect)
            if needed.beyond(comparison):
                return needed, f"not enough labels to tell; {told} takes {_enough(needed, comparison)}"
    return None, "not enough labels to tell, and no sign of an improvement that more labels would prove"


def _improvement(min_effect: float) -> str:
    return f"an improvement of {min_effect:g} or more" if min_effect else "an improvement"


def _enough(needed: Needed, comparison: Comparison) -> str:
    labels, windows = _about(needed.labels), _about(needed.windows)
    return (
        f"about {counted(labels, 'labelled row')} in {counted(windows, comparison.group)} "
        "to be noticed four times in five"
    )


def _about(number: int) -> int:
    """Rounded up to three digits that count."""
    unit = int(10 ** max(0, len(str(number)) - 3))
    return -(-number // unit) * unit
