"""Verdicts in sentences: what was found, in numbers, and what to do. Values of the data never appear in them."""

from collections.abc import Mapping

from perennial.quality.outcome import ExpectationOutcome
from perennial.spec.expectations import COLUMN_ARGUMENTS
from perennial.spec.sentences import sentence, written
from perennial.wording import counted, percent

_MOST_RULES = 5
_LONGEST = 200  # characters of what was expected


def all_met(rows: int, rules: int, expectations: int) -> str:
    """Why the verdict is a pass."""
    found = f"Nothing wrong was found in {counted(rows, 'row')}"
    return f"{found}, with {counted(rules, 'row rule')} and {counted(expectations, 'expectation')}."


SET_ASIDE = "Set aside: "  # what the reason for a quarantine begins with


def rows_set_aside(caught: int, rows: int, by_rule: Mapping[str, int], most: float, *, too_many: bool) -> str:
    """How many rows each rule caught, and whether the window can go on without them."""
    ranked = sorted(by_rule.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{rule} caught {count}" for rule, count in ranked[:_MOST_RULES])
    more = f", and {len(ranked) - _MOST_RULES} more rules" if len(ranked) > _MOST_RULES else ""
    found = f"{SET_ASIDE}{caught} of {counted(rows, 'row')} ({percent(caught / rows)}); {named}{more}."
    if too_many:
        return (
            f"{found} That is more than quality.max_quarantined_share, {percent(most)}, so the source is taken to be "
            "broken. Look at the quarantine, correct the source or the rule, and run the window again."
        )
    return f"{found} They are not scored; look at the quarantine, and replay the window after a fix."


def rule_error(rule: str, error: str) -> str:
    """Why a rule could not be evaluated."""
    return f"The row rule {rule} could not be evaluated: {error}"


def expectation_reason(outcome: ExpectationOutcome) -> str:
    """Why an expectation is not met."""
    if outcome.error is not None:
        columns = [str(outcome.kwargs[argument]) for argument in COLUMN_ARGUMENTS if argument in outcome.kwargs]
        subject = outcome.type + (f" on {', '.join(columns)}" if columns else "")
        error = outcome.error.rstrip(".")
        return f"{subject} could not be evaluated, which counts as not met: {error}. Correct the expectation."
    asked = _shown(sentence(outcome.type, outcome.kwargs))
    return f"{asked}: not met, {_found(outcome)}. Correct the source, or the expectation if this is normal."


def _found(outcome: ExpectationOutcome) -> str:
    if outcome.checked is not None and outcome.unexpected is not None:
        present = outcome.checked - (outcome.missing or 0)
        share = f" ({percent(outcome.unexpected / present)})" if present else ""
        return f"unexpected are {outcome.unexpected} of {counted(present, 'value')}{share}"
    if isinstance(outcome.observed, int | float):
        return f"observed {written(outcome.observed)}"
    if outcome.unexpected:
        return f"unexpected are {counted(outcome.unexpected, 'distinct value')}"
    return "`perennial validation` shows what was observed"


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
