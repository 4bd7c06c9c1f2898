"""The SQL files that a spec names, and the names that they bind."""

import re
from collections.abc import Iterator
from pathlib import Path

from perennial.spec.document import Document
from perennial.spec.files import file_beside
from perennial.spec.suggest import nearest
from perennial.spec.text import read_text
from perennial.spec.violation import Location, Violation

BOUND_ALWAYS = ("start", "end")
BINDABLE = (*BOUND_ALWAYS, "as_of")
_SOURCES: tuple[Location, ...] = (("source",), ("labels", "source"))

# What a colon can stand in without binding anything: comments, texts, quoted names, PostgreSQL's dollar quotes.
_SILENT = re.compile(
    r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$",
    re.DOTALL,
)
_BOUND = re.compile(r"(?<![:\w\\]):([A-Za-z_]\w*)")


def bound_names(sql: str) -> dict[str, int]:
    """Each name that the text binds as `:name`, with the line (from 1) where it does so first.

    >>> bound_names("SELECT ':no', x::date -- :no\\nFROM t WHERE x >= :start")
    {'start': 2}
    """
    spoken = _SILENT.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), sql)
    names: dict[str, int] = {}
    for match in _BOUND.finditer(spoken):
        names.setdefault(match.group(1), spoken.count("\n", 0, match.start()) + 1)
    return names


def read_queries(document: Document, folder: Path) -> tuple[dict[str, str], list[Violation]]:
    """The SQL texts that the spec's sources name, by file name, and what is wrong with them."""
    queries: dict[str, str] = {}
    violations: list[Violation] = []
    for location in _SOURCES:
        name = document.at((*location, "query"))
        if document.at((*location, "type")) != "postgres" or not isinstance(name, str) or name in queries:
            continue
        file, missing = file_beside(document, folder, (*location, "query"), name)
        violations += missing
        if file is not None:
            sql, unreadable = read_text(file)
            violations += unreadable
            if sql is not None:
                queries[name] = sql
                violations += _violations(file, sql)
    return queries, violations


def _violations(file: Path, sql: str) -> Iterator[Violation]:
    names = bound_names(sql)
    meant = set()
    for name, line in names.items():
        if name not in BINDABLE:
            suggestion = nearest(name, BINDABLE)
            meant.add(suggestion)
            problem = f"nothing is bound to this name; there are {', '.join(f':{known}' for known in BINDABLE)}"
            yield Violation(file, line, "", f":{name}", problem, f":{suggestion}" if suggestion else None)
    for name in BOUND_ALWAYS:
        if name not in names and name not in meant:
            problem = f"the query does not use :{name}; it must select the event times of [:start, :end) and no others"
            yield Violation(file, 1, "", None, problem)
