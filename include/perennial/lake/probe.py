"""Trying a store of bytes with objects of one's own: asked by `perennial doctor`, which leaves nothing behind.

What is tried is what the lake needs: to write, to read, to list, to delete, and a put that fails when the object is
there already, without which two writers of one table overwrite each other's commits.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from perennial.errors import StoreUnavailable
from perennial.lake.storage import S3_SCHEME, local_path, plain

FIRST, SECOND = b"first writer", b"second writer"
_LOST = {"PreconditionFailed", "ConditionalRequestConflict", "412", "409"}


@dataclass(frozen=True)
class Probed:
    """What came of it: what failed, by step, and whether the second of two conditional puts was refused.

    `left` names what could not be deleted.
    """

    failed: Mapping[str, str]
    second_was_refused: bool
    left: tuple[str, ...] = ()


class Place(Protocol):
    """A folder of a store, for a probe."""

    def write(self, name: str, content: bytes) -> None:
        """Put an object."""

    def write_new(self, name: str, content: bytes) -> bool:
        """Put an object unless it is there; whether this one was put."""

    def read(self, name: str) -> bytes:
        """An object's bytes."""

    def list(self) -> list[str]:
        """The names of all objects."""

    def delete(self, name: str) -> None:
        """Remove an object."""


def probe(url: str, options: Mapping[str, str], name: str, seconds: float) -> Probed:
    """Try the store at `url` below it, in a folder `name` of its own. `options` are the lake's.

    Errors: `StoreUnavailable` when nothing could be tried.
    """
    place: Place = _Bucket(url, options, name, seconds) if url.startswith(S3_SCHEME) else _Folder(url, name)
    failed: dict[str, str] = {}
    refused: list[bool] = []

    def step(what: str, do: Callable[[], object]) -> None:
        try:
            do()
        except (ClientError, BotoCoreError, OSError, StoreUnavailable) as error:
            failed[what] = plain(error)

    def read() -> None:
        if place.read("object") != FIRST:
            raise StoreUnavailable("the bytes that were read are not those that were written")

    def listed() -> None:
        if "object" not in place.list():
            raise StoreUnavailable("an object that was just written is not listed")

    def conditional() -> None:
        first, second = place.write_new("rivals", FIRST), place.write_new("rivals", SECOND)
        refused.append(first and not second and place.read("rivals") == FIRST)

    step("write", lambda: place.write("object", FIRST))
    if "write" not in failed:
        step("read", read)
        step("list", listed)
        step("conditional put", conditional)
        for each in ("object", "rivals"):
            step(f"delete {each}", lambda each=each: place.delete(each))  # type: ignore[misc]
    undeleted = [each for each in ("object", "rivals") if f"delete {each}" in failed]
    told = {what: said for what, said in failed.items() if not what.startswith("delete ")}
    if undeleted:
        told["delete"] = failed[f"delete {undeleted[0]}"]
    left = tuple(f"{url.rstrip('/')}/{name}/{each}" for each in undeleted)
    return Probed(told, bool(refused and refused[0]), left)


def refuses_listing(url: str, options: Mapping[str, str], seconds: float) -> str:
    """Why the objects below `url` can't be listed; "" when they can."""
    try:
        if url.startswith(S3_SCHEME):
            _Bucket(url, options, "", seconds).list()
        elif (folder := Path(local_path(url))).exists():
            next(folder.iterdir(), None)
    except (ClientError, BotoCoreError, OSError) as error:
        return plain(error)
    return ""


class _Bucket:
    def __init__(self, url: str, options: Mapping[str, str], name: str, seconds: float) -> None:
        self._bucket, _, folder = url.removeprefix(S3_SCHEME).rstrip("/").partition("/")
        self._prefix = "".join(f"{part}/" for part in (folder, name) if part)
        settings = Config(connect_timeout=seconds, read_timeout=seconds, retries={"total_max_attempts": 2})
        self._client: Any = boto3.client(
            "s3",
            aws_access_key_id=options.get("AWS_ACCESS_KEY_ID"),
            aws_secret_access_key=options.get("AWS_SECRET_ACCESS_KEY"),
            aws_session_token=options.get("AWS_SESSION_TOKEN"),
            region_name=options.get("AWS_REGION", "us-east-1"),
            endpoint_url=options.get("AWS_ENDPOINT_URL"),
            config=settings,
        )

    def write(self, name: str, content: bytes) -> None:
        self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content)

    def write_new(self, name: str, content: bytes) -> bool:
        try:
            self._client.put_object(Bucket=self._bucket, Key=self._prefix + name, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code")) in _LOST:
                return False
            raise
        return True

    def read(self, name: str) -> bytes:
        return bytes(self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"].read())

    def list(self) -> list[str]:
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix)
        return [each["Key"].removeprefix(self._prefix) for each in found.get("Contents", ())]

    def delete(self, name: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)


class _Folder:
    """A local folder, or the nearest one above it that is there: the first commit makes those below.

    As Delta Lake does it, a file is new when a hard link of its name can be made.
    """

    def __init__(self, url: str, name: str) -> None:
        there = Path(local_path(url))
        while not there.exists():
            there = there.parent
        self._path = there / name

    def write(self, name: str, content: bytes) -> None:
        self._path.mkdir(exist_ok=True)
        (self._path / name).write_bytes(content)

    def write_new(self, name: str, content: bytes) -> bool:
        aside = self._path / f".{name}"
        aside.write_bytes(content)
        try:
            os.link(aside, self._path / name)
        except FileExistsError:
            return False
        finally:
            aside.unlink()
        return True

    def read(self, name: str) -> bytes:
        return (self._path / name).read_bytes()

    def list(self) -> list[str]:
        return [each.name for each in self._path.iterdir()]

    def delete(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)
        if not any(self._path.iterdir()):
            self._path.rmdir()
