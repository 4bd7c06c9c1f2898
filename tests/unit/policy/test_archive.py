"""Which versions are archived, and why the others stay."""

from datetime import UTC, datetime, timedelta

import pytest

from perennial.policy.archive import Choice, Fate, Kind, Tenure, choose, kind_of

NOW = datetime(2026, 6, 1, tzinfo=UTC)
AFTER = timedelta(days=100)
LONG_AGO, LATELY = NOW - timedelta(days=101), NOW - timedelta(days=99)


def held(version: str, until: datetime | None, role: str = "champion") -> Tenure:
    return Tenure(role, version, f"digest of {version}", until)


def fates(*tenures: Tenure, **facts: object) -> dict[str, tuple[Fate, str]]:
    given = {"needed": {}, "archived": (), "restored": {}, **facts}
    return {each.version: (each.fate, each.reason) for each in choose(tenures, NOW, AFTER, **given)}  # type: ignore[arg-type]


def test_what_was_superseded_long_ago_is_archived_and_the_last_two_champions_stay() -> None:
    found = fates(held("1", LONG_AGO), held("2", LONG_AGO), held("3", LONG_AGO), held("4", None))
    assert [fate for fate, _ in found.values()] == [Fate.ARCHIVE, Fate.ARCHIVE, Fate.KEEP, Fate.KEEP]
    assert "superseded on 2026-02-20, more than 100 days ago" in found["1"][1]
    assert found["3"][1] == "a rollback would bring it back"
    assert found["4"][1] == "it is the champion"


def test_one_that_lost_its_role_lately_stays_until_its_time_has_passed() -> None:
    tenures = [held("1", LATELY), held("2", LONG_AGO), held("3", None)]
    assert fates(*tenures)["1"] == (
        Fate.KEEP,
        "it was superseded on 2026-02-22; it is archived 100 days after that",
    )
    exactly = [held("1", NOW - AFTER), held("2", LONG_AGO), held("3", None)]
    assert fates(*exactly)["1"][0] is Fate.ARCHIVE


def test_a_version_that_came_back_counts_from_the_last_time_it_served() -> None:
    tenures = [held("1", LONG_AGO), held("2", LONG_AGO), held("1", LATELY), held("2", LATELY), held("3", None)]
    assert fates(*tenures)["1"][0] is Fate.KEEP
    assert fates(*tenures)["2"] == (Fate.KEEP, "a rollback would bring it back")


def test_the_challenger_stays_whoever_it_is() -> None:
    tenures = [held("1", LONG_AGO), held("2", LONG_AGO), held("3", None), held("1", None, "challenger")]
    assert fates(*tenures)["1"] == (Fate.KEEP, "it is the challenger")


def test_what_is_needed_stays_and_says_by_what() -> None:
    tenures = [held("1", LONG_AGO), held("2", LONG_AGO), held("3", None)]
    assert fates(*tenures, needed={"1": "it scored the window of today"})["1"] == (
        Fate.KEEP,
        "it scored the window of today",
    )


def test_a_restored_version_stays_as_long_again() -> None:
    tenures = [held("1", LONG_AGO), held("2", LONG_AGO), held("3", None)]
    assert fates(*tenures, restored={"1": LATELY})["1"] == (
        Fate.KEEP,
        "it was restored on 2026-02-22; it is archived 100 days after that",
    )
    assert "restored" in fates(*tenures, restored={"1": NOW - timedelta(days=100)})["1"][1]
    assert "superseded" in fates(*tenures, restored={"1": LONG_AGO - timedelta(days=9)})["1"][1]


def test_what_is_archived_already_is_said_so_unless_it_serves() -> None:
    tenures = [held("1", LONG_AGO), held("2", LONG_AGO), held("3", None)]
    assert fates(*tenures, archived={"1", "3"})["1"][0] is Fate.ARCHIVED
    assert fates(*tenures, archived={"1", "3"})["3"][0] is Fate.KEEP


def test_the_only_version_and_none() -> None:
    assert choose([], NOW, AFTER, needed={}, archived=(), restored={}) == ()
    (only,) = choose([held("1", None)], NOW, AFTER, needed={}, archived=(), restored={})
    assert only == Choice("1", "digest of 1", Fate.KEEP, "it is the champion")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("model.skops", Kind.MODEL),
        ("reference.json", Kind.MODEL),
        ("training.json", Kind.EVIDENCE),
        ("MLmodel", Kind.EVIDENCE),
        ("card/card.html", Kind.EVIDENCE),
        ("exports/model.onnx", Kind.REMAKEABLE),
        ("trial/example.arrow", Kind.REMAKEABLE),
        ("input_example.json", Kind.REMAKEABLE),
        ("serving_input_example.json", Kind.REMAKEABLE),
    ],
)
def test_kinds_of_files(path: str, kind: Kind) -> None:
    assert kind_of(path) is kind
