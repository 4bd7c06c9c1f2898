"""From settings to the lake and the ledger alone, for a process that makes one change and ends.

What sources and models are made of takes seconds to import, and who waits for a change needs none of it.
"""

from typing import Any

from perennial.lake.delta import DeltaLake
from perennial.lake.storage import environment_options, storage_options
from perennial.ledger.postgres.ledger import PostgresLedger
from perennial.ports import Ports
from perennial.settings import LEDGER_CONNECTION, Settings
from perennial.sources.port import Connections


def open_records(settings: Settings, connections: Connections, lock_timeout: float) -> Ports:
    """Ports of which only the lake and the ledger are there; asking for another one is a mistake that shows at once.

    `lock_timeout` is for how many seconds the ledger waits for a window that somebody else holds.
    """
    absent: Any = None
    return Ports(
        source=absent,
        lake=DeltaLake(settings.lake_url, lake_options(settings, connections)),
        ledger=PostgresLedger(connections.url(LEDGER_CONNECTION), lock_timeout=lock_timeout),
        registry=absent,
        published=absent,
        artifacts=absent,
    )


def lake_options(settings: Settings, connections: Connections) -> dict[str, str]:
    """What reaching the lake takes besides its address."""
    named = settings.lake_connection
    return storage_options(connections.url(named)) if named else environment_options(settings.environment)
