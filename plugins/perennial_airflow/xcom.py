"""What passes between tasks: small JSON, never rows or models."""

from typing import Any

Json = dict[str, Any]

# A task's argument: while the DAG is built it stands for the result of the task before, in the task it is that result.
Upstream = Any
