"""Leases in memory: who holds which window, and what is recorded about many of them at once."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock

from perennial.clock import Clock
from perennial.errors import PermanentError, WindowBusy
from perennial.lease import Lease
from perennial.ledger import rules
from perennial.ledger.entries import Snapshot, ValidationResult
from perennial.ledger.memory.entries import EntriesInMemory
from perennial.window import Window


class InMemoryLeases(EntriesInMemory):
    """The part of `InMemoryLedger` that lets windows be held. `lock_timeout` is how many seconds one waits for one."""

    def __init__(self, clock: Clock, lock_timeout: float = 60.0) -> None:
        super().__init__(clock)
        self._lock_timeout = lock_timeout
        self._windows: dict[tuple[str, Window], Lock] = {}
        self._unsettled: set[tuple[str, Window]] = set()

    @contextmanager
    def working_on(self, subject: str, window: Window, run_id: str) -> Iterator[Lease]:
        """Hold the window while inside. Nobody can ask which run holds it, so `run_id` is not kept."""
        del run_id
        lock = self._lock_of(subject, window)
        if not lock.acquire(timeout=self._lock_timeout):
            raise WindowBusy(
                f"Window {window.key} of {subject} was held by another run for longer than {self._lock_timeout:g} s. "
                "Wait until that run has ended, or stop it; then run this again."
            )
        try:
            with self._leased(subject, [window]) as leases:
                yield leases[window]
        finally:
            lock.release()

    @contextmanager
    def working_on_free(
        self, subject: str, windows: Collection[Window], run_id: str
    ) -> Iterator[Mapping[Window, Lease]]:
        """Hold those of the windows that nobody holds while inside."""
        del run_id
        free: list[Window] = []
        with ExitStack() as held:
            for window in windows:
                lock = self._lock_of(subject, window)
                if lock.acquire(blocking=False):
                    held.callback(lock.release)
                    free.append(window)
            with self._leased(subject, free) as leases:
                yield leases

    def leases_not_given_back(self, use_case: str) -> Sequence[tuple[str, Window]]:
        """Subject and window of each lease that its holder has, or never gave back."""
        subjects = rules.data_subjects(use_case)
        with self._lock:
            found = [name for name in self._unsettled if name[0] in subjects]
        return sorted(found, key=lambda name: (name[0], name[1].start, name[1].end))

    def record_snapshots(self, snapshots: Sequence[Snapshot], leases: Collection[Lease]) -> Sequence[Snapshot]:
        """Append the snapshots, or return those that are there."""
        with self._lock:
            self._refuse_if_any_passed(leases)
            return [self._record(each) for each in snapshots]

    def record_validations(
        self, validations: Sequence[ValidationResult], leases: Collection[Lease]
    ) -> Sequence[ValidationResult]:
        """Append the verdicts, or return those that are there."""
        with self._lock:
            self._refuse_if_any_passed(leases)
            return [self._record(each) for each in validations]

    def _refuse_if_any_passed(self, leases: Collection[Lease]) -> None:
        for lease in leases:
            self._refuse_if_passed(lease)

    def _lock_of(self, subject: str, window: Window) -> Lock:
        with self._lock:
            return self._windows.setdefault((subject, window), Lock())

    @contextmanager
    def _leased(self, subject: str, windows: Collection[Window]) -> Iterator[dict[Window, Lease]]:
        """Leases of windows whose locks are held. Work that ends with anything but a `PermanentError` leaves them
        contested.
        """
        names = {(subject, window) for window in windows}
        with self._lock:
            leases = {
                window: Lease(
                    subject, window, self._tokens.get((subject, window), 0) + 1, (subject, window) in self._unsettled
                )
                for window in windows
            }
            self._tokens.update({(subject, window): lease.fencing_token for window, lease in leases.items()})
            self._unsettled |= names
        try:
            yield leases
        except PermanentError:
            self._unsettled -= names
            raise
        self._unsettled -= names
