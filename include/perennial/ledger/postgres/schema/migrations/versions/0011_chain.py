"""The chain: every deployment, decision and intervention has a link that carries the digest of the one before.

From now on, the database takes no entry of these kinds without its link; a version of Perennial that does not make
links is refused. So nothing comes in between when the entries of before get links, in the order they were recorded, and
nobody is kept waiting for as long as that takes. These links are marked as adopted: from now on the entries can't
change unseen. `perennial.ledger.chain` says what is hashed.
"""

from collections.abc import Iterator
from heapq import merge
from operator import itemgetter
from typing import Any

from alembic import op
from sqlalchemy import TableClause, column, insert, select, table, text

from perennial.ledger.chain import Link, link_after, row_digest

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_KINDS = {"deployments": "deployment", "decisions": "decision", "interventions": "intervention"}
_AT_ONCE = 500
_CONTENTS = ("use_case", "position", "kind", "entry_id", "form", "adopted", "content", "previous", "digest")
_INSERT = insert(table("chain", *map(column, _CONTENTS), schema="ledger"))

_CHAIN = """
CREATE TABLE IF NOT EXISTS ledger.chain (
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
CREATE OR REPLACE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.chain
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
"""

# Asked when the transaction ends, so that the link may come after its entry.
_REQUIRED = """
CREATE OR REPLACE FUNCTION ledger.require_link() RETURNS trigger LANGUAGE plpgsql AS $$
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
    """Make the table, demand a link of what comes, and link what there is."""
    with op.get_context().autocommit_block():  # what is done already is done again without harm
        op.execute(_CHAIN)
        op.execute(_REQUIRED)
        for name, kind in _KINDS.items():
            op.execute(
                f"DROP TRIGGER IF EXISTS linked ON ledger.{name}; "
                f"CREATE CONSTRAINT TRIGGER linked AFTER INSERT ON ledger.{name} DEFERRABLE INITIALLY DEFERRED "
                f"FOR EACH ROW EXECUTE FUNCTION ledger.require_link('{kind}')"
            )
    _link()


def _link() -> None:
    """Link what has no link, after the links that there are: of a version that makes them and was early."""
    connection = op.get_bind()
    ends = "SELECT DISTINCT ON (use_case) * FROM ledger.chain ORDER BY use_case, position DESC"
    known = {row["use_case"]: Link(**row) for row in connection.execute(text(ends)).mappings()}
    waiting: list[dict[str, Any]] = []
    last: Link | None = None
    for row, kind in merge(*map(_entries, _KINDS), key=lambda found: _order(*found)):
        values = dict(row)
        if last is None or last.use_case != values["use_case"]:
            last = known.get(values["use_case"])
        entry_id = values.pop("id")
        last = link_after(last, values["use_case"], kind, entry_id, row_digest(kind, values), adopted=True)
        waiting.append(vars(last))
        if len(waiting) == _AT_ONCE:
            connection.execute(_INSERT, waiting)
            waiting = []
    if waiting:
        connection.execute(_INSERT, waiting)


def _entries(name: str) -> Iterator[tuple[Any, str]]:
    """The table's rows without a link, by use case and time, a few at a time, each with the name of its kind."""
    linked = f"SELECT FROM ledger.chain WHERE kind = '{_KINDS[name]}' AND entry_id = {name}.id"
    rows = select(text("*")).select_from(TableClause(name, schema="ledger")).where(text(f"NOT EXISTS ({linked})"))
    query = rows.order_by(text('use_case COLLATE "C", recorded_at, id'))
    for row in op.get_bind().execute(query, execution_options={"yield_per": _AT_ONCE}).mappings():
        yield row, _KINDS[name]


_recorded = itemgetter("use_case", "recorded_at")


def _order(row: Any, kind: str) -> tuple[Any, ...]:
    return (*_recorded(row), kind, row["id"])
