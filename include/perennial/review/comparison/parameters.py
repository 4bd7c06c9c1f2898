"""The hyper-parameters of two models, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from perennial.errors import PerennialError
from perennial.registry.port import ModelRegistry
from perennial.review.comparison.difference import Difference, Rank

MOST_NAMED = 3


@dataclass(frozen=True)
class ParameterCompared:
    """A hyper-parameter of either model, as text; None where the model does not have it."""

    name: str
    before: str | None
    after: str | None
    differs: bool


def known_parameters(
    registry: ModelRegistry, use_case: str, version: str, remarks: list[str]
) -> Mapping[str, str] | None:
    """The version's parameters, None where they can't be read; why is added to the remarks."""
    try:
        return registry.parameters(use_case, version)
    except PerennialError as error:
        remarks.append(f"The parameters of version {version} can't be read: {error}")
        return None


def parameters(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> tuple[ParameterCompared, ...]:
    """All parameters of both, the different ones first, each in the order of its name; none unless both are known."""
    if before is None or after is None:
        return ()
    pairs = ((name, before.get(name), after.get(name)) for name in sorted({*before, *after}))
    found = [ParameterCompared(name, was, now, was != now) for name, was, now in pairs]
    return tuple(sorted(found, key=lambda each: not each.differs))


def told(before: str, after: str, found: Sequence[ParameterCompared]) -> Iterator[Difference]:
    """What is to be said of the parameters of the versions `before` and `after`, where any are different."""
    different = [each for each in found if each.differs]
    if not different:
        return
    first = different[:MOST_NAMED]
    named = "; ".join(f"{each.name} {_text(each.after)} instead of {_text(each.before)}" for each in first)
    rest = len(different) - MOST_NAMED
    more = f"; and {rest} more" if rest > 0 else ""
    yield Difference(Rank.MADE_OF, f"Version {after} has other parameters than {before}: {named}{more}.", "parameters")


def _text(value: str | None) -> str:
    return "no value" if value is None else value
