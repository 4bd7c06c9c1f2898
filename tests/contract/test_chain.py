"""One suite for the chain of every ledger: in memory, and in a real PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perennial.anchors.port import Anchor, ChainEnd
from perennial.errors import DeploymentConflict, UnknownUseCase
from perennial.jobs.upkeep import verify
from perennial.jobs.upkeep.altered import What
from perennial.jobs.upkeep.anchor import anchor_of
from perennial.ledger.chain import GENESIS
from perennial.ledger.entries import (
    DecisionKind,
    DeployedRole,
    Deployment,
    Intervention,
    InterventionKind,
    RecordedDecision,
)
from perennial.ledger.port import Ledger
from perennial.progress import WindowsDone
from perennial.window import Window

START = datetime(2013, 3, 1, tzinfo=UTC)
NOW = datetime(2030, 1, 1, tzinfo=UTC)


def decide(ledger: Ledger, use_case: str, subject: str, numbers: dict[str, Any] | None = None) -> RecordedDecision:
    return ledger.record_decision(
        RecordedDecision(
            use_case, DecisionKind.RETRAIN_ON_DRIFT, subject, START, "hold", ("near",), numbers or {}, "run"
        )
    )


def intervene(ledger: Ledger, use_case: str, subject: str) -> Intervention:
    return ledger.record_intervention(
        Intervention(use_case, InterventionKind.ALIAS_RESTORED, subject, "ada", "drifted", {}, "run")
    )


def deploy(ledger: Ledger, use_case: str, version: str, supersedes: int | None = None) -> Deployment:
    return ledger.deploy(
        Deployment(
            use_case, DeployedRole.CHAMPION, version, f"m{version}", START, supersedes, "ada", "better",
            {"rows": 900}, {"auc": 0.75}, None, "v", "l", "run",
        )
    )  # fmt: skip


def test_each_entry_carries_the_digest_of_the_one_before(ledger: Ledger, use_case: str) -> None:
    first = deploy(ledger, use_case, "1")
    second = decide(ledger, use_case, "a")
    third = intervene(ledger, use_case, "champion")
    fourth = deploy(ledger, use_case, "2", first.id)
    decide(ledger, f"{use_case}_other", "a")
    found = ledger.linked(use_case, 0, 100)
    assert [entry for _, entry in found] == [first, second, third, fourth]
    assert [(link.position, link.kind, link.entry_id) for link, _ in found] == [
        (1, "deployment", first.id), (2, "decision", second.id), (3, "intervention", third.id),
        (4, "deployment", fourth.id),
    ]  # fmt: skip
    digests = [link.digest for link, _ in found]
    assert [link.previous for link, _ in found] == [GENESIS, *digests[:-1]]
    assert not any(link.adopted for link, _ in found)


def test_what_is_recorded_twice_or_refused_has_no_second_link(ledger: Ledger, use_case: str) -> None:
    first = deploy(ledger, use_case, "1")
    assert deploy(ledger, use_case, "1") == first
    assert decide(ledger, use_case, "a") == decide(ledger, use_case, "a")
    with pytest.raises(DeploymentConflict):
        deploy(ledger, use_case, "2")
    assert [link.position for link, _ in ledger.linked(use_case, 0, 100)] == [1, 2]


def test_the_chain_is_asked_in_parts(ledger: Ledger, use_case: str) -> None:
    for subject in "abcde":
        decide(ledger, use_case, subject)
    decide(ledger, f"{use_case}_other", "a")
    assert [link.position for link, _ in ledger.linked(use_case, 1, 3)] == [2, 3, 4]
    assert ledger.linked(use_case, 5, 3) == []
    ours = [link for link in ledger.last_links() if link.use_case.startswith(use_case)]
    assert [(link.use_case, link.position) for link in ours] == [(use_case, 5), (f"{use_case}_other", 1)]
    asked = ledger.links_at({use_case: 2, f"{use_case}_other": 2, "nowhere": 1})
    assert {name: link.position for name, link in asked.items()} == {use_case: 2}
    assert ledger.links_at({}) == {}
    link = asked[use_case]
    assert ledger.link_with(use_case, digest=link.digest) == link
    assert ledger.link_with(use_case, content=link.content) == link
    assert ledger.link_with(use_case, digest="nothing") is None
    assert ledger.link_with(f"{use_case}_other", digest=link.digest) is None
    assert ledger.unlinked(10, use_case) == []
    assert ledger.unlinked(10, newest=3) == []


# What JSON, Python and PostgreSQL each write in their own way.
NUMBERS: dict[str, Any] = {
    "numbers": [
        1,
        1.0,
        -0.0,
        0.1,
        1e-7,
        5e-324,
        1.7976931348623157e308,
        1e15,
        1e16,
        1e23,
        2**53,
        2**60,
        -(2**63),
        1 / 3,
    ],
    "nothing": [None, float("nan"), float("inf"), [], {}, ""],
    "text": 'naïve ☕ \U0001f600 \u0000 \ud800 e\u0301 \\ " \n\t',
    "keys": {"b": 1, "a": {"ü": 2, "": 3, "\u0000": 4}, "10": 5, "9": 6},
    "truth": [True, False, 1, 0],
}


def test_an_entry_is_proved_whatever_is_in_it(ledger: Ledger, use_case: str) -> None:
    decide(ledger, use_case, "odd ☕ e\u0301", NUMBERS)
    deploy(ledger, use_case, "1")
    found = verify.run(ledger, [], use_case)
    assert (found.alterations, found.named) == (0, ())
    assert [(chain.use_case, chain.entries, chain.adopted) for chain in found.chains] == [(use_case, 2, 0)]


def test_a_long_chain_is_read_in_pages_and_tells_how_far(
    ledger: Ledger, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "PAGE", 2)
    for subject in "abcde":
        decide(ledger, use_case, subject)
    heard: list[WindowsDone] = []
    found = verify.run(ledger, [], use_case, on_entries=heard.append)
    assert found.chains[0].entries == 5
    assert [(each.done, each.total) for each in heard] == [(2, 5), (4, 5), (5, 5)]


def test_a_ledger_is_compared_with_each_anchor(ledger: Ledger, use_case: str) -> None:
    decide(ledger, use_case, "a")
    first = anchor_of(ledger, NOW)
    decide(ledger, use_case, "b")
    second = anchor_of(ledger, NOW + timedelta(days=1))
    decide(ledger, use_case, "c")
    ours = [next(end for end in anchor.chains if end.use_case == use_case) for anchor in (first, second)]
    assert [end.position for end in ours] == [1, 2]
    found = verify.run(ledger, [second, first], use_case)
    assert (found.alterations, found.anchors, found.anchored_at) == (0, 2, second.made_at)
    since = verify.run_since(ledger, second, newest=100)
    assert since.alterations == 0
    assert {chain.use_case: chain.entries for chain in since.chains}[use_case] == 1


def test_an_anchor_tells_what_the_chain_alone_can_not(ledger: Ledger, use_case: str) -> None:
    for subject in "ab":
        decide(ledger, use_case, subject)
    end = next(end for end in anchor_of(ledger, NOW).chains if end.use_case == use_case)
    longer = Anchor(NOW, (ChainEnd(use_case, 5, "d"),))
    other = Anchor(NOW + timedelta(days=1), (ChainEnd(use_case, 2, "d"),))
    found = verify.run(ledger, [longer, other], use_case)
    (told,) = found.named  # a chain that differs from one anchor differs from later ones, too
    assert (told.what, told.position) == (What.SHORTER, 5)
    assert "was made of 5 entries, but there are only 2: entries 3 to 5 were removed" in str(told)
    agreed = Anchor(NOW, (ChainEnd(use_case, 1, ledger.links_at({use_case: 1})[use_case].digest),))
    found = verify.run(ledger, [agreed, other], use_case)
    (told,) = found.named
    assert (told.what, told.position, told.kind) == (What.REWRITTEN, 2, "decision")
    assert "entry 2 was changed, removed or put in" in str(told)
    assert verify.run(ledger, [Anchor(NOW, (end,))], use_case).alterations == 0
    gone = Anchor(NOW, (ChainEnd(f"{use_case}_gone", 3, "d"),))
    assert [each.what for each in verify.run(ledger, [gone], f"{use_case}_gone").named] == [What.SHORTER]


def test_a_use_case_without_a_chain_is_told(ledger: Ledger, use_case: str) -> None:
    decide(ledger, use_case, "a")
    with pytest.raises(UnknownUseCase, match=rf"no chain of a use case 'nowhere'; it has .*{use_case}"):
        verify.run(ledger, [], "nowhere")


def test_many_that_write_at_once_make_one_chain_for_each_use_case(ledger: Ledger, use_case: str) -> None:
    use_cases = [use_case, f"{use_case}_other"]
    each = 6

    def write(number: int) -> None:
        for turn in range(each):
            name = use_cases[turn % 2]
            decide(ledger, name, f"{number}/{turn}")
            day = START + timedelta(days=number)
            window = Window(day, day + timedelta(days=1))
            with ledger.working_on(name, window, f"run-{number}") as lease:
                ledger.record_intervention(
                    Intervention(name, InterventionKind.WINDOW_EMPTY, f"{number}/{turn}", "ada", "", {}, "run"), lease
                )
            deployed = False
            while not deployed:
                current = ledger.current_deployment(name, DeployedRole.CHAMPION)
                try:
                    deploy(ledger, name, f"{number}/{turn}", current.id if current else None)
                    deployed = True
                except DeploymentConflict:
                    continue  # a rival was first

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    for name in use_cases:
        found = verify.run(ledger, [], name)
        assert (found.alterations, found.named) == (0, ())
        assert found.chains[0].entries == 8 * each * 3 / 2
