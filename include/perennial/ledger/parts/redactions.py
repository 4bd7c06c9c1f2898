"""The only way to change what a ledger has recorded: an entity is taken out of entries that name it."""

from collections.abc import Sequence
from typing import Protocol

from perennial.ledger.entries import Redaction
from perennial.ledger.redacting import Named
from perennial.window import Window


class Redactions(Protocol):
    """The part of a `Ledger` that is about entities which are erased. Errors of all: `StoreUnavailable`."""

    def redact(
        self, use_case: str, window: Window, entity: str, named: Named, *, subject: str, run_id: str
    ) -> Redaction | None:
        """Take the entity out of the entries about the window that may name it, and record that; None where none did.

        These are samples of values in validations (those `named`, see `perennial.ledger.redacting`), the questions of
        selections for review, and people's answers. No other entry is changed, and none that the chain covers.
        `subject` stands for the entity in what is recorded. Done again, it does nothing.
        """

    def redactions(self, use_case: str) -> Sequence[Redaction]:
        """What was taken out, in the order it was recorded."""
