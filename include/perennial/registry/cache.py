"""Models that were loaded before, on local disk, so that scoring doesn't depend on the registry being up."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from perennial.encoding import bytes_digest, json_digest
from perennial.errors import StoreUnavailable


@dataclass(frozen=True)
class StoredModel:
    """A version's two artefacts: the model's bytes, and what it considers normal."""

    content: bytes
    reference: dict[str, Any]


class ModelCache:
    """Model bytes under their digest, and each version's reference with a digest of its own.

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
        reference = entry.get("reference")
        if not isinstance(reference, dict) or entry.get("digest") != json_digest(reference):
            return None
        return StoredModel(content, reference)

    def put(self, use_case: str, version: str, digest: str, model: StoredModel) -> None:
        """Keep the version's artefacts. Errors: `StoreUnavailable` when the folder can't be written."""
        entry = {"digest": json_digest(model.reference), "reference": model.reference}
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
            incoming.write(content)
        os.replace(incoming.name, path)  # noqa: PTH105

    def _model_file(self, digest: str) -> Path:
        return self._folder / f"{digest}.skops"

    def _reference_file(self, use_case: str, version: str, digest: str) -> Path:
        return self._folder / f"{use_case}-{version}-{digest}.json"
