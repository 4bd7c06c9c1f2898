"""What every line of a log says beside its text: the use case, the window, the run, and the model.

It is kept where structlog keeps it, so that Airflow's logs of tasks have it as fields of each JSON line, and those of
the command line, too. A thread that is started does not inherit it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from structlog.contextvars import bind_contextvars, get_contextvars, unbind_contextvars

FIELDS = ("use_case", "window", "run", "model")
_INSIDE = ContextVar("inside", default=False)  # of an `about`


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """What is logged inside is about these, as fields; afterwards the fields are what they were before.

    >>> with about(use_case="parcels", run="r"):
    ...     with about(window="2024-01-01"):
    ...         also(model="3")
    ...         inside = known()
    ...     after = known()
    >>> inside
    {'use_case': 'parcels', 'window': '2024-01-01', 'run': 'r', 'model': '3'}
    >>> after
    {'use_case': 'parcels', 'run': 'r'}
    """
    before = known()
    inside = _INSIDE.set(True)
    try:
        also(**fields)
        yield
    finally:
        _INSIDE.reset(inside)
        unbind_contextvars(*FIELDS)
        bind_contextvars(**before)


def also(**fields: str) -> None:
    """What is logged from now on, until the innermost `about` ends, is also about these. Outside of any, nothing is.

    Errors: `ValueError` for other fields than `FIELDS`.
    """
    other = set(fields) - set(FIELDS)
    if other:
        raise ValueError(f"{', '.join(sorted(other))}: a log is about {', '.join(FIELDS)}")
    if _INSIDE.get():
        bind_contextvars(**fields)


def known() -> dict[str, str]:
    """What is logged now is about."""
    bound = get_contextvars()
    return {name: bound[name] for name in FIELDS if name in bound}
