"""The parameters of a SQL file: `:start`, `:end` and `:as_of`, turned into those that psycopg2 binds.

A colon is a parameter's only in plain SQL. Casts (`::date`), text in quotes (also E'…' and $tag$…$tag$), quoted names
and comments stay as they are.
"""

import re

from perennial.errors import InvalidQuery

PARAMETERS = ("start", "end", "as_of")

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


def bound(sql: str, file: str) -> str:
    """The query with `%(name)s` for each parameter and every other `%` doubled, as psycopg2 wants it.

    Errors: `InvalidQuery` for a parameter that there is not, and for a NUL, where PostgreSQL would stop reading;
    `file` names the query in its message.

    >>> bound("SELECT 5 % 2, ':end' WHERE at::date >= :start", "flights.sql")
    "SELECT 5 %% 2, ':end' WHERE at::date >= %(start)s"
    """
    if "\x00" in sql:
        line = sql.count("\n", 0, sql.index("\x00")) + 1
        raise InvalidQuery(f"{file}, line {line}: holds the character NUL, which no query can. Remove it.")
    parts: list[str] = []
    at = 0
    while found := _TOKEN.search(sql, at):
        parts.append(_escaped(sql[at : found.start()]))
        at = found.end()
        if found["comment"]:
            at = _end_of_comment(sql, at)
            parts.append(_escaped(sql[found.start() : at]))
        elif found["name"]:
            parts.append(_placeholder(found["name"], file, sql.count("\n", 0, found.start()) + 1))
        else:
            parts.append(_escaped(found["kept"]))
    return "".join([*parts, _escaped(sql[at:])])


def _placeholder(name: str, file: str, line: int) -> str:
    if name not in PARAMETERS:
        known = ", ".join(f":{each}" for each in PARAMETERS)
        raise InvalidQuery(
            f"{file}, line {line}: there is no parameter :{name}; the parameters are {known}. "
            "If it is the end of an array slice, write a space after the colon."
        )
    return f"%({name})s"


def _end_of_comment(sql: str, at: int) -> int:
    """Where the block comment that is open at `at` ends; PostgreSQL nests them."""
    depth = 1
    while depth:
        found = re.compile(r"/\*|\*/").search(sql, at)
        if found is None:
            return len(sql)
        depth += 1 if found.group() == "/*" else -1
        at = found.end()
    return at


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
