"""Which pods a request is about: label and field selectors, in the words of Kubernetes."""

import re
from collections.abc import Callable, Mapping
from typing import Any

Pod = dict[str, Any]
Matches = Callable[[Pod], bool]
TERMS = re.compile(r",(?![^(]*\))")
SET = re.compile(r"(?P<key>[^\s!=]+) (?P<not>not)?in \((?P<values>[^)]*)\)")


def selecting(labels: str, fields: str) -> Matches:
    """A function that knows the pods. Errors: `ValueError` for a selector that no term of ours reads."""
    asked = [_label_term(term.strip()) for term in TERMS.split(labels) if term.strip()]
    wanted = [_field_term(term.strip()) for term in fields.split(",") if term.strip()]

    def matches(pod: Pod) -> bool:
        carried = pod["metadata"].get("labels") or {}
        return all(term(carried) for term in asked) and all(term(pod) for term in wanted)

    return matches


def _label_term(term: str) -> Callable[[Mapping[str, str]], bool]:
    found = SET.fullmatch(term)
    if found:
        values = {value.strip() for value in found["values"].split(",")}
        wanted = found["not"] is None
        return lambda labels: (labels.get(found["key"]) in values) is wanted
    if "!=" in term:
        key, value = term.split("!=")
        return lambda labels: labels.get(key) != value
    if "=" in term:
        key, value = re.split("==?", term)
        return lambda labels: labels.get(key) == value
    if term.startswith("!"):
        return lambda labels: term[1:] not in labels
    return lambda labels: term in labels


def _field_term(term: str) -> Matches:
    path, equals, value = term.partition("=")
    if path not in {"status.phase", "metadata.name"} or not equals:
        raise ValueError(f"no field selector of ours: {term!r}")
    first, second = path.split(".")
    return lambda pod: pod[first].get(second) == value
