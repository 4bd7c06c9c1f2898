"""Ports for servers of the tests."""

import random
import socket

# Below those that the system gives to outgoing connections, one of which could take the port before the server does.
_RANGE = range(15_000, 32_000)


def free_port() -> int:
    """A loopback port that nothing listens on."""
    while True:
        port = random.SystemRandom().choice(_RANGE)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
