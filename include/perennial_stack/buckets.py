"""The buckets of the object store, and whether it keeps the promise that commits to the lake rest on."""

from typing import Any
from uuid import uuid4

from perennial.errors import InvalidSettings

LAKE, MLFLOW = "lake", "mlflow"


def client(endpoint: str, access_key: str, secret_key: str, region: str) -> Any:
    """A client of the store."""
    import boto3  # noqa: PLC0415 - only `init` needs it
    from botocore.config import Config  # noqa: PLC0415

    config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 5, "mode": "standard"})
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id=access_key, aws_secret_access_key=secret_key,
        region_name=region, config=config,
    )  # fmt: skip


def prepare(store: Any) -> list[str]:
    """Make the buckets that are missing; their names."""
    there = {bucket["Name"] for bucket in store.list_buckets()["Buckets"]}
    missing = [name for name in (LAKE, MLFLOW) if name not in there]
    for name in missing:
        store.create_bucket(Bucket=name)
    return missing


def require_conditional_puts(store: Any) -> None:
    """Write one object twice, the second time only if it is not there.

    Errors: `InvalidSettings` when the store writes it all the same: commits to one table would overwrite each other.
    """
    from botocore.exceptions import ClientError  # noqa: PLC0415

    key = f"perennial-init/{uuid4().hex}"
    store.put_object(Bucket=LAKE, Key=key, Body=b"first")
    try:
        store.put_object(Bucket=LAKE, Key=key, Body=b"second", IfNoneMatch="*")
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 412:  # noqa: PLR2004 - precondition failed
            return
        raise
    finally:
        store.delete_object(Bucket=LAKE, Key=key)
    raise InvalidSettings(
        "The object store overwrote an existing object, though it was asked to write only if there was none "
        "(If-None-Match: *). Two tasks that commit to one table of the lake would overwrite each other. Use a store "
        "that supports conditional puts; docs/adr/0016 names some."
    )
