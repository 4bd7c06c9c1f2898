"""The parameters of a SQL file (see `perennial.spec.parameters`), turned into those that psycopg2 binds."""

from perennial.errors import InvalidQuery
from perennial.spec.parameters import PARAMETERS, bound_names, pieces


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
    for name, line in bound_names(sql).items():
        if name not in PARAMETERS:
            known = ", ".join(f":{each}" for each in PARAMETERS)
            raise InvalidQuery(
                f"{file}, line {line}: there is no parameter :{name}; the parameters are {known}. "
                "If it is the end of an array slice, write a space after the colon."
            )
    return "".join(f"%({name})s" if name else text.replace("%", "%%") for text, name in pieces(sql))
