"""Somebody who may do anything in the database alters the ledger, and is found out; and what can't be found is said."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from tests.contract.test_chain import decide, deploy, intervene
from tests.servers import WatchedPostgres

from perennial.anchors.memory import InMemoryAnchors
from perennial.anchors.port import Anchor
from perennial.errors import LedgerAltered
from perennial.jobs.upkeep import anchor as anchoring
from perennial.jobs.upkeep import verify
from perennial.ledger.chain import CHAINED, Link, content_digest, link_after, link_of
from perennial.ledger.postgres.ledger import PostgresLedger

RECORDED = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
COLUMNS = "subject, as_of, action, reasons, numbers, run_id, recorded_at"
FAKE_DEPLOYMENT = (
    "INSERT INTO ledger.deployments (use_case, role, model_version, model_digest, effective_from, supersedes, actor, "
    "reason, training, metrics, code_version, lock_digest, salt, ends, run_id, recorded_at) VALUES ('flights', "
    "'champion', '666', 'm666', '2013-03-01Z', 2, 'ada', 'better', '{}', '{}', 'v', 'l', '', false, 'run', "
    "'2024-01-01Z')"
)


class Tampered(PostgresLedger):
    """A ledger, and the means of the server's administrator."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lambda: RECORDED)
        self.url = url

    def as_administrator(self, *statements: str, values: dict[str, object] | None = None) -> None:
        """Do it with the triggers off."""
        connection = psycopg2.connect(self.url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SET session_replication_role = replica")
                for statement in statements:
                    cursor.execute(statement, values)
        finally:
            connection.close()

    def relink(self, first: int) -> None:
        """Make all links from a position on anew, as they would be of what the entries say now."""
        last = self.links_at({"flights": first - 1}).get("flights")
        for link, entry in self.linked("flights", first - 1, 100):
            content = link.content if entry is None else content_digest(entry)
            last = link_after(last, "flights", link.kind, link.entry_id, content)
            self.write(link.position, last)

    def write(self, position: int, link: Link) -> None:
        """Put a link in place of another."""
        self.as_administrator(
            "UPDATE ledger.chain SET kind = %(kind)s, entry_id = %(entry_id)s, content = %(content)s, "
            f"previous = %(previous)s, digest = %(digest)s WHERE use_case = 'flights' AND position = {position}",
            values=vars(link),
        )


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Tampered]:
    """Six entries: deployment 1, decision 1, intervention 1, decision 2, deployment 2, decision 3."""
    opened = Tampered(ledger_url)
    first = deploy(opened, "flights", "1")
    decide(opened, "flights", "a", {"p": 0.5})
    intervene(opened, "flights", "champion")
    decide(opened, "flights", "b", {"p": 0.01})
    deploy(opened, "flights", "2", first.id)
    decide(opened, "flights", "c")
    decide(opened, "trains", "a")
    yield opened
    opened.close()


def found(ledger: PostgresLedger, *anchors: Anchor) -> list[tuple[str, int | None]]:
    return [(each.what.value, each.position) for each in verify.run(ledger, anchors).named]


UNLINKED = [
    "DELETE FROM ledger.chain WHERE use_case = 'flights' AND position >= 5",
    "DELETE FROM ledger.decisions WHERE id = 3",
    "DELETE FROM ledger.deployments WHERE id = 2",
]
SHIFT_DOWN = (
    "UPDATE ledger.chain SET position = position + 100 WHERE use_case = 'flights' AND position > 4",
    "UPDATE ledger.chain SET position = position - 101 WHERE use_case = 'flights' AND position > 100",
)


