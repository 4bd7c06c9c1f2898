"""Saving and loading all objects of the stack; and that the store's promise is tried, which the lake rests on."""

import io
import tarfile
from collections.abc import Iterator
from typing import IO, Any

import pytest
from moto import mock_aws

from perennial.errors import InvalidSettings
from perennial_stack import buckets, objects

CONTENT = {
    ("lake", "perennial/raw/flights/_delta_log/0.json"): b"{}",
    ("lake", "perennial/raw/flights/a.parquet"): b"x" * 1000,
    ("lake", "perennial/artifacts/d"): b"",
    ("mlflow", "artifacts/1/model.bin"): bytes(objects.IN_MEMORY + 1),
}


@pytest.fixture
def store() -> Iterator[Any]:
    with mock_aws():
        yield buckets.client("https://s3.us-east-1.amazonaws.com", "key", "secret", "us-east-1")


def filled(store: Any) -> None:
    assert buckets.prepare(store) == ["lake", "mlflow"]
    for (bucket, key), content in CONTENT.items():
        store.put_object(Bucket=bucket, Key=key, Body=content)


def emptied(store: Any) -> None:
    for bucket, key in CONTENT:
        store.delete_object(Bucket=bucket, Key=key)


def saved(store: Any) -> io.BytesIO:
    output = io.BytesIO()
    assert objects.save(store, output) == len(CONTENT)
    return io.BytesIO(output.getvalue())


def test_a_large_object_whose_last_part_arrives_first_is_saved_whole(store: Any) -> None:
    class Unordered:
        """Writes the end first, as the threads of a download may."""

        def download_fileobj(self, bucket: str, key: str, output: IO[bytes]) -> None:
            output.seek(3)
            output.write(b"d")
            output.seek(0)
            output.write(b"abc")

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

    buckets.prepare(store)
    store.put_object(Bucket="lake", Key="large", Body=b"abcd")
    output = io.BytesIO()
    assert objects.save(Unordered(), output) == 1
    with tarfile.open(fileobj=io.BytesIO(output.getvalue())) as tar:
        found = tar.extractfile("lake/large")
        assert found is not None
        assert found.read() == b"abcd"


def test_what_was_saved_is_loaded(store: Any) -> None:
    filled(store)
    tar = saved(store)
    emptied(store)
    assert objects.load(store, tar) == len(CONTENT)
    for (bucket, key), content in CONTENT.items():
        found = store.get_object(Bucket=bucket, Key=key)["Body"].read()
        assert (len(found), found == content) == (len(content), True), key


def test_the_logs_of_tables_are_read_before_all_else_is_listed(store: Any) -> None:
    filled(store)
    with tarfile.open(fileobj=saved(store)) as tar:
        assert tar.getnames()[0] == "lake/perennial/raw/flights/_delta_log/0.json"


def test_what_comes_between_the_two_looks_is_saved_without_its_log(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that comes meanwhile: its file may be saved, its log is not, and the table is as it was before."""
    filled(store)
    looked = objects._keys

    def keys(store: Any, bucket: str) -> list[str]:
        found = looked(store, bucket)
        if bucket == "mlflow":
            store.put_object(Bucket="lake", Key="perennial/raw/flights/b.parquet", Body=b"new")
            store.put_object(Bucket="lake", Key="perennial/raw/flights/_delta_log/1.json", Body=b"{}")
        return found

    monkeypatch.setattr(objects, "_keys", keys)
    output = io.BytesIO()
    objects.save(store, output)
    with tarfile.open(fileobj=io.BytesIO(output.getvalue())) as tar:
        names = tar.getnames()
    assert "lake/perennial/raw/flights/b.parquet" in names
    assert "lake/perennial/raw/flights/_delta_log/1.json" not in names


def test_a_backup_is_not_loaded_over_something(store: Any) -> None:
    filled(store)
    with pytest.raises(InvalidSettings, match="The bucket lake holds objects"):
        objects.load(store, saved(store))


def test_buckets_are_made_once(store: Any) -> None:
    assert buckets.prepare(store) == ["lake", "mlflow"]
    assert buckets.prepare(store) == []


def test_a_store_with_conditional_puts_is_taken(store: Any) -> None:
    buckets.prepare(store)
    buckets.require_conditional_puts(store)
    assert store.list_objects_v2(Bucket="lake")["KeyCount"] == 0


def test_a_store_that_overwrites_all_the_same_is_refused(store: Any) -> None:
    class Overwriting:
        def put_object(self, **asked: Any) -> Any:
            asked.pop("IfNoneMatch", None)
            return store.put_object(**asked)

        def delete_object(self, **asked: Any) -> Any:
            return store.delete_object(**asked)

    buckets.prepare(store)
    with pytest.raises(InvalidSettings, match=r"If-None-Match: \*"):
        buckets.require_conditional_puts(Overwriting())
    assert store.list_objects_v2(Bucket="lake")["KeyCount"] == 0
