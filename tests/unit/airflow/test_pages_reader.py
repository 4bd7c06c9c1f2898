"""The process that writes the pages: what it is given, and that what it began for one reader never reaches another."""

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE

import pytest

from perennial.errors import InvalidSettings
from perennial_airflow.pages import reader as pages_reader
from perennial_airflow.pages.reader import Reader, ReaderUnavailable, _environment

WRITERS = {
    "AIRFLOW_CONN_PERENNIAL_LEDGER": "postgresql://writer:p@host:5432/ledger",
    "AIRFLOW_CONN_PERENNIAL_PUBLISHED": "postgresql://writer:p@host:5432/published",
}
READERS = {f"{name}_READER": url.replace("writer", "reader") for name, url in WRITERS.items()}


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in (*WRITERS, *READERS, "AIRFLOW_CONN_SHOP", "PERENNIAL_LAKE_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, url in WRITERS.items():
        monkeypatch.setenv(name, url)
    return monkeypatch


def given() -> dict[str, str]:
    """The connections that the process gets."""
    return {name: url for name, url in _environment().items() if name.startswith("AIRFLOW_CONN_")}


def test_the_process_gets_the_connections_of_the_readers_and_no_other(connections: pytest.MonkeyPatch) -> None:
    connections.setenv("AIRFLOW_CONN_SHOP", "postgresql://shop:p@host:5432/shop")
    for name, url in READERS.items():
        connections.setenv(name, url)
    assert given() == READERS


def test_without_readers_it_reads_as_the_writers_user_and_the_log_says_so(
    connections: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert given() == {f"{name}_READER": url for name, url in WRITERS.items()}
    assert "no connection perennial_ledger_reader: the review pages read as the user of perennial_ledger" in caplog.text


def test_the_lakes_connection_is_handed_on(connections: pytest.MonkeyPatch) -> None:
    connections.setenv("PERENNIAL_LAKE_CONNECTION", "bucket")
    connections.setenv("AIRFLOW_CONN_BUCKET", "aws://key:secret@/")
    assert given()["AIRFLOW_CONN_BUCKET"].startswith("aws://key:secret@")


def test_a_missing_connection_is_named(connections: pytest.MonkeyPatch) -> None:
    connections.delenv("AIRFLOW_CONN_PERENNIAL_LEDGER")
    with pytest.raises(InvalidSettings, match=r"no connection 'perennial_ledger'"):
        _environment()


def test_a_page_that_nobody_waits_for_any_more_ends_its_process() -> None:
    async def given_up() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; sys.stdin.read()", stdin=PIPE, stdout=PIPE
        )
        reader = Reader()
        reader._process = process
        waiting = asyncio.create_task(reader.ask({"view": "home"}))
        await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert reader._process is None
        assert await process.wait() != 0

    asyncio.run(given_up())


def test_nobody_waits_for_ever_for_the_pages_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that hangs costs each page its time: without a limit, the last of many would wait for all before it."""

    async def all_waited() -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "import sys; sys.stdin.read()", stdin=PIPE, stdout=PIPE
        )
        reader = Reader()
        reader._process = process
        first = asyncio.create_task(reader.ask({"view": "home"}))
        await asyncio.sleep(0)  # the first page is being written, with all the patience that there is
        monkeypatch.setattr(pages_reader, "PATIENCE", 0.1)
        for answer in await asyncio.gather(*(reader.ask({"view": "home"}) for _ in range(3)), return_exceptions=True):
            assert isinstance(answer, ReaderUnavailable)
            assert "asked for before this one" in str(answer)
        assert reader._process is process  # who gave up waiting has not ended what is written for another
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await process.wait()
        assert not reader._turn.locked()

    asyncio.run(all_waited())