@pytest.mark.parametrize(
    ("statements", "told"),
    [
        pytest.param(
            ["UPDATE ledger.deployments SET actor = 'bob' WHERE id = 2"], [("changed", 5)], id="an entry is edited"
        ),
        pytest.param(
            ["""UPDATE ledger.decisions SET numbers = '{"p": 0.02}' WHERE subject = 'b'"""],
            [("changed", 4)],
            id="a number is edited",
        ),
        pytest.param(
            ["UPDATE ledger.deployments SET recorded_at = recorded_at - interval '1 microsecond' WHERE id = 1"],
            [("changed", 1)],
            id="an entry is dated back",
        ),
        pytest.param(
            ["UPDATE ledger.decisions SET use_case = 'trains', subject = 'x' WHERE subject = 'c'"],
            [("changed", 6)],
            id="an entry is given to another use case",
        ),
        pytest.param(["DELETE FROM ledger.interventions WHERE id = 1"], [("removed", 3)], id="an entry is deleted"),
        pytest.param(
            [
                "DELETE FROM ledger.decisions WHERE id = 2",
                "DELETE FROM ledger.chain WHERE kind = 'decision' AND entry_id = 2",
            ],
            [("removed", 5)],
            id="an entry is deleted with its link",
        ),
        pytest.param(
            [
                "DELETE FROM ledger.decisions WHERE id = 2",
                "DELETE FROM ledger.chain WHERE kind = 'decision' AND entry_id = 2",
                *SHIFT_DOWN,
            ],
            [("removed", 4)],
            id="an entry is deleted with its link, and the others move up",
        ),
        pytest.param(
            ["DELETE FROM ledger.chain WHERE kind = 'decision' AND entry_id = 3"],
            [("inserted", None)],
            id="the last link is deleted",
        ),
        pytest.param([FAKE_DEPLOYMENT], [("inserted", None)], id="an entry is put in"),
        pytest.param(
            [
                "ALTER TABLE ledger.decisions DROP CONSTRAINT uq_decisions",
                f"UPDATE ledger.decisions d SET ({COLUMNS}) = (SELECT {COLUMNS} FROM ledger.decisions o "
                "WHERE o.id = 3 - d.id) WHERE id IN (1, 2)",
            ],
            [("reordered", 2), ("reordered", 4)],
            id="two entries change places",
        ),
        pytest.param(
            [
                "UPDATE ledger.chain SET position = 107 - position WHERE use_case = 'flights' AND position IN (3, 4)",
                "UPDATE ledger.chain SET position = position - 100 WHERE position > 100",
            ],
            [("reordered", 3), ("reordered", 4), ("reordered", 5)],
            id="two links change places",
        ),
        pytest.param(
            ["UPDATE ledger.chain SET entry_id = 99 WHERE kind = 'decision' AND entry_id = 3"],
            [("changed", 6), ("removed", 6), ("inserted", None)],
            id="a link names another entry",
        ),
        pytest.param(
            ["UPDATE ledger.chain SET digest = 'd' WHERE use_case = 'flights' AND position = 3"],
            [("changed", 3)],
            id="a digest is edited",
        ),
        pytest.param(
            ["UPDATE ledger.chain SET adopted = true WHERE use_case = 'flights' AND position <= 2"],
            [("changed", 1), ("changed", 2)],
            id="entries are called older than the chain",
        ),
    ],
)
def test_what_is_done_without_new_links_is_found_in_the_chain(
    ledger: Tampered, statements: list[str], told: list[tuple[str, int | None]]
) -> None:
    assert found(ledger) == []
    ledger.as_administrator(*statements)
    assert found(ledger) == told


def test_each_finding_says_which_entry_it_is(ledger: Tampered) -> None:
    ledger.as_administrator("UPDATE ledger.deployments SET actor = 'bob' WHERE id = 2")
    (told,) = verify.run(ledger, []).named
    assert str(told) == (
        "flights, entry 5 of the chain (deployment 2, recorded 2024-01-01 00:00:00Z): changed. "
        "It no longer says what was recorded."
    )


def test_an_entry_that_is_edited_with_its_own_link_is_missed_by_the_next(ledger: Tampered) -> None:
    ledger.as_administrator("""UPDATE ledger.decisions SET action = 'retrain' WHERE subject = 'b'""")
    before = ledger.links_at({"flights": 3})["flights"]
    ((_, entry),) = ledger.linked("flights", 3, 1)
    assert entry is not None
    ledger.write(4, link_of(before, entry))
    (told,) = verify.run(ledger, []).named
    assert (told.what, told.position) == ("removed", 5)
    assert "that one was removed, or was changed together with its link" in told.said


def test_an_entry_that_is_put_into_the_middle_with_a_good_link_is_found(ledger: Tampered) -> None:
    ledger.as_administrator(
        "UPDATE ledger.chain SET position = position + 101 WHERE use_case = 'flights' AND position > 3",
        "UPDATE ledger.chain SET position = position - 100 WHERE position > 100",
        FAKE_DEPLOYMENT,
    )
    (fake,) = ledger.unlinked(10)
    link = link_of(ledger.links_at({"flights": 3})["flights"], fake)
    ledger.as_administrator(
        "INSERT INTO ledger.chain VALUES (%(use_case)s, %(position)s, %(kind)s, %(entry_id)s, %(form)s, %(adopted)s, "
        "%(content)s, %(previous)s, %(digest)s)",
        values=vars(link),
    )
    (told,) = verify.run(ledger, []).named
    assert (told.what, told.position, told.kind, told.entry_id) == ("inserted", 4, "deployment", fake.id)
    assert "put between those that are now number 3 and 5" in told.said


def test_a_chain_made_anew_is_found_by_an_anchor_and_only_by_one(ledger: Tampered) -> None:
    whole = anchoring.anchor_of(ledger, NOW)
    two = replace(ledger.links_at({"flights": 2})["flights"])
    early = Anchor(
        NOW - timedelta(days=1),
        tuple(
            replace(end, position=2, digest=two.digest) if end.use_case == "flights" else end for end in whole.chains
        ),
    )
    ledger.as_administrator("UPDATE ledger.decisions SET action = 'retrain' WHERE subject = 'b'")
    ledger.relink(4)
    assert found(ledger) == []  # nobody can tell it from an honest one by itself
    assert found(ledger, whole) == [("rewritten", 6)]
    (told,) = verify.run(ledger, [early, whole]).named
    assert "entries 3 to 6 were changed, removed or put in" in told.said


