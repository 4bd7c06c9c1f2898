"""All objects of the stack's buckets as one tar: `save` writes it to standard output, `load` reads standard input.

Objects are read one at a time, and those above a few megabytes go through a file, not through memory.
"""

import os
import shutil
import sys
import tarfile
import tempfile
from typing import IO, Any

from perennial.errors import InvalidSettings
from perennial_stack import buckets

LOG = "/_delta_log/"
IN_MEMORY = 8 * 1024 * 1024  # bytes


def save(store: Any, output: IO[bytes]) -> int:
    """Write every object, named bucket/key; how many there were.

    The logs of tables come first, and all else is listed after that: what a log names was written before it, so that
    no table is saved with a hole, though others write meanwhile.
    """
    count = 0
    with tarfile.open(fileobj=output, mode="w|") as tar:
        for logs in (True, False):
            for bucket in (buckets.LAKE, buckets.MLFLOW):
                for key in (key for key in _keys(store, bucket) if (LOG in key) is logs):
                    _save(store, bucket, key, tar)
                    count += 1
    return count


def _save(store: Any, bucket: str, key: str, tar: tarfile.TarFile) -> None:
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as content:
        store.download_fileobj(bucket, key, content)
        member = tarfile.TarInfo(f"{bucket}/{key}")
        member.size = content.seek(
            0, os.SEEK_END
        )  # parts of a large object arrive in any order: the last write is no end
        content.seek(0)
        tar.addfile(member, content)


def load(store: Any, source: IO[bytes]) -> int:
    """Write every object of the tar into buckets that must be empty; how many there were.

    Errors: `InvalidSettings` when a bucket holds something.
    """
    buckets.prepare(store)
    for bucket in (buckets.LAKE, buckets.MLFLOW):
        if store.list_objects_v2(Bucket=bucket, MaxKeys=1).get("KeyCount"):
            raise InvalidSettings(f"The bucket {bucket} holds objects. A backup is loaded into empty buckets only.")
    count = 0
    with tarfile.open(fileobj=source, mode="r|") as tar:
        for member in tar:
            bucket, _, key = member.name.partition("/")
            content = tar.extractfile(member)
            assert content is not None, "only files are saved"
            with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as kept:  # the upload asks how long it is
                shutil.copyfileobj(content, kept)
                kept.seek(0)
                store.upload_fileobj(kept, bucket, key)
            count += 1
    return count


def _keys(store: Any, bucket: str) -> list[str]:
    pages = store.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [each["Key"] for page in pages for each in page.get("Contents", [])]


def main(verb: str) -> None:
    """`save` or `load`, for the store that the environment names."""
    names = ("AWS_ENDPOINT_URL", "S3_ADMIN_ACCESS_KEY", "S3_ADMIN_SECRET_KEY", "AWS_REGION")
    store = buckets.client(*(os.environ[name] for name in names))
    count = save(store, sys.stdout.buffer) if verb == "save" else load(store, sys.stdin.buffer)
    print(f"{count} objects", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1])
