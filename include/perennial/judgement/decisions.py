"""Two models by the decisions that follow from their predictions."""

from dataclasses import dataclass

from scipy import stats

from perennial.errors import NotEnoughData
from perennial.judgement.bootstrap import compare_resampled
from perennial.judgement.compare import FEWEST
from perennial.judgement.comparison import Comparison
from perennial.judgement.rows import Scored
from perennial.judgement.wording import facts_text
from perennial.wording import counted

SMALLEST_TOLD = 1e-6  # p-values below are as good as none


@dataclass(frozen=True)
class DecisionComparison:
    """How many rows each model decides rightly, and what McNemar's test makes of those where they disagree.

    A row is decided rightly when it was decided for and its outcome is 1, or not and 0. `p_value` is one-sided: small
    when the challenger is right more often; `p_two_sided` asks for any difference. Both count rows as independent.
    `accuracy`, the gain in the share of right decisions, does not: its interval is by windows where they suffice, and
    is the one to decide by.
    """

    both_right: int
    only_champion_right: int
    only_challenger_right: int
    both_wrong: int
    p_value: float
    p_two_sided: float
    accuracy: Comparison

    @property
    def discordant(self) -> int:
        """How many rows they decide differently."""
        return self.only_champion_right + self.only_challenger_right


def compare_decisions(scored: Scored) -> DecisionComparison:
    """Both models' decisions, 0 or 1, which stand in the place of predictions. Each model has its own rule.

    McNemar's test (1947, Psychometrika 12), exact for any number of rows: given how many rows only one model
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
    champion, challenger = (each == scored.truth for each in (scored.champion, scored.challenger))
    only_champion, only_challenger = int((champion & ~challenger).sum()), int((challenger & ~champion).sum())
    discordant = only_champion + only_challenger
    at_least = float(stats.binom.sf(only_challenger - 1, discordant, 0.5)) if discordant else 1.0
    at_most = float(stats.binom.cdf(only_challenger, discordant, 0.5)) if discordant else 1.0
    return DecisionComparison(
        both_right=int((champion & challenger).sum()),
        only_champion_right=only_champion,
        only_challenger_right=only_challenger,
        both_wrong=int((~champion & ~challenger).sum()),
        p_value=at_least,
        p_two_sided=min(1.0, 2 * min(at_least, at_most)),
        accuracy=compare_resampled("accuracy", scored),
    )


def decision_reasons(
    found: DecisionComparison, challenger: str = "the challenger", champion: str = "the champion"
) -> tuple[str, ...]:
    """How the decisions of the two differ, in sentences."""
    rows = found.both_right + found.both_wrong + found.discordant
    small = found.p_two_sided < SMALLEST_TOLD
    p = f"p is below {SMALLEST_TOLD:.6f}" if small else f"p = {found.p_two_sided:.2g}"
    counts = (
        f"Of {counted(rows, 'decision')}, both {challenger} and {champion} are right in {found.both_right:,} and wrong "
        f"in {found.both_wrong:,}; only {challenger} is right in {found.only_challenger_right:,}, and only {champion} "
        f"in {found.only_champion_right:,}"
    )
    if not found.discordant:
        return (f"{counts}: they decide alike.",)
    test = f"McNemar's test, which counts rows as independent: {p}"
    return (f"{counts} ({test}).", f"{facts_text(found.accuracy, challenger, champion)}.")