def test_a_chain_that_was_cut_is_found_by_an_anchor_and_only_by_one(ledger: Tampered) -> None:
    whole = anchoring.anchor_of(ledger, NOW)
    ledger.as_administrator(*UNLINKED)
    assert found(ledger) == []
    assert found(ledger, whole) == [("shorter than its anchor", 6)]
    for subject in "xyz":
        decide(ledger, "flights", subject)
    assert found(ledger) == []
    assert found(ledger, whole) == [("rewritten", 6)]


def test_a_use_case_that_was_removed_altogether_is_found_by_an_anchor(ledger: Tampered) -> None:
    whole = anchoring.anchor_of(ledger, NOW)
    ledger.as_administrator(
        *(f"DELETE FROM ledger.{table} WHERE use_case = 'flights'"
          for table in ("chain", "decisions", "interventions", "deployments"))
    )  # fmt: skip
    assert found(ledger) == []
    assert found(ledger, whole) == [("shorter than its anchor", 6)]


def test_a_ledger_brought_back_from_a_backup_is_found_by_an_anchor(ledger: Tampered, postgres: WatchedPostgres) -> None:
    ledger.close()
    backup = postgres.url(postgres.new_database("backup", ledger.url.rpartition("/")[2]))
    decide(ledger, "flights", "after the backup")
    whole = anchoring.anchor_of(ledger, NOW)
    restored = Tampered(backup)
    try:
        assert found(restored) == []
        assert found(restored, whole) == [("shorter than its anchor", 7)]
        decide(restored, "flights", "in its place")
        assert found(restored, whole) == [("rewritten", 7)]
    finally:
        restored.close()


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        ([FAKE_DEPLOYMENT], "inserted"),
        (UNLINKED, "shorter than its anchor"),
        (["UPDATE ledger.decisions SET action = 'retrain' WHERE subject = 'new'"], "changed"),
        (["DELETE FROM ledger.decisions WHERE subject = 'new'"], "removed"),
        (["UPDATE ledger.chain SET digest = 'd' WHERE use_case = 'flights' AND position = 6"], "rewritten"),
    ],
)
def test_the_nightly_look_finds_what_was_done_to_the_end(ledger: Tampered, statements: list[str], what: str) -> None:
    anchors = InMemoryAnchors()
    first = anchoring.run(ledger, anchors, NOW)
    assert (first.chains, first.entries, first.anchor is None) == (2, 7, False)
    assert anchoring.run(ledger, anchors, NOW + timedelta(days=1)) == anchoring.Anchored(2, 0, None)
    if what in ("changed", "removed"):
        decide(ledger, "flights", "new")
    ledger.as_administrator(*statements)
    with pytest.raises(LedgerAltered, match=rf"shows 1 alteration\. flights.*: {what}\. .*Keep the database as it is"):
        anchoring.run(ledger, anchors, NOW + timedelta(days=2))
    assert len(list(anchors.all())) == 1


def test_more_findings_than_can_be_named_are_counted(ledger: Tampered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "NAMED", 2)
    ledger.as_administrator("UPDATE ledger.decisions SET action = 'retrain'")
    told = verify.run(ledger, [])
    assert (told.alterations, [each.position for each in told.named]) == (4, [2, 4])


def test_the_database_takes_no_chained_entry_without_its_link(ledger: Tampered) -> None:
    connection = psycopg2.connect(ledger.url)
    try:
        refused = pytest.raises(psycopg2.errors.RestrictViolation, match=r"no link in ledger\.chain.*upgrade that one")
        with refused, connection, connection.cursor() as cursor:
            cursor.execute(FAKE_DEPLOYMENT)
    finally:
        connection.close()
    assert found(ledger) == []


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger.chain SET digest = ''", "DELETE FROM ledger.chain", "TRUNCATE ledger.chain"]
)
def test_the_chain_itself_is_append_only(ledger: Tampered, statement: str) -> None:
    connection = psycopg2.connect(ledger.url)
    try:
        refused = pytest.raises(psycopg2.errors.RestrictViolation, match="append-only")
        with refused, connection, connection.cursor() as cursor:
            cursor.execute(statement)
    finally:
        connection.close()


def test_every_chained_kind_must_have_its_link_in_the_database(ledger: Tampered) -> None:
    connection = psycopg2.connect(ledger.url)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT encode(tgargs, 'escape') FROM pg_trigger WHERE tgname = 'linked'")
            named = {name.removesuffix("\\000") for (name,) in cursor.fetchall()}
    finally:
        connection.close()
    assert named == set(CHAINED.values())
