"""Large JSON values, packed: what is read as a whole and never searched takes less room in the database."""

import base64
import json
import lzma
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from perennial.ledger.rows import loads

NAME = "lzma85"  # of the form: JSON text, compressed by LZMA2 without a container, as base 85
SMALL = 1_000  # characters; less is kept as it is
FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 20}]


class PackedJson(TypeDecorator[Any]):
    """A JSON object in a `jsonb` column, stored as `{"lzma85": text}` where it is large.

    PostgreSQL's own compression finds next to nothing in numbers and sketches. Objects that were stored as they are,
    by older versions, are read as before.
    """

    impl = JSONB
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """What is stored of the object."""
        del dialect
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        if value is None or len(text) < SMALL:
            return value
        packed = lzma.compress(text.encode(), format=lzma.FORMAT_RAW, filters=FILTERS)
        return {NAME: base64.b85encode(packed).decode()}

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """The object of what was stored."""
        del dialect
        if not isinstance(value, dict) or set(value) != {NAME}:
            return value
        packed = base64.b85decode(value[NAME])
        return loads(lzma.decompress(packed, format=lzma.FORMAT_RAW, filters=FILTERS).decode())
