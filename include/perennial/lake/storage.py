"""Where bytes are kept: a local folder or S3, described once for Delta Lake and for Arrow's file systems.

Storage options have the names that `deltalake` gives them. Delta commits need a put that fails when the object is there
already. S3 and most stores that speak its language have it (`If-None-Match`), and it is asked for explicitly: with a
store that lacks it, commits fail instead of overwriting each other.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import obstore
import pyarrow as pa
from deltalake.exceptions import DeltaError
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore, S3Store
from pyarrow import fs

from perennial.addresses import AwsAddress
from perennial.errors import StoreUnavailable

S3_SCHEME = "s3://"
ATTEMPTS = 4
CONNECT_SECONDS = 5
REQUEST_SECONDS = 60
AT_ONCE = 16  # files that are read or deleted, most of which is waiting
UNFINISHED = ".unfinished"
CONDITIONAL_PUT = "AWS_CONDITIONAL_PUT"
_SAFE_COMMITS = {
    CONDITIONAL_PUT: "etag",
    "MAX_RETRIES": str(ATTEMPTS - 1),
    "RETRY_TIMEOUT": f"{REQUEST_SECONDS}s",
    "CONNECT_TIMEOUT": f"{CONNECT_SECONDS}s",
    "TIMEOUT": f"{REQUEST_SECONDS}s",
}
_AWS_VARIABLES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
)


def storage_options(uri: str) -> dict[str, str]:
    """The storage options of an Airflow connection of type aws, given as its URI.

    Errors: `InvalidSettings` when the URI is not one of that type.
    """
    address = AwsAddress.from_uri(uri)
    given = {
        "AWS_ACCESS_KEY_ID": address.access_key,
        "AWS_SECRET_ACCESS_KEY": address.secret_key,
        "AWS_SESSION_TOKEN": address.session_token,
        "AWS_REGION": address.region,
        "AWS_ENDPOINT_URL": address.endpoint,
    }
    return _completed({name: value for name, value in given.items() if value})


def environment_options(variables: Mapping[str, str]) -> dict[str, str]:
    """The storage options that AWS's own environment variables describe, for a lake on S3 without a connection."""
    found = {name: variables[name] for name in _AWS_VARIABLES if variables.get(name)}
    if "AWS_REGION" not in found and variables.get("AWS_DEFAULT_REGION"):
        found["AWS_REGION"] = variables["AWS_DEFAULT_REGION"]
    return _completed(found)


def open_filesystem(url: str, options: Mapping[str, str]) -> tuple[fs.FileSystem, str]:
    """The file system that `url` lies in, and the path of `url` in it."""
    if not url.startswith(S3_SCHEME):
        return fs.LocalFileSystem(), local_path(url)
    system = fs.S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        session_token=options.get("AWS_SESSION_TOKEN"),
        region=options.get("AWS_REGION", "us-east-1"),
        endpoint_override=options.get("AWS_ENDPOINT_URL"),
        connect_timeout=CONNECT_SECONDS,
        request_timeout=REQUEST_SECONDS,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
    return system, url.removeprefix(S3_SCHEME).rstrip("/")


def open_store(url: str, options: Mapping[str, str]) -> ObjectStore:
    """The store below `url`, as deltalake opens it by the same options: for what Arrow's file systems can't do.

    Errors: those of obstore, also for a folder that is not there; `OSError` in a process that was forked from one that
    has had a store: the threads that do its work are not there, and it would wait for them for ever.
    """
    if _first_user() != os.getpid():
        raise OSError("this process was forked from one that had used the lake by then: start one anew instead")
    if not url.startswith(S3_SCHEME):
        return LocalStore(local_path(url))
    return _open_bucket(url, tuple(sorted(options.items())))


@cache
def _open_bucket(url: str, given: tuple[tuple[str, str], ...]) -> ObjectStore:
    options = dict(given)
    bucket, _, folder = url.removeprefix(S3_SCHEME).partition("/")
    return S3Store(
        bucket,
        prefix=folder or None,
        config=cast(Any, {name: options[name] for name in (*_AWS_VARIABLES, CONDITIONAL_PUT) if name in options}),
        client_options={
            "allow_http": "AWS_ALLOW_HTTP" in options,
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
        },
        retry_config={"max_retries": ATTEMPTS - 1, "retry_timeout": timedelta(seconds=REQUEST_SECONDS)},
    )


def put_new(store: ObjectStore, path: str, content: bytes) -> bool:
    """Put a file unless it is there, at once or not at all; whether it was put. Errors: those of obstore."""
    try:
        obstore.put(store, path, content, mode="create")
    except AlreadyExistsError:
        return False
    return True


def names_from(store: ObjectStore, folder: str, first: str) -> list[str]:
    """The names in a folder of an object store from `first` on, sorted. Errors: those of obstore."""
    before = f"{folder}/{first}"[:-1]  # the store lists what comes after a name
    found = [
        each["path"].removeprefix(f"{folder}/") for some in obstore.list(store, folder, offset=before) for each in some
    ]
    return sorted(name for name in found if name >= first)


@cache
def _first_user() -> int:
    """The process that had a store first."""
    return os.getpid()


def local_path(url: str) -> str:
    """The absolute path of a local folder, given as a path or a file:// URL."""
    return str(Path(url.removeprefix("file://")).absolute())


def open_path(url: str) -> str:
    """A location's path within its file system."""
    return url.removeprefix(S3_SCHEME)


def put(filesystem: fs.FileSystem, path: str, content: bytes) -> None:
    """Write or replace a file, at once or not at all: an object of S3 is whole, a local file is moved to its place.

    Errors: `OSError`.
    """
    if not isinstance(filesystem, fs.LocalFileSystem):
        with filesystem.open_output_stream(path) as stream:
            stream.write(content)
        return
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    with filesystem.open_output_stream(unfinished := f"{path}.{uuid4().hex}{UNFINISHED}") as stream:
        stream.write(content)
    filesystem.move(unfinished, path)


def remove_files(filesystem: fs.FileSystem, paths: Iterable[str]) -> None:
    """Delete the files; one that is gone meanwhile is none to delete. Errors: `OSError`."""

    def removed(path: str) -> None:
        try:
            filesystem.delete_file(path)
        except FileNotFoundError:
            return

    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(removed, paths))


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Inside, any failure of the store becomes `StoreUnavailable` that says what was tried."""
    try:
        yield
    except (DeltaError, BaseError, OSError, pa.ArrowException) as error:
        raise StoreUnavailable(
            f"{what} failed: {plain(error)}. "
            "Check that the store is up and its files are there, then run the task again."
        ) from error


def plain(error: Exception) -> str:
    """The error's text on one line, without terminal colours and obstore's look inside, at most 400 characters."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).partition("\n\nDebug source:")[0]
    return " ".join(text.split())[:400].rstrip(".")


def _completed(options: dict[str, str]) -> dict[str, str]:
    insecure = {"AWS_ALLOW_HTTP": "true"} if options.get("AWS_ENDPOINT_URL", "").startswith("http://") else {}
    return {**options, **insecure, **_SAFE_COMMITS}
