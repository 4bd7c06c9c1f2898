"""A run's right to change what is stored about one window, with the number that makes a late writer recognisable."""

from dataclasses import dataclass

from perennial.errors import LeaseLost
from perennial.window import Window


@dataclass(frozen=True)
class Lease:
    """One run holds one window of a subject: a use case's data, or its labels.

    `fencing_token` grows with every lease of the window, and each store refuses a writer that comes with
    a smaller one than it has seen (Kleppmann, "Designing Data-Intensive Applications", 2017, chapter 8). `contested`
    says that the holder before did not give the window back: it was killed, failed with something under way, or may
    still be alive somewhere.
    """

    subject: str
    window: Window
    fencing_token: int
    contested: bool

    def refuse_if_passed(self, seen: int, where: str) -> None:
        """Errors: `LeaseLost` when `where` has seen a greater fencing token than this lease's."""
        if seen > self.fencing_token:
            raise LeaseLost(
                f"Window {self.window.key} of {self.subject} was taken over by another run (fencing token {seen} in "
                f"{where}) while this one (fencing token {self.fencing_token}) was silent: stopped, swapped out, or "
                "cut off from the ledger. What this run was about to write was not written. Run it again; it starts "
                "from what is recorded."
            )
