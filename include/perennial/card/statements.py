"""What a model card consists of: statements and tables, each with the record that it comes from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal

from perennial.window import parse_instant

NO_EVIDENCE = "no evidence"

Value = float | int | bool | str | None


class SourceKind(StrEnum):
    """What a statement may come from."""

    DEPLOYMENT = "deployment"
    DECISION = "decision"
    INTERVENTION = "intervention"
    APPROVAL = "approval"
    PERFORMANCE = "performance"
    ARTEFACT = "artefact"  # stored under its digest, and named by an entry of the ledger
    REGISTRY = "registry"  # a file of the version that lies beside its model
    USE_CASE_FILE = "use_case.yaml"  # as it is today


@dataclass(frozen=True)
class Source:
    """Where a statement comes from, so that a reader can look it up.

    `name` says in words what it is. Of an entry of the ledger there are its `id`, when it was recorded and by which
    run. `digest` is the sha-256 of an artefact, or of an entry's content as the ledger's chain has it; None for what
    has none.
    """

    kind: SourceKind
    name: str
    id: int | None = None
    recorded_at: datetime | None = None
    run_id: str | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Statement:
    """One sentence or figure about the version. `text` is for people, `value` the same for scripts where it is one.

    `low` and `high` are the ends of the value's interval. Without a `source` nothing is known, and `text` says
    `NO_EVIDENCE`, and why where that is known.
    """

    name: str
    text: str
    source: Source | None
    value: Value = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        if self.source is None and not self.text.startswith(NO_EVIDENCE):
            raise ValueError(f"{self.name!r} says {self.text!r}, and not where that is known from")


@dataclass(frozen=True)
class Table:
    """Rows that are on record in one place, under the names of their columns; None for what is not known."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    source: Source


@dataclass(frozen=True)
class Section:
    """A part of the card."""

    key: str
    title: str
    statements: tuple[Statement, ...]
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class ModelCard:
    """All that is on record about one deployed version of a use case's model, as of a moment in the data's time.

    `sentence` is how it was judged. The same records make the same card: nothing in it depends on when it is written.
    """

    use_case: str
    title: str
    version: str
    digest: str
    role: str | None
    sentence: Statement
    sections: tuple[Section, ...]
    format: Literal[1] = 1

    def section(self, key: str) -> Section:
        """The part of that key. Errors: `KeyError`."""
        return {each.key: each for each in self.sections}[key]


def said(name: str, text: object, source: Source | None, value: Value = None, why: str = "") -> Statement:
    """The statement; no evidence, with `why`, where the text or the source is None."""
    if text is None or source is None:
        return no_evidence(name, why)
    return Statement(name, str(text), source, value)


def no_evidence(name: str, why: str = "") -> Statement:
    """The statement that nothing is known.

    >>> no_evidence("Owner", "deployed by an earlier version").text
    'no evidence: deployed by an earlier version'
    """
    return Statement(name, f"{NO_EVIDENCE}: {why}" if why else NO_EVIDENCE, None)


def sources(card: ModelCard) -> list[Source]:
    """All sources of the card, each once, in the order in which they are first named."""
    named = [card.sentence.source]
    for section in card.sections:
        named += [each.source for each in section.statements]
        named += [each.source for each in section.tables]
    return list(dict.fromkeys(each for each in named if each is not None))


def instant(at: datetime) -> str:
    """An instant as the card writes it.

    >>> instant(datetime(2024, 1, 31, tzinfo=UTC))
    '2024-01-31 00:00 UTC'
    """
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M UTC}"


def moment(text: object) -> str | None:
    """An instant that a record holds as text, as the card writes it; None where it holds none.

    >>> moment("2024-01-31T00:00:00+00:00"), moment(None)
    ('2024-01-31 00:00 UTC', None)
    """
    return instant(parse_instant(text)) if isinstance(text, str) else None


def cell(value: Value) -> str:
    """A value as a table writes it.

    >>> cell(None), cell(True), cell(1234), cell(0.123456), cell(1234.5), cell("road")
    ('-', 'yes', '1,234', '0.1235', '1,234', 'road')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"  # noqa: PLR2004
    return f"{value:,}" if isinstance(value, int) else value


def listed(names: Sequence[str], most: int = 20) -> str:
    """Names in a sentence; of many, how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most:,} more" if len(names) > most else shown
