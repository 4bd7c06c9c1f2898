"""Rows of CSV or Parquet objects below a prefix, on S3 or a store that speaks its language."""

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from os.path import commonprefix
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from perennial.addresses import AwsAddress
from perennial.errors import EmptyWindow, InvalidQuery, InvalidSettings, SourceUnavailable
from perennial.sources.data_files import sorted_out
from perennial.sources.naming import DatedName
from perennial.sources.port import Extract
from perennial.sources.tabular import Layout, TabularFile, gather
from perennial.spec.models import Limits
from perennial.window import Window

SERVER_ERROR = 500
FEW = 4  # names that are worth a request each
_PASSING = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "Throttling", "RequestLimitExceeded"}
_CONFIG = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "max_attempts": 3})


class S3Source:
    """The objects of `bucket` whose key starts with `prefix`, which may hold strftime directives: `names` fills it in.

    `connection_id` names the connection in messages. See `perennial.sources.data_files` for objects that are no data.
    """

    def __init__(
        self, url: str, bucket: str, prefix: str, *, connection_id: str, layout: Layout, names: DatedName
    ) -> None:
        self._address = AwsAddress.from_uri(url)
        self._bucket = bucket
        self._prefix = prefix
        self._connection_id = connection_id
        self._layout = layout
        self._names = names

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`. One object at a time is copied to a temporary file.

        Errors also: `EmptyWindow` when there is no object, `SchemaMismatch`, `InvalidSettings` without credentials.
        """
        address = f"s3://{self._bucket}/{self._prefix}"
        with self._reaching(address), closing(self._client()) as client, TemporaryDirectory() as folder:
            span = self._names.span(window, as_of)
            found = self._listed(client, self._names.around(span))
            named = {key: name for name, objects in reversed(found.items()) for key in objects}
            data, unfinished = sorted_out([(key, _below(key, name)) for key, name in sorted(named.items())], address)
            if not {key for name in self._names.of(span) for key in found[name]}.intersection(data):
                raise EmptyWindow(
                    f"{address}: there is no object for {window} (connection {self._connection_id}){unfinished}. "
                    "Check that the window's objects were delivered, and `bucket` and `prefix` in the spec."
                )
            files = [
                TabularFile(
                    f"s3://{self._bucket}/{key}",
                    found[named[key]][key],
                    self._layout.home(self._names, named[key], window),
                    partial(self._copied, client, key, Path(folder) / "object"),
                )
                for key in data
            ]
            extract = gather(files, self._layout, window, as_of, limits, keys, address=address)
        return replace(extract, remarks=(*extract.remarks, f"{address}{unfinished}.")) if unfinished else extract

    def keys(self, prefix: str) -> list[str]:
        """Every key of the bucket that starts with `prefix`, those of markers too. Errors: as `fetch`."""
        with self._reaching(f"s3://{self._bucket}/{prefix}"), closing(self._client()) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [found["Key"] for page in pages for found in page.get("Contents", [])]

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

    def _listed(self, client: Any, names: list[str]) -> dict[str, dict[str, str]]:
        """For each name the keys that start with it, with their stamps. Many names are asked for by what they share."""
        if len(names) <= FEW:
            return {name: dict(self._keys(client, name)) for name in names}
        every = dict(self._keys(client, commonprefix(names)))  # noqa: RUF071 - of keys, which are no paths
        return {name: {key: stamp for key, stamp in every.items() if key.startswith(name)} for name in names}

    def _keys(self, client: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):
                    yield found["Key"], f"{found['ETag']} {found['LastModified']}"

    @contextmanager
    def _copied(self, client: Any, key: str, path: Path) -> Iterator[Path]:
        with closing(client.get_object(Bucket=self._bucket, Key=key)["Body"]) as body, path.open("wb") as file:
            shutil.copyfileobj(body, file, 1 << 20)
        yield path
        path.unlink()

    @contextmanager
    def _reaching(self, named: str) -> Iterator[None]:
        what = f"Connection {self._connection_id}, {named}"
        try:
            yield
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


def _below(key: str, prefix: str) -> tuple[str, ...]:
    """The parts of the key below the prefix's last folder."""
    return PurePosixPath(key[prefix.rfind("/") + 1 :]).parts
