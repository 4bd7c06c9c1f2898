"""The process beside the API server that reads the records and writes the pages."""

import asyncio
import json
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from perennial.settings import (
    LEDGER_CONNECTION,
    LEDGER_READER,
    PUBLISHED_CONNECTION,
    PUBLISHED_READER,
    Settings,
    child_environment,
)
from perennial_airflow.connections import AirflowConnections

log = logging.getLogger(__name__)

PATIENCE = 30.0  # seconds for one page, the start of the process included
# The connections by which the process reads, and those that are taken in their place where there are none: it reads as
# their users then, in sessions that are read-only all the same.
CONNECTIONS = {LEDGER_READER: LEDGER_CONNECTION, PUBLISHED_READER: PUBLISHED_CONNECTION}
LONGEST_HEAD = 1_000_000


@dataclass(frozen=True)
class Page:
    """What the process answered."""

    status: int
    media_type: str
    body: bytes


class ReaderUnavailable(Exception):  # noqa: N818 - told to the reader of the page
    """The process could not be started, did not answer in time, or ended; the message says what to do."""


class Reader:
    """Starts the process when the first page is asked for, and again when it ended."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def ask(self, asked: dict[str, Any]) -> Page:
        """One page. Errors: `ReaderUnavailable`; the next page is asked of a new process then."""
        async with self._own_turn():
            try:
                return await asyncio.wait_for(self._ask_again(asked), PATIENCE)
            except asyncio.CancelledError:
                self.stop()  # or its answer would be taken for that of the next page, which somebody else may ask for
                raise
            except TimeoutError as error:
                self.stop()
                raise ReaderUnavailable(f"The page was not ready within {PATIENCE:.0f} s. Try again.") from error
            except (OSError, asyncio.IncompleteReadError, ValueError) as error:
                self.stop()
                raise ReaderUnavailable(
                    "The process that writes the pages ended. The log of the API server says why; the next page starts "
                    "it again."
                ) from error

    @asynccontextmanager
    async def _own_turn(self) -> AsyncIterator[None]:
        """Pages are written one after the other, and nobody waits for ever until those before are done."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turn.acquire()
        except TimeoutError as error:
            raise ReaderUnavailable(
                f"Other pages were asked for before this one, and took longer than {PATIENCE:.0f} s. Try again."
            ) from error
        try:
            yield
        finally:
            self._turn.release()

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        self._process = None

    async def _ask_again(self, asked: dict[str, Any]) -> Page:
        """The page; of a new process when the one that wrote the last page has ended since, or ends now."""
        is_new = self._process is None
        try:
            return await self._ask(asked)
        except (OSError, asyncio.IncompleteReadError):
            if is_new:
                raise
            self.stop()
            return await self._ask(asked)

    async def _ask(self, asked: dict[str, Any]) -> Page:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        await process.stdin.drain()
        head = json.loads(await process.stdout.readuntil(b"\n"))
        return Page(head["status"], head["media_type"], await process.stdout.readexactly(head["length"]))

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            command = (sys.executable, "-m", "perennial.pages.reader")
            environment = await asyncio.to_thread(_environment)
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, env=environment, limit=LONGEST_HEAD
            )
            log.info("The review pages are written by process %d", self._process.pid)
        return self._process


def _environment() -> dict[str, str]:
    """The environment with the connections as Airflow keeps them, for a process that does not import it.

    No other connection of the environment is handed on, least of all those that may write.
    """
    connections = AirflowConnections()
    lake = Settings.from_environment().lake_connection
    urls = {lake: connections.url(lake)} if lake else {}
    for reader, writer in CONNECTIONS.items():
        found = connections.find(reader)
        if found is None:
            log.warning("There is no connection %s: the review pages read as the user of %s", reader, writer)
        urls[reader] = found or connections.url(writer)
    return child_environment(urls)
