"""What an expression of PromQL asks for: its selectors, and the labels that it groups or matches by."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import promql_parser as promql

LEGEND = re.compile(r"{{\s*(?:\$labels\.)?(\w+)\s*}}")


@dataclass(frozen=True)
class Selector:
    """Series of one name whose labels fit; `matchers` are (label, operator, value)."""

    name: str
    matchers: tuple[tuple[str, str, str], ...]

    def fits(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether the series is one of them."""
        return name == self.name and all(
            _OPERATORS[operator](labels.get(label, ""), value) for label, operator, value in self.matchers
        )


_OPERATORS: dict[str, Any] = {
    "Equal": lambda found, wanted: found == wanted,
    "NotEqual": lambda found, wanted: found != wanted,
    "Re": lambda found, wanted: re.fullmatch(wanted, found) is not None,
    "NotRe": lambda found, wanted: re.fullmatch(wanted, found) is None,
}


@dataclass(frozen=True)
class Asked:
    """The selectors of an expression, and the labels by which it aggregates or joins."""

    selectors: tuple[Selector, ...]
    labels: frozenset[str]


def asked(expression: str) -> Asked:
    """What is asked for. Errors: `ValueError` for what is no PromQL."""
    selectors: list[Selector] = []
    labels: set[str] = set()

    def visit(node: Any) -> bool:
        if isinstance(node, promql.VectorSelector):
            matchers = (
                (each.name, str(each.op).removeprefix("MatchOp."), each.value) for each in node.matchers.matchers
            )
            selectors.append(Selector(node.name, tuple(matchers)))
        modifier = getattr(node, "modifier", None)
        if isinstance(modifier, promql.AggModifier):
            labels.update(modifier.labels)
        elif isinstance(modifier, promql.BinModifier) and modifier.matching is not None:
            labels.update(modifier.matching.labels)
        return True

    promql.walk(promql.parse(expression), visit)
    return Asked(tuple(selectors), frozenset(labels))


def legend_labels(text: str) -> Iterable[str]:
    """The labels that a legend or an annotation puts in."""
    return LEGEND.findall(text)
