"""A bucket on S3, or on a store that speaks its language: what is in it, and its objects as files."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from perennial.addresses import AwsAddress
from perennial.errors import InvalidQuery, InvalidSettings, SourceUnavailable

SERVER_ERROR = 500
_PASSING = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "Throttling", "RequestLimitExceeded"}
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


@dataclass(frozen=True)
class OpenBucket:
    """A bucket with a connection to it, which `Bucket.reached` closes."""

    name: str
    client: Any

    def objects(self, prefix: str) -> Iterator[tuple[str, str]]:
        """Every key that starts with `prefix`, in order, and a stamp that changes with the object."""
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):
                    yield found["Key"], f"{found['ETag']} {found['LastModified']}"

    @contextmanager
    def copied(self, key: str, path: Path) -> Iterator[Path]:
        """The object as a file at `path`, which is removed afterwards."""
        with closing(self.client.get_object(Bucket=self.name, Key=key)["Body"]) as body, path.open("wb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
        yield path
        path.unlink()


class Bucket:
    """The bucket `name` that a connection opens; `connection_id` names the connection in messages.

    Errors: `InvalidSettings` when `url` is of another type than aws.
    """

    def __init__(self, url: str, name: str, connection_id: str) -> None:
        self._address = AwsAddress.from_uri(url)
        self.name = name
        self.connection_id = connection_id

    @contextmanager
    def reached(self, named: str) -> Iterator[OpenBucket]:
        """The bucket, and what goes wrong meanwhile as our errors, about what is `named`.

        Errors: `SourceUnavailable`, `InvalidQuery`, `InvalidSettings` without credentials.
        """
        what = f"Connection {self.connection_id}, {named}"
        try:
            with closing(self._client()) as client:
                yield OpenBucket(self.name, client)
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status >= SERVER_ERROR or error.response.get("Error", {}).get("Code") in _PASSING:
                raise SourceUnavailable(f"{what}: {error}. The same call may work later.") from error
            raise InvalidQuery(f"{what}: {error}. Check the bucket's name and the rights of the key.") from error
        except NoCredentialsError as error:
            raise InvalidSettings(
                f"{what}: there are no credentials. Give the connection a login and password."
            ) from error
        except (BotoCoreError, OSError) as error:
            raise SourceUnavailable(f"{what}: {error}. Check that the endpoint is up and reachable.") from error

    def _client(self) -> Any:
        address = self._address
        return boto3.client(
            "s3",
            aws_access_key_id=address.access_key,
            aws_secret_access_key=address.secret_key,
            aws_session_token=address.session_token,
            region_name=address.region or "us-east-1",
            endpoint_url=address.endpoint,
            config=_CONFIG,
        )


def below(key: str, prefix: str) -> tuple[str, ...]:
    """The parts of the key below the prefix's last folder."""
    return tuple(part for part in key[prefix.rfind("/") + 1 :].split("/") if part)
