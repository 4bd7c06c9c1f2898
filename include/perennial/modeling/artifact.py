"""Models as bytes, without pickle: written reproducibly, and read only after digest and types are checked."""

import io
import json
import zipfile

import skops.io
from sklearn.pipeline import Pipeline

from perennial.encoding import bytes_digest
from perennial.errors import UntrustedModel
from perennial.modeling.reproducible import SCHEMA, nodes, reproducible_skops
from perennial.modeling.trusted_types import TRUSTED_BEYOND_SKOPS, TRUSTED_NODES, TRUSTED_TYPES


def dump(pipeline: Pipeline) -> bytes:
    """The fitted pipeline as reproducible skops: the same model has the same bytes, in any process.

    Errors: `UntrustedModel` when it holds a type that `load` would refuse.
    """
    content = reproducible_skops(skops.io.dumps(pipeline))
    _refuse_foreign_types(content, "was to be saved")
    return content


def load(content: bytes, digest: str) -> Pipeline:
    """The pipeline in the bytes. Nothing is constructed before both checks have passed.

    Errors: `UntrustedModel` when the bytes don't have that sha-256, hold a type that is not on our list, or are no
    model at all.
    """
    check_digest(content, digest)
    try:
        _refuse_foreign_types(content, "was to be loaded")
        pipeline = skops.io.loads(content, trusted=sorted(TRUSTED_BEYOND_SKOPS))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UntrustedModel(
            f"The bytes with digest {digest} are not a model that can be read: {error!r}. Train and register it again."
        ) from error
    if not isinstance(pipeline, Pipeline):
        raise UntrustedModel(f"The bytes with digest {digest} hold a {type(pipeline).__name__}, not a pipeline.")
    return pipeline


def check_digest(content: bytes, digest: str) -> None:
    """Make sure that the bytes are those of that sha-256. Errors: `UntrustedModel` when they are not."""
    found = bytes_digest(content)
    if found != digest:
        raise UntrustedModel(
            f"A model with digest {digest} was expected, but the bytes have {found}: they were changed or damaged. "
            "Don't use them; find out who wrote them, and register the model again from its training run."
        )


def _refuse_foreign_types(content: bytes, attempt: str) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        schema = json.loads(archive.read(SCHEMA))
    foreign = set()
    for node in nodes(schema):
        name = f"{node['__module__']}.{node['__class__']}"
        if node["__loader__"] not in TRUSTED_NODES or (node["__loader__"] != "JsonNode" and name not in TRUSTED_TYPES):
            foreign.add(name)
    if foreign:
        raise UntrustedModel(
            f"A model {attempt} that holds {', '.join(sorted(foreign))}, which is not among the types that Perennial "
            "trusts (perennial.modeling.trusted_types). Train it with one of the known estimators."
        )
