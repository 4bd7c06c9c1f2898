"""The command line in the process of a test."""

import gc
from collections.abc import Mapping, Sequence

from typer.testing import CliRunner, Result

from perennial.cli.main import app


def invoke(arguments: Sequence[str], environment: Mapping[str, str], *, failing: bool = False) -> Result:
    """What became of a command, and of its connections: they are closed, as when a user's process ends.

    SQLAlchemy's engines refer to themselves; until somebody collects them, each keeps a connection, and the one server
    of the tests has few. An exception is raised here, or is in the result where it is `failing`.
    """
    result = CliRunner().invoke(app, list(arguments), env=dict(environment), catch_exceptions=failing)
    gc.collect()
    return result
