"""Rows of CSV or Parquet objects below a prefix, on S3 or a store that speaks its language."""

from collections.abc import Generator
from datetime import datetime
from functools import partial
from os.path import commonprefix

import pyarrow as pa

from perennial.errors import EmptyWindow
from perennial.scratch import scratch_folder
from perennial.sources.bucket import Bucket, OpenBucket, below
from perennial.sources.data_files import sorted_out
from perennial.sources.intake import whole
from perennial.sources.naming import DatedName
from perennial.sources.port import Extract, Source
from perennial.sources.tabular import Layout, TabularFile, gather
from perennial.spec.models import Limits
from perennial.window import Window

FEW = 4  # names that are worth a request each


class S3Source(Source):
    """The objects of `bucket` whose key starts with `prefix`, which may hold strftime directives: `names` fills it in.

    `connection_id` names the connection in messages. See `perennial.sources.data_files` for objects that are no data.
    """

    def __init__(
        self, url: str, bucket: str, prefix: str, *, connection_id: str, layout: Layout, names: DatedName
    ) -> None:
        self._bucket = Bucket(url, bucket, connection_id)
        self._prefix = prefix
        self._layout = layout
        self._names = names

    def fetch(self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None) -> Extract:
        """See `Source.fetch`. One object at a time is copied to a temporary file.

        Errors also: `EmptyWindow` when there is no object, `SchemaMismatch`, `InvalidSettings` without credentials.
        """
        return whole(self.parts(window, as_of, limits, keys), self._address)

    def parts(
        self, window: Window, as_of: datetime, limits: Limits, keys: pa.Array | None = None
    ) -> Generator[Extract, None, None]:
        """See `Source.parts`. Errors: as `fetch`."""
        name_of_bucket = self._bucket.name
        address = self._address
        with self._bucket.reached(address) as bucket, scratch_folder() as folder:
            span = self._names.span(window, as_of)
            found = self._listed(bucket, self._names.around(span))
            named = {key: name for name, objects in reversed(found.items()) for key in objects}
            data, unfinished = sorted_out([(key, below(key, name)) for key, name in sorted(named.items())], address)
            if not {key for name in self._names.of(span) for key in found[name]}.intersection(data):
                asked = f"connection {self._bucket.connection_id}"
                raise EmptyWindow(
                    f"{address}: there is no object for {window} ({asked}){unfinished}. "
                    "Check that the window's objects were delivered, and `bucket` and `prefix` in the spec."
                )
            files = [
                TabularFile(
                    f"s3://{name_of_bucket}/{key}",
                    found[named[key]][key],
                    self._layout.home(self._names, named[key], window),
                    partial(bucket.copied, key, folder / "object"),
                )
                for key in data
            ]
            said = f"{address}{unfinished}." if unfinished else ""
            yield from gather(files, self._layout, window, as_of, limits, keys, address=address, said=said)

    @property
    def _address(self) -> str:
        return f"s3://{self._bucket.name}/{self._prefix}"

    def keys(self, prefix: str) -> list[str]:
        """Every key of the bucket that starts with `prefix`, those of markers too. Errors: as `fetch`."""
        with self._bucket.reached(f"s3://{self._bucket.name}/{prefix}") as bucket:
            return [key for key, _ in bucket.objects(prefix)]

    def _listed(self, bucket: OpenBucket, names: list[str]) -> dict[str, dict[str, str]]:
        """For each name the keys that start with it, with their stamps. Many names are asked for by what they share."""
        if len(names) <= FEW:
            return {name: dict(bucket.objects(name)) for name in names}
        every = dict(bucket.objects(commonprefix(names)))  # noqa: RUF071 - of keys, which are no paths
        return {name: {key: stamp for key, stamp in every.items() if key.startswith(name)} for name in names}
