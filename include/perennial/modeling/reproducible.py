"""One sequence of bytes for one fitted model.

A skops file is a zip archive of `schema.json`, a tree of nodes, and one `.npy` file per array. As skops writes it,
it holds memory addresses (as node ids and file names), the time of day, and whatever lay in the padding of
structured arrays. Here ids are counted in order of appearance, files are named for their content, padding is zero
and every file has the zip format's first day as its date.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

SCHEMA = "schema.json"

Node = dict[str, Any]


def reproducible_skops(content: bytes) -> bytes:
    """The same model with reproducible bytes, which skops reads as it reads its own."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema: Node = json.loads(archive.read(SCHEMA))
        files = {name: archive.read(name) for name in archive.namelist() if name != SCHEMA}
    arrays = {name: _without_padding(data) for name, data in files.items()}
    names = {name: f"{hashlib.sha256(data).hexdigest()}.npy" for name, data in arrays.items()}
    ids: dict[Any, int] = {}
    for node in nodes(schema):
        if "__id__" in node:
            node["__id__"] = ids.setdefault(_identity(node), len(ids) + 1)
        if "file" in node:
            node["file"] = names[node["file"]]
    buffer = io.BytesIO()
    # Not compressed: the bytes of compressed data depend on the version of zlib.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({names[name]: data for name, data in arrays.items()}.items()):
            archive.writestr(_entry(name), data)
        archive.writestr(_entry(SCHEMA), json.dumps(schema, separators=(",", ":")))
    return buffer.getvalue()


def nodes(schema: Node) -> Iterator[Node]:
    """Every node of a skops schema, parents before children, in the order of the file."""
    stack: list[Any] = [schema]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            if "__loader__" in value:
                yield value
            stack.extend(reversed(value.values()))
        elif isinstance(value, list):
            stack.extend(reversed(value))


def _identity(node: Node) -> Any:
    """What tells whether two nodes are one object: the content of values that can't change, else the memory address."""
    if node["__loader__"] == "JsonNode":
        return "json", node["content"]
    if node["__loader__"] == "TypeNode":
        return "type", node["__module__"], node["__class__"]
    return node["__id__"]


def _without_padding(data: bytes) -> bytes:
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    return entry
