"""The process that writes the pages: what it has begun for one reader never reaches another."""

import asyncio
import sys
from asyncio.subprocess import PIPE

import pytest

from perennial_airflow.pages.reader import Reader


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
