"""What a chained entry's digest covers, and what it must not depend on."""

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import pytest

from perennial.ledger import chain
from perennial.ledger.chain import CHAINED, GENESIS, ChainedEntry, content_digest, is_sound, link_after, link_of
from perennial.ledger.entries import (
    Approval,
    ApprovalRequest,
    DecisionKind,
    DeployedRole,
    Deployment,
    Intervention,
    InterventionKind,
    RecordedDecision,
)
from perennial.ledger.rows import as_stored
from perennial.verdict import ApprovalAnswer

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
DEPLOYMENT = Deployment(
    "flights", DeployedRole.CHAMPION, "2", "m2", NOON, 1, "ada", "better", {"rows": 9, "of": ["a", "é"]}, {"auc": 0.75},
    None, "0.2.0", "lock", "run-1",
)  # fmt: skip
DECISION = RecordedDecision(
    "flights", DecisionKind.PROMOTE, "2", NOON, "promote", ("better by 0.01",), {"gain": 0.01, "rows": 1000}, "run-1"
)
INTERVENTION = Intervention("flights", InterventionKind.ALIAS_RESTORED, "champion", "ada", "drifted", {}, "run-1")
REQUEST = ApprovalRequest("flights", "s", "t", "m2", "e", 1, "high", 2, "ada", {"verdict": "better"}, "run-1")
APPROVAL = Approval(
    "flights", "s", "t", "m2", "e", 1, ApprovalAnswer.APPROVED, "7", "ben", "Approver", "it is better", "ada", NOON,
    "approve", "run-1",
)  # fmt: skip


def stored(entry: Any, id: int = 7) -> Any:
    return replace(as_stored(entry, NOON), id=id)


# These must never change: links in every ledger out there were made with them. A new form is a new number beside 1.
@pytest.mark.parametrize(
    ("entry", "digest"),
    [
        (DEPLOYMENT, "f6c94822375781b0c37b9442a6c44770e48a5e82c7c4e6eefe920cab370a35b6"),
        (DECISION, "67958e0d070a1f921b66b2848ae4e24c09833db06736baefe0bb59469a3524f4"),
        (INTERVENTION, "c877d694e5cd9304643d03941775892e591594b775aec155df61ec13e6e0abde"),
        (REQUEST, "43b5999ea4116769402bed5f2be234a22e47186f7f8736fafef05c7a0d694391"),
        (APPROVAL, "9cee297855594735e5078fba1df0f7ab68d783df4e16bb5f4a134e5de2a219c5"),
    ],
)
def test_the_digests_of_form_1_stay_as_they_are(entry: ChainedEntry, digest: str) -> None:
    assert chain.FORM == 1
    assert content_digest(stored(entry)) == digest


def test_the_digest_of_a_link_stays_as_it_is() -> None:
    first = link_after(None, "flights", "decision", 1, "c1")
    second = link_after(first, "flights", "deployment", 1, "c2")
    assert (first.position, first.previous, second.position, second.previous) == (1, GENESIS, 2, first.digest)
    assert second.digest == "9d938de8c9155d3951b4a9a6687130b109714573dd67060e86137768eb6223a5"


def test_every_chained_kind_is_in_both_lists() -> None:
    assert set(get_args(ChainedEntry)) == set(CHAINED)
    assert len(set(CHAINED.values())) == len(CHAINED)


@pytest.mark.parametrize(
    "entry", [DEPLOYMENT, DECISION, INTERVENTION, REQUEST, APPROVAL], ids=lambda entry: type(entry).__name__
)
def test_every_fact_of_an_entry_is_covered(entry: ChainedEntry) -> None:
    before = stored(entry)
    for field in fields(before):
        value = getattr(before, field.name)
        other: Any = {
            str: "other",
            int: 99,
            bool: True,
            datetime: NOON + timedelta(microseconds=1),
            dict: {"other": 1},
            tuple: ("other",),
            type(None): "somebody",
            DeployedRole: DeployedRole.CHALLENGER,
            DecisionKind: DecisionKind.RETRAIN_ON_DRIFT,
            InterventionKind: InterventionKind.FILES_REMOVED,
            ApprovalAnswer: ApprovalAnswer.REJECTED,
        }[type(value)]
        digest = content_digest(replace(before, **{field.name: other}))
        assert (digest == content_digest(before)) == (field.name == "id"), field.name


def test_the_id_is_covered_by_the_link() -> None:
    one, other = link_of(None, stored(DECISION, 7)), link_of(None, stored(DECISION, 8))
    assert one.content == other.content
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"a": 1.0, "b": 2}, {"b": 2, "a": 1}),
        ({"a": -0.0}, {"a": 0}),
        ({"a": (1, 2)}, {"a": [1, 2]}),
        ({"a": float("nan")}, {"a": None}),
        ({"a": 1e15}, {"a": 10**15}),
        ({"é": "\u00e9"}, {"\u00e9": "é"}),
    ],
)
def test_two_ways_of_writing_one_value_have_one_digest(written: dict[str, Any], read: dict[str, Any]) -> None:
    one, other = (content_digest(stored(replace(DECISION, numbers=numbers))) for numbers in (written, read))
    assert one == other


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": True}), ({"a": "1"}, {"a": 1}), ({"a": None}, {}), ({"a": 0.1}, {"a": 0.1 + 2**-56})],
)
def test_other_values_have_other_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (content_digest(stored(replace(DECISION, numbers=numbers))) for numbers in (one, other))
    assert first != second


def test_an_instant_has_one_digest_in_every_zone() -> None:
    elsewhere = replace(DECISION, as_of=NOON.astimezone(timezone(timedelta(hours=5, minutes=30))))
    assert content_digest(stored(elsewhere)) == content_digest(stored(DECISION))


def test_an_entry_keeps_its_digest_when_its_kind_gains_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Later(Intervention):
        ticket: str = ""
        tags: tuple[str, ...] = ()

    monkeypatch.setitem(CHAINED, Later, "intervention")
    given = {field.name: getattr(stored(INTERVENTION), field.name) for field in fields(Intervention)}
    assert content_digest(Later(**given)) == content_digest(stored(INTERVENTION))
    assert content_digest(Later(**given, ticket="T-1")) != content_digest(stored(INTERVENTION))


@pytest.mark.parametrize(
    "change",
    [
        {"use_case": "other"}, {"kind": "deployment"}, {"entry_id": 2}, {"form": 2}, {"adopted": True},
        {"content": "c2"}, {"previous": "p"}, {"digest": "d"},
    ],
)  # fmt: skip
def test_a_link_that_was_changed_is_not_sound(change: dict[str, Any]) -> None:
    link = link_after(None, "flights", "decision", 1, "c1")
    assert is_sound(link)
    assert not is_sound(replace(link, **change))
