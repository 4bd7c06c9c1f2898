"""`python -m perennial.pages.reader`: answers pages, one JSON line after the other, for a server that stays small.

Reading the records takes libraries that a web server should not hold, and may fail in ways that it should survive. So
the server starts this process and asks it. It ends when its input does, which is when the server is gone. What can't be
read is a page that says why, and is tried again with the next page.
"""

import gc
import json
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from typing import IO

from perennial.encoding import from_json
from perennial.errors import PerennialError, TransientError
from perennial.ledger.postgres.connection import LedgerDatabase
from perennial.ledger.postgres.schema.migrate import refuse_other_versions
from perennial.pages.answer import AS_SET_UP, BROKEN, RIGHT_NOW, UNAVAILABLE, UNPROCESSABLE, answer, problem
from perennial.pages.asked import Answer, Asked
from perennial.ports import Ports
from perennial.settings import LEDGER_READER, Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.wiring import READING_SECONDS, open_reading_ports

MOST_BYTES = 4_000_000  # of a page before it is compressed: a year of windows takes a tenth of it
INTERNAL = (
    "An unexpected error occurred; the log of the API server has the details. A report that another version "
    "of Perennial wrote is a frequent cause: then use the version that wrote the latest reports on these pages, too."
)


class Records:
    """The stores that the pages read: opened with the first page that finds them, and looked at before each page."""

    def __init__(self, settings: Settings, connections: EnvironmentConnections) -> None:
        self._settings = settings
        self._connections = connections
        self._opened: tuple[Ports, LedgerDatabase] | None = None

    def __call__(self) -> Ports:
        """The stores. Errors: `InvalidSettings` when they can't be used as they are, `StoreUnavailable`."""
        if self._opened is None:
            ports = open_reading_ports(self._settings, self._connections, READING_SECONDS)
            ledger = LedgerDatabase(self._connections.url(LEDGER_READER), reading_timeout=READING_SECONDS)
            self._opened = ports, ledger
        ports, ledger = self._opened
        refuse_other_versions(ledger)
        return ports


def main() -> int:
    """Answer until the input ends."""
    settings = Settings.from_environment()
    serve(
        settings, Records(settings, EnvironmentConnections(settings.environment)), sys.stdin.buffer, sys.stdout.buffer
    )
    return 0


def serve(settings: Settings, records: Callable[[], Ports], asked: IO[bytes], answers: IO[bytes]) -> None:
    """Each line of `asked` is an `Asked`; each answer is a line with its head, then its body of `length` bytes."""
    for number, line in enumerate(asked):
        found = answered(from_json(Asked, json.loads(line)), settings, records)
        head = asdict(found) | {"body": None, "length": len(found.body)}
        answers.write(json.dumps(head).encode() + b"\n" + found.body)
        answers.flush()
        collect_garbage(after_the_first=number == 0)


def collect_garbage(*, after_the_first: bool) -> None:
    """Search for garbage between two pages, when nobody waits for it, and from the first page on never within one.

    What is in memory after the first page, which is libraries for the most part, is left out: a search of all of it
    takes a quarter of a second.
    """
    gc.collect()
    if after_the_first:
        gc.disable()
        gc.freeze()


def answered(asked: Asked, settings: Settings, records: Callable[[], Ports]) -> Answer:
    """The page, whatever happens: one page that fails must not take the others with it."""
    try:
        found = answer(asked, settings, records())
    except TransientError as error:
        return problem(asked, UNAVAILABLE, RIGHT_NOW, str(error))
    except PerennialError as error:
        return problem(asked, UNAVAILABLE, AS_SET_UP, str(error))
    except Exception as error:  # noqa: BLE001 - told in the log and on the page
        sys.stderr.write(f"A page failed: {asked!r}: {error!r}\n{traceback.format_exc()}")
        return problem(asked, BROKEN, "This page can't be shown", INTERNAL)
    if len(found.body) > MOST_BYTES:
        return problem(
            asked,
            UNPROCESSABLE,
            "This is too much for one page",
            f"It would have {len(found.body):,} bytes; a page has at most {MOST_BYTES:,}. Ask for fewer windows.",
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
