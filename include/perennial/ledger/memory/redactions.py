"""How the ledger in memory takes an entity out of entries that name it."""

from collections.abc import Sequence
from dataclasses import replace

from perennial.ledger.entries import HumanLabel, LedgerEntry, Redaction, ReviewSelection, ValidationResult
from perennial.ledger.memory.entries import EntriesInMemory
from perennial.ledger.redacting import Named, without_named
from perennial.window import Window


class RedactionsInMemory(EntriesInMemory):
    """The part of `InMemoryLedger` that is about entities which are erased."""

    def redact(
        self, use_case: str, window: Window, entity: str, named: Named, *, subject: str, run_id: str
    ) -> Redaction | None:
        """Take the entity out of the entries about the window, and record that; None where none named it."""
        with self._lock:
            verdicts = self._found(ValidationResult, lambda e: (e.use_case, e.window) == (use_case, window))
            chosen = self._found(ReviewSelection, lambda e: (e.use_case, e.window) == (use_case, window))
            answers = self._found(HumanLabel, lambda e: (e.use_case, e.window, e.entity) == (use_case, window, entity))
            changed: list[tuple[LedgerEntry, LedgerEntry]] = []
            for verdict in verdicts:
                if (result := without_named(verdict.result, named)) != verdict.result:
                    changed.append((verdict, replace(verdict, result=result)))
            questions = 0
            for each in chosen:
                kept = tuple(question for question in each.questions if question["entity"] != entity)
                if len(kept) < len(each.questions):
                    questions += len(each.questions) - len(kept)
                    changed.append((each, replace(each, questions=kept)))
            validations = sum(isinstance(before, ValidationResult) for before, _ in changed)
            if not (validations or questions or answers):
                return None
            for before, after in changed:
                entries = self._by_kind[type(before)]
                entries[next(n for n, each in enumerate(entries) if each is before)] = after
            gone = {id(each) for each in answers}
            self._by_kind[HumanLabel] = [each for each in self._by_kind[HumanLabel] if id(each) not in gone]
            return self._record(Redaction(use_case, window, subject, validations, questions, len(answers), run_id))

    def redactions(self, use_case: str) -> Sequence[Redaction]:
        """What was taken out, in the order it was recorded."""
        return self._of(Redaction, lambda entry: entry.use_case == use_case)
