"""`python -m perennial.pages.reader`: answers pages, one JSON line after the other, for a server that stays small.

Reading the records takes libraries that a web server should not hold, and may fail in ways that it should survive. So
the server starts this process and asks it. It ends when its input does, which is when the server is gone.
"""

import json
import os
import sys
import traceback
from dataclasses import asdict
from typing import IO

from perennial.encoding import from_json
from perennial.errors import PerennialError
from perennial.pages.answer import BROKEN, answer
from perennial.pages.asked import Answer, Asked
from perennial.ports import Ports
from perennial.settings import Settings
from perennial.sources.connections import EnvironmentConnections
from perennial.wiring import open_ports

INTERNAL = Answer(BROKEN, "text/plain; charset=utf-8", b"This page can't be shown; the server's log says why.")


def main() -> int:
    """Answer until the input ends."""
    settings = Settings.from_environment()
    try:
        ports = open_ports(settings, EnvironmentConnections(os.environ))
    except PerennialError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    serve(settings, ports, sys.stdin.buffer, sys.stdout.buffer)
    return 0


def serve(settings: Settings, ports: Ports, asked: IO[bytes], answers: IO[bytes]) -> None:
    """Each line of `asked` is an `Asked`; each answer is a line with its head, then its body of `length` bytes."""
    for line in asked:
        found = _answer(line, settings, ports)
        head = asdict(found) | {"body": None, "length": len(found.body)}
        answers.write(json.dumps(head).encode() + b"\n" + found.body)
        answers.flush()


def _answer(line: bytes, settings: Settings, ports: Ports) -> Answer:
    try:
        return answer(from_json(Asked, json.loads(line)), settings, ports)
    except Exception as error:  # noqa: BLE001 - one page that fails must not take the others with it
        sys.stderr.write(f"A page failed: {line!r}: {error!r}\n{traceback.format_exc()}")
        return INTERNAL


if __name__ == "__main__":
    sys.exit(main())
