"""What became of policies, for people and as JSON."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from replays.lives import OURS, UNJUDGED, Lived
from replays.months import Months
from replays.refusals import refusal_text, refusals


def table(months: Months, lived: Mapping[str, Lived]) -> list[str]:
    """The metric by month, a column for each policy, then what it took."""
    names = list(lived)
    rows = [
        ("ROC AUC", *names),
        *((month, *(f"{months.values[name][month]:.4f}" for name in names)) for month in months.names),
        ("mean", *(f"{months.mean(name):.4f}" for name in names)),
        ("retrainings", *(str(len(lived[name].retrainings)) for name in names)),
        ("of them won", *(str(lived[name].won) for name in names)),
        ("seconds", *(f"{lived[name].seconds:.0f}" for name in names)),
    ]
    return [f"{row[0]:<12}" + "".join(f"{cell:>10}" for cell in row[1:]) for row in rows]


def told(lived: Mapping[str, Lived]) -> list[str]:
    """Every retraining of `ours`: when, what called for it, and what the judge said; then what refusals cost."""
    ours, lines = lived[OURS], []
    for each in ours.retrainings:
        lines.append(f"{each.as_of:%Y-%m-%d} {'new model' if each.promoted else 'champion stays'}: {each.reason}")
        lines.append(f"           {each.judged}")
    found = refusals(ours.retrainings, ours.outcomes, lived[UNJUDGED].outcomes)
    return [*lines, "", *(map(refusal_text, found) if found else ("No challenger was refused.",))]


def against(months: Months, policy: str, rival: str) -> str:
    """The difference of the means of months, with its interval."""
    found = months.gain(policy, rival)
    return f"{policy} is {found.value:+.4f} against {rival} ({found.low:+.4f} to {found.high:+.4f})"


def verdict(months: Months, lived: Mapping[str, Lived]) -> dict[str, Any]:
    """All of it, as JSON."""
    return {
        name: {
            "mean": months.mean(name),
            "months": months.values[name],
            "gains": {rival: asdict(months.gain(name, rival)) for rival in lived if rival != name},
            "retrainings": [
                {"as_of": each.as_of.isoformat(), "won": each.promoted, "reason": each.reason, "judged": each.judged}
                for each in found.retrainings
            ],
            "seconds": round(found.seconds),
        }
        for name, found in lived.items()
    }
