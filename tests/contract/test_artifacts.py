"""One suite for every store of bytes: in memory, in a folder, on S3."""

from pathlib import Path

import pytest

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.artifacts.port import Artifacts
from perennial.artifacts.store import ArtifactStore
from perennial.encoding import bytes_digest
from perennial.errors import StoreUnavailable, UntrustedModel

CONTENT = b"model" * 1000


@pytest.fixture(params=["memory", "folder", "s3"])
def artifacts(request: pytest.FixtureRequest, tmp_path: Path) -> Artifacts:
    if request.param == "memory":
        return InMemoryArtifacts()
    if request.param == "folder":
        return ArtifactStore(str(tmp_path / "artifacts"), {})
    bucket, options = request.getfixturevalue("bucket"), request.getfixturevalue("s3_options")
    return ArtifactStore(f"s3://{bucket}/{tmp_path.name}", options)


@pytest.mark.parametrize("content", [CONTENT, b""])
def test_bytes_come_back(artifacts: Artifacts, content: bytes) -> None:
    digest = artifacts.put(content)
    assert digest == bytes_digest(content)
    assert artifacts.put(content) == digest
    assert artifacts.get(digest) == content


def test_bytes_that_are_removed_are_gone_and_can_be_kept_again(artifacts: Artifacts) -> None:
    kept, gone = artifacts.put(b"kept"), artifacts.put(CONTENT)
    assert artifacts.sizes([kept, gone, "0" * 64, "../x"]) == {kept: 4, gone: len(CONTENT)}
    for _ in range(2):
        artifacts.remove([gone, "0" * 64])
    assert artifacts.sizes([kept, gone]) == {kept: 4}
    with pytest.raises(UntrustedModel, match="no bytes with the digest"):
        artifacts.get(gone)
    assert artifacts.get(artifacts.put(CONTENT)) == CONTENT


def test_missing_bytes_are_not_trusted(artifacts: Artifacts) -> None:
    with pytest.raises(UntrustedModel, match="no bytes with the digest"):
        artifacts.get("0" * 64)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_what_is_no_digest_is_not_looked_for(artifacts: Artifacts, digest: str) -> None:
    with pytest.raises(UntrustedModel):
        artifacts.get(digest)


def test_damaged_bytes_are_not_trusted_and_can_be_kept_again(tmp_path: Path) -> None:
    artifacts = ArtifactStore(str(tmp_path), {})
    digest = artifacts.put(CONTENT)
    (tmp_path / digest).write_bytes(CONTENT[:-1])
    with pytest.raises(UntrustedModel, match="damaged or replaced"):
        artifacts.get(digest)
    artifacts.put(CONTENT)
    assert artifacts.get(digest) == CONTENT


def test_nothing_is_left_aside(tmp_path: Path) -> None:
    digest = ArtifactStore(str(tmp_path), {}).put(CONTENT)
    assert [path.name for path in tmp_path.iterdir()] == [digest]


def test_a_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable, match="Keeping 5,000 bytes in"):
        ArtifactStore(str(tmp_path / "file" / "artifacts"), {}).put(CONTENT)


def test_a_bucket_that_is_not_there_is_unavailable(s3_options: dict[str, str]) -> None:
    with pytest.raises(StoreUnavailable, match="nowhere"):
        ArtifactStore("s3://nowhere/artifacts", s3_options).put(CONTENT)
