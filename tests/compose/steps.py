"""The steps of `make compose-test`: each is timed and named, and the invariants are asked after it."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.compose import checks, faults, story
from tests.compose.stack import Stack

EVERY = 20.0  # seconds between two looks at the memory


@dataclass
class Steps:
    """What was done with a stack so far, and what of it failed."""

    stack: Stack
    wanted: list[datetime] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    most: dict[str, float] = field(default_factory=dict)  # MiB, by service
    next_window: datetime = story.FIRST
    _begun: float = field(default_factory=time.monotonic)
    _told: set[str] = field(default_factory=set)
    _last: str = ""

    def must(self, what: str, action: Callable[[], object]) -> None:
        """A step that all others rest on: when it fails, nothing more is tried."""
        began = time.monotonic()
        self._last = what
        try:
            action()
        except BaseException as error:
            self._fail(what, error)
            raise
        self._say(f"{what}: {time.monotonic() - began:.0f} s")

    def may(self, what: str, action: Callable[[], object]) -> None:
        """A step whose failure is told, and kept from the steps after it."""
        try:
            self.must(what, action)
        except Exception:  # noqa: BLE001 - told at once and at the end, by `must`
            self._clear_away()

    def fill(self, first: datetime, days: int, at_once: int = 4) -> None:
        """A backfill, and how fast it was."""
        self.next_window = max(self.next_window, first + timedelta(days=days))
        number = story.finish(self.stack, story.begin(self.stack, "dana", first, days, at_once))
        self.wanted += story.windows(first, days)
        self._say(f"{story.windows_a_minute(self.stack, number):.1f} windows a minute")

    def survive(self, fault: faults.Fault, days: int) -> None:
        """A fault, in windows of its own."""

        def strike() -> None:
            first = self.next_window
            self.next_window += timedelta(days=days)
            survived = fault(self.stack, first, days)
            self.wanted += survived.windows
            self.next_window = survived.until
            if survived.recovery is not None:
                self._say(f"{fault.__name__}: recovered after {survived.recovery:.0f} s")

        self.may(fault.__name__, strike)

    def check(self) -> None:
        """Ask the invariants; what does not hold is the last step's failure, and told once."""
        found = checks.broken(self.stack.sql, story.USE_CASE, story.KEY, self.wanted)
        new = [each for each in found if each not in self._told]
        self._told.update(new)
        if new:
            self._fail(f"invariants after: {self._last}", AssertionError("; ".join(new)))
        else:
            self._say(f"         I1 to I5 and I9 hold over {len(self.wanted)} windows")

    def now(self) -> str:
        """The memory of each service, as text."""
        return _listed(self.stack.memory())

    @contextmanager
    def memory_watched(self) -> Iterator[None]:
        """Keep the most that each service had in memory."""
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(EVERY):
                for service, used in self.stack.memory().items():
                    self.most[service] = max(used, self.most.get(service, 0.0))

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def summary(self) -> str:
        """What the whole run took, and what failed in it."""
        lines = [f"at most, MiB: {_listed(self.most)}", f"{(time.monotonic() - self._begun) / 60:.1f} minutes in all"]
        lines += [f"FAILED {what}: {why}" for what, why in self.failed.items()] or ["every step went well"]
        return "\n".join(lines)

    def _clear_away(self) -> None:
        """Everything runs again, and nothing is under way. Errors end the run: no step could tell anything then."""
        self.stack.up()
        story.stop_what_runs(self.stack)

    def _fail(self, what: str, error: BaseException) -> None:
        lines = traceback.extract_tb(error.__traceback__)
        said = str(error) or (lines[-1].line if lines else None) or ""
        self.failed[what] = f"{type(error).__name__}: {said[:2000]}"
        self._say(f"FAILED {what}: {self.failed[what]}")

    def _say(self, line: str) -> None:
        print(f"{datetime.now():%H:%M:%S} {line}", flush=True)  # noqa: DTZ005 - for people who watch


def _listed(memory: dict[str, float]) -> str:
    return ", ".join(f"{service} {used:.0f}" for service, used in sorted(memory.items()))
