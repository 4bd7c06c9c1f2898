"""Models that were loaded before, on local disk, so that scoring doesn't depend on the registry being up."""

import json
import os
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from perennial.encoding import bytes_digest, json_digest
from perennial.errors import StoreUnavailable


@dataclass(frozen=True)
class StoredModel:
    """A version's artefacts: the model's bytes, what it considers normal, and which libraries it was trained with.

    `example` are rows with their predictions, as an Arrow file; None where none were attached to it yet.
    """

    content: bytes
    reference: dict[str, Any]
    libraries: dict[str, str] = field(default_factory=dict)
    example: bytes | None = None


class ModelCache:
    """Model bytes under their digest, and what else is kept of each version with a digest of its own.

    What is damaged counts as absent. Files appear whole or not at all, whoever writes at the same time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, use_case: str, version: str, digest: str) -> StoredModel | None:
        """What was put under the version, if it is all there and undamaged."""
        try:
            content = self._model_file(digest).read_bytes()
            entry = json.loads(self._reference_file(use_case, version, digest).read_bytes())
        except (OSError, ValueError):  # absent, unreadable, or cut off: the registry has it
            return None
        if not isinstance(entry, dict) or bytes_digest(content) != digest:
            return None
        kept = entry.get("kept")
        if not isinstance(kept, dict) or entry.get("digest") != json_digest(kept):
            return None
        example = None if kept["example"] is None else b64decode(kept["example"])
        return StoredModel(content, kept["reference"], kept["libraries"], example)

    def put(self, use_case: str, version: str, digest: str, model: StoredModel) -> None:
        """Keep the version's artefacts. Errors: `StoreUnavailable` when the folder can't be written."""
        example = None if model.example is None else b64encode(model.example).decode()
        kept = {"reference": model.reference, "libraries": model.libraries, "example": example}
        entry = {"digest": json_digest(kept), "kept": kept}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._replace(self._model_file(digest), model.content)
            self._replace(self._reference_file(use_case, version, digest), json.dumps(entry).encode())
        except OSError as error:
            raise StoreUnavailable(
                f"The model of {use_case}, version {version}, could not be kept in {self._folder}: {error}. "
                "Free space there, or make the folder writable."
            ) from error

    def _replace(self, path: Path, content: bytes) -> None:
        with NamedTemporaryFile(dir=self._folder, prefix=".incoming-", delete=False) as incoming:
            try:
                incoming.write(content)
                incoming.flush()
                os.replace(incoming.name, path)  # noqa: PTH105
            except OSError:  # such as a full disk, which should not be fuller with every try
                Path(incoming.name).unlink()
                raise

    def _model_file(self, digest: str) -> Path:
        return self._folder / f"{digest}.skops"

    def _reference_file(self, use_case: str, version: str, digest: str) -> Path:
        return self._folder / f"{use_case}-{version}-{digest}.json"
