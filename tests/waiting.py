"""How tests wait: as long as a slow and busy machine may need, and not a moment longer than there is hope.

No test asserts how long something took: that is what `make bench` is for, as a ratio to a peer of the same run.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 900.0  # seconds; only what hangs takes so long
LOOK_EVERY = 0.05
LOG_END = 4_000  # characters


def wait_until(
    condition: Callable[[], bool],
    what: str,
    hopeless: Callable[[], str | None] = lambda: None,
    look_every: float = LOOK_EVERY,
) -> None:
    """Return when the condition holds; `hopeless` says why it never will, or None while it may.

    Errors: `AssertionError` that names `what` was waited for, at once when there is no hope, else after `PATIENCE`.
    """
    deadline = time.monotonic() + PATIENCE
    while not condition():
        reason = hopeless()
        if reason is not None and not condition():  # it may have come to hold just before the end
            raise AssertionError(f"waited in vain for {what}: {reason}")
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {PATIENCE:.0f} s for {what}")
        time.sleep(look_every)


def ended(process: "subprocess.Popen[bytes] | subprocess.Popen[str]", log: Path | None = None) -> str | None:
    """That the process ended, with its exit code and the end of its log; None while it runs."""
    if process.poll() is None:
        return None
    said = f":\n{log.read_text(errors='replace')[-LOG_END:]}" if log is not None else ""
    return f"the process ended with exit code {process.returncode}{said}"
