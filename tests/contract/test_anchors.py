"""One suite for every place where anchors are kept: in memory, in a folder, on S3."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from perennial.anchors.memory import InMemoryAnchors
from perennial.anchors.port import Anchor, Anchors, ChainEnd, anchor_bytes, read_anchor
from perennial.anchors.store import AnchorStore, anchor_at, write_anchor
from perennial.errors import InvalidAnchor, StoreUnavailable

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
ENDS = (ChainEnd("flights", 12, "a" * 64), ChainEnd("flüge", 1, "b" * 64))


@pytest.fixture(params=["memory", "folder", "s3"])
def anchors(request: pytest.FixtureRequest, tmp_path: Path) -> Anchors:
    if request.param == "memory":
        return InMemoryAnchors()
    if request.param == "folder":
        return AnchorStore(str(tmp_path / "anchors"), {})
    bucket, options = request.getfixturevalue("bucket"), request.getfixturevalue("s3_options")
    return AnchorStore(f"s3://{bucket}/{tmp_path.name}/", options)


def test_anchors_come_back_in_the_order_they_were_made(anchors: Anchors) -> None:
    assert anchors.newest() is None
    assert list(anchors.all()) == []
    moments = [
        NEW_YEAR,
        NEW_YEAR - timedelta(microseconds=1),
        NEW_YEAR + timedelta(hours=3),
        NEW_YEAR.replace(year=1999),
    ]
    places = [anchors.put(Anchor(moment, ENDS)) for moment in moments]
    assert len(set(places)) == 4
    assert list(anchors.all()) == [Anchor(moment, ENDS) for moment in sorted(moments)]
    assert anchors.newest() == Anchor(max(moments), ENDS)


def test_an_anchor_is_kept_by_the_moment_and_not_by_the_zone(anchors: Anchors) -> None:
    elsewhere = NEW_YEAR.astimezone(timezone(-timedelta(hours=5)))  # where the old year has not ended
    anchors.put(Anchor(elsewhere, ENDS))
    anchors.put(Anchor(NEW_YEAR - timedelta(hours=1), ()))
    assert [anchor.chains for anchor in anchors.all()] == [(), ENDS]


def test_an_anchor_is_small_json_that_people_can_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "anchor.json"
    assert write_anchor(str(path), Anchor(NEW_YEAR, ENDS), {}) == str(path)
    assert json.loads(path.read_text()) == {
        "format": 1,
        "made_at": "2024-01-01T00:00:00Z",
        "chains": [
            {"use_case": "flights", "position": 12, "digest": "a" * 64},
            {"use_case": "flüge", "position": 1, "digest": "b" * 64},
        ],
    }
    assert anchor_at(str(path), {}) == Anchor(NEW_YEAR, ENDS)
    assert [file.name for file in path.parent.iterdir()] == ["anchor.json"]


def test_one_anchor_can_go_to_a_bucket(s3_options: dict[str, str], bucket: str) -> None:
    url = f"s3://{bucket}/by/hand.json"
    write_anchor(url, Anchor(NEW_YEAR, ENDS), s3_options)
    assert anchor_at(url, s3_options) == Anchor(NEW_YEAR, ENDS)


def test_what_is_being_written_is_not_read(tmp_path: Path) -> None:
    anchors = AnchorStore(str(tmp_path), {})
    anchors.put(Anchor(NEW_YEAR, ENDS))
    for name in (".0f3a", "2024-01-02T000000.000000Z.json.0f3a.unfinished"):
        (tmp_path / "2024" / name).write_text("{")
    assert anchors.newest() == Anchor(NEW_YEAR, ENDS)


WHOLE = anchor_bytes(Anchor(NEW_YEAR, ENDS)).decode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "Invalid JSON"),
        (WHOLE[:-20], "Invalid JSON"),
        ("[]", "not an anchor"),
        (WHOLE.replace('"format":1', '"format":2'), "format: Input should be 1"),
        (WHOLE.replace('"position":12', '"position":"first"'), "chains.0.position: Input should be a valid integer"),
        (WHOLE.replace("2024-01-01T00:00:00Z", "2024-01-01T00:00:00"), "made_at: .* timezone"),
    ],
)
def test_what_is_not_an_anchor_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "2024").mkdir()
    (tmp_path / "2024" / "x.json").write_text(content)
    for read in (
        lambda: read_anchor(content.encode(), "2024/x.json"),
        lambda: AnchorStore(str(tmp_path), {}).newest(),
        lambda: anchor_at(str(tmp_path / "2024" / "x.json"), {}),
    ):
        with pytest.raises(InvalidAnchor, match=rf"2024/x\.json is not an anchor.*{message}|x\.json is {message}"):
            read()


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidAnchor, match="There is no anchor at"):
        anchor_at(str(tmp_path / "nothing.json"), {})


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=r"Writing the anchor .*/file/2024"):
        AnchorStore(str(tmp_path / "file"), {}).put(Anchor(NEW_YEAR, ENDS))
