"""The parameters of a SQL file, `:start`, `:end` and `:as_of`: where they stand, and where a colon is none of them.

A colon is a parameter's only in plain SQL. Casts (`::date`), text in quotes (also E'…' and $tag$…$tag$), quoted names
and comments, which PostgreSQL nests, bind nothing.
"""

import re
from collections.abc import Iterator

BOUND_ALWAYS = ("start", "end")
PARAMETERS = (*BOUND_ALWAYS, "as_of")

_TOKEN = re.compile(
    r"""
    (?P<kept>
        (?<![A-Za-z0-9_$])[eE]'(?:[^'\\]|\\.|'')*'              # text with backslash escapes
      | '(?:[^']|'')*'                                          # text
      | "(?:[^"]|"")*"                                          # quoted name
      | (?<![A-Za-z0-9_$])\$(?P<tag>[A-Za-z_]\w*)?\$.*?\$(?(tag)(?P=tag))\$   # dollar-quoted text
      | --[^\n]*                                                # comment to the end of the line
      | ::                                                      # cast
    )
  | (?P<comment>/\*)
  | :(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


def pieces(sql: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the name that it binds, "" where it binds none.

    >>> list(pieces("x::date >= :start"))
    [('x', ''), ('::', ''), ('date >= ', ''), (':start', 'start')]
    """
    at = 0
    while found := _TOKEN.search(sql, at):
        if found.start() > at:
            yield sql[at : found.start()], ""
        at = _end_of_comment(sql, found.end()) if found["comment"] else found.end()
        yield sql[found.start() : at], found["name"] or ""
    if at < len(sql):
        yield sql[at:], ""


def bound_names(sql: str) -> dict[str, int]:
    """Each name that the text binds as `:name`, with the line (from 1) where it does so first.

    >>> bound_names("SELECT ':no', x::date -- :no\\nFROM t WHERE x >= :start")
    {'start': 2}
    """
    names: dict[str, int] = {}
    line = 1
    for text, name in pieces(sql):
        if name:
            names.setdefault(name, line)
        line += text.count("\n")
    return names


def _end_of_comment(sql: str, at: int) -> int:
    """Where the block comment that is open at `at` ends."""
    depth = 1
    while depth:
        found = _COMMENT.search(sql, at)
        if found is None:
            return len(sql)
        depth += 1 if found.group() == "/*" else -1
        at = found.end()
    return at
