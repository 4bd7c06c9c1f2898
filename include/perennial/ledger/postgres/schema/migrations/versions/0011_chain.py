"""The chain: every deployment, decision and intervention has a link that carries the digest of the one before.

Entries of before get links here, in the order they were recorded, which are marked as adopted: from now on they can't
change unseen. `perennial.ledger.chain` says what is hashed. From now on, the database takes no entry of these kinds
without its link; a version of Perennial that does not make links is refused.
"""

from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from typing import Any

from alembic import op
from sqlalchemy import TableClause, select, text

from perennial.ledger.chain import Link, link_after, row_digest

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KINDS = {"deployments": "deployment", "decisions": "decision", "interventions": "intervention"}
_AT_ONCE = 500

_CHAIN = """
CREATE TABLE ledger.chain (
    use_case text NOT NULL,
    position bigint NOT NULL,
    kind text NOT NULL,
    entry_id bigint NOT NULL,
    form smallint NOT NULL,
    adopted boolean NOT NULL,
    content text NOT NULL,
    previous text NOT NULL,
    digest text NOT NULL,
    CONSTRAINT pk_chain PRIMARY KEY (use_case, position),
    CONSTRAINT uq_chain UNIQUE (kind, entry_id),
    CONSTRAINT ck_chain_position CHECK (position >= 1)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.chain
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""

_INSERT = text(
    "INSERT INTO ledger.chain VALUES "
    "(:use_case, :position, :kind, :entry_id, :form, :adopted, :content, :previous, :digest)"
)

# Asked when the transaction ends, so that the link may come after its entry.
_REQUIRED = """
CREATE FUNCTION ledger.require_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.chain WHERE kind = TG_ARGV[0] AND entry_id = NEW.id) THEN
        RAISE EXCEPTION 'INSERT on ledger.% is refused: the entry has no link in ledger.chain. '
            'It was written by a version of Perennial that is older than the ledger: upgrade that one.',
            TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    """Make the table, link what there is, and demand a link of what comes."""
    connection = op.get_bind()
    tables = ", ".join(f"ledger.{table}" for table in _KINDS)
    op.execute(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE")  # nothing is recorded between the links and the rule
    op.execute(_CHAIN)
    waiting: list[dict[str, Any]] = []
    last: Link | None = None
    for row, kind in merge(*map(_entries, _KINDS), key=lambda found: _order(*found)):
        values = dict(row)
        if last is not None and last.use_case != values["use_case"]:
            last = None
        entry_id = values.pop("id")
        last = link_after(last, values["use_case"], kind, entry_id, row_digest(kind, values), adopted=True)
        waiting.append(vars(last))
        if len(waiting) == _AT_ONCE:
            connection.execute(_INSERT, waiting)
            waiting = []
    if waiting:
        connection.execute(_INSERT, waiting)
    op.execute(_REQUIRED)
    for table, kind in _KINDS.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER linked AFTER INSERT ON ledger.{table} DEFERRABLE INITIALLY DEFERRED "
            f"FOR EACH ROW EXECUTE FUNCTION ledger.require_link('{kind}')"
        )


def _entries(table: str) -> Iterator[tuple[Any, str]]:
    """The table's rows by use case and time, a few at a time, each with the name of its kind."""
    rows = select(text("*")).select_from(TableClause(table, schema="ledger"))
    query = rows.order_by(text('use_case COLLATE "C", recorded_at, id'))
    for row in op.get_bind().execute(query, execution_options={"yield_per": _AT_ONCE}).mappings():
        yield row, _KINDS[table]


_recorded = itemgetter("use_case", "recorded_at")


def _order(row: Any, kind: str) -> tuple[Any, ...]:
    return (*_recorded(row), kind, row["id"])
