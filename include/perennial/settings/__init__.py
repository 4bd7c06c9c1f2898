"""What can be set: each setting with its default and meaning, and where its value comes from.

`environment` alone reads the process's variables. `table` has every setting; docs/settings.md is made from it.
"""

from perennial.settings.environment import LOCAL_ENVIRONMENT, Environment, child_environment, process_environment
from perennial.settings.names import (
    APPROVER_ROLES,
    LEDGER_CONNECTION,
    LEDGER_READER,
    PUBLISHED_CONNECTION,
    PUBLISHED_READER,
)
from perennial.settings.places import Settings

__all__ = [
    "APPROVER_ROLES",
    "LEDGER_CONNECTION",
    "LEDGER_READER",
    "LOCAL_ENVIRONMENT",
    "PUBLISHED_CONNECTION",
    "PUBLISHED_READER",
    "Environment",
    "Settings",
    "child_environment",
    "process_environment",
]
