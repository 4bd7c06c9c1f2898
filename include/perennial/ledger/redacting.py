"""What becomes of the ledger's entries that name an entity which is erased: alike in every ledger.

A validation's result holds samples of values that broke an expectation. Those that the entity's rows had are removed
from it, column by column, and what its clean rows were like is left out, where that names one of them.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Json = dict[str, Any]
Named = Mapping[str, Sequence[Any]]
"""By column, the values of an entity's rows as JSON has them; neither null nor true or false are among them."""

_COLUMN, _SEEN, _EXPECTATIONS = "column", "seen", "expectations"


def without_named(result: Json, named: Named) -> Json:
    """A validation's result without the values that are named; the result itself where it has none of them.

    >>> outcome = {"kwargs": {"column": "town"}, "samples": ["Rome", "Oslo"]}
    >>> without_named({"expectations": [outcome]}, {"town": ["Rome"]})
    {'expectations': [{'kwargs': {'column': 'town'}, 'samples': ['Oslo']}]}
    """
    kept = {name: part for name, part in result.items() if name != _SEEN or not _names(part, _all(named))}
    if _EXPECTATIONS in kept:
        kept[_EXPECTATIONS] = [_expectation(each, named) for each in kept[_EXPECTATIONS]]
    return kept


def named_in(result: Json) -> dict[str, list[Any]]:
    """Whatever a validation's result names of cells: `without_named` takes all of that out.

    >>> outcome = {"kwargs": {"column": "town"}, "samples": ["Rome"], "values": [{"value": "Rome", "count": 2}]}
    >>> named_in({"expectations": [outcome]}), named_in({"expectations": [{**outcome, "samples": [], "values": []}]})
    ({'town': ['Rome']}, {})
    """
    found: dict[str, list[Any]] = {}
    for outcome in result.get(_EXPECTATIONS, ()):
        cells = [*(outcome.get("samples") or ()), *(each.get("value") for each in outcome.get("values") or ())]
        if values := list(dict.fromkeys(_scalars(cells))):
            found.setdefault(outcome.get("kwargs", {}).get(_COLUMN) or "", []).extend(values)
    if seen := next(_scalars(result.get(_SEEN)), None):
        found.setdefault(_SEEN, []).append(seen)
    return found


def _expectation(outcome: Json, named: Named) -> Json:
    """An expectation about several columns has samples of several values: any of the entity's counts."""
    column = outcome.get("kwargs", {}).get(_COLUMN)
    values = _all(named) if column is None else list(named.get(column, ()))
    kept = dict(outcome)
    for part in ("samples", "values"):
        if isinstance(kept.get(part), list):
            kept[part] = [
                each for each in kept[part] if not _names(each.get("value") if part == "values" else each, values)
            ]
    if "observed" in kept and _names(kept["observed"], values):
        kept["observed"] = None
    return kept


def _names(part: Any, values: Sequence[Any]) -> bool:
    return any(each in values for each in _scalars(part))


def _scalars(part: Any) -> Iterator[Any]:
    if isinstance(part, Mapping):
        for name, each in part.items():
            yield name
            yield from _scalars(each)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _scalars(each)
    elif part is not None and not isinstance(part, bool):
        yield part


def _all(named: Named) -> list[Any]:
    return [each for values in named.values() for each in values]
