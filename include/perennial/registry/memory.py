"""The model registry in memory: for tests, and for trying a use case out."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from perennial import clock
from perennial.errors import NoModel, UntrustedModel
from perennial.modeling.artifact import check_digest, load
from perennial.modeling.libraries import installed, load_as_trained
from perennial.modeling.trial import EXAMPLE, from_file
from perennial.registry.port import (
    MODEL_FILE,
    REFERENCE_FILE,
    LoadedModel,
    ModelCandidate,
    RegisteredModel,
    archived_error,
)
from perennial.registry.retraining import DIGEST, RetrainingRun, ShownCandidate, ShownRetraining


@dataclass(frozen=True)
class _Version:
    model: RegisteredModel
    parameters: dict[str, str]
    libraries: dict[str, str]


class MemoryRegistry:
    """A `ModelRegistry` in this process's memory."""

    def __init__(self) -> None:
        self._versions: dict[str, list[_Version]] = {}
        self._aliases: dict[tuple[str, str], str] = {}
        self._files: dict[tuple[str, str, str], bytes] = {}
        self._shown: dict[tuple[str, str, str], dict[str, ShownCandidate]] = {}
        self._shown_at: dict[tuple[str, str, str], datetime] = {}
        self._shown_bytes: dict[tuple[str, str, str], dict[str, int]] = {}

    def register(self, candidate: ModelCandidate) -> RegisteredModel:
        """See `ModelRegistry.register`."""
        load(candidate.pipeline_bytes, candidate.digest)
        versions = self._versions.setdefault(candidate.use_case, [])
        for version in versions:
            if version.model.digest == candidate.digest:
                return version.model
        model = RegisteredModel(candidate.use_case, str(len(versions) + 1), candidate.digest)
        parameters = {name: str(value) for name, value in candidate.parameters.items()}
        versions.append(_Version(model, parameters, installed()))
        reference = json.dumps(candidate.reference).encode()
        self.attach(model.use_case, model.version, {MODEL_FILE: candidate.pipeline_bytes, REFERENCE_FILE: reference})
        return model

    def load(self, use_case: str, version: str, digest: str) -> LoadedModel:
        """See `ModelRegistry.load`."""
        content = self._own(use_case, version, MODEL_FILE)
        reference = json.loads(self._own(use_case, version, REFERENCE_FILE))
        libraries = self._version(use_case, version).libraries
        example = self._files.get((use_case, version, EXAMPLE))
        pipeline = load_as_trained(
            f"Version {version}", use_case, content, digest, libraries, lambda: from_file(example) if example else None
        )
        return LoadedModel(version, digest, pipeline, reference)

    def reference(self, use_case: str, version: str, digest: str) -> dict[str, Any]:
        """See `ModelRegistry.reference`."""
        check_digest(self._own(use_case, version, MODEL_FILE), digest)
        reference: dict[str, Any] = json.loads(self._own(use_case, version, REFERENCE_FILE))
        return reference

    def content(self, use_case: str, version: str, digest: str) -> bytes:
        """See `ModelRegistry.content`."""
        content = self._own(use_case, version, MODEL_FILE)
        check_digest(content, digest)
        return content

    def attach(self, use_case: str, version: str, files: Mapping[str, bytes]) -> None:
        """See `ModelRegistry.attach`."""
        self._version(use_case, version)
        self._files.update({(use_case, version, path): content for path, content in files.items()})

    def attached(self, use_case: str, version: str, path: str) -> bytes | None:
        """See `ModelRegistry.attached`."""
        self._version(use_case, version)
        return self._files.get((use_case, version, path))

    def files(self, use_case: str, version: str) -> Mapping[str, int]:
        """See `ModelRegistry.files`."""
        self._version(use_case, version)
        return {name[2]: len(content) for name, content in self._files.items() if name[:2] == (use_case, version)}

    def remove(self, use_case: str, version: str, paths: Collection[str]) -> None:
        """See `ModelRegistry.remove`."""
        self._version(use_case, version)
        for path in paths:
            self._files.pop((use_case, version, path), None)

    def mark_archived(self, use_case: str, version: str, *, archived: bool) -> None:
        """See `ModelRegistry.mark_archived`."""
        found = self._version(use_case, version)
        if archived:
            names = [name for name, target in self._aliases.items() if (name[0], target) == (use_case, version)]
            for name in names:
                del self._aliases[name]
        versions = self._versions[use_case]
        versions[versions.index(found)] = replace(found, model=replace(found.model, archived=archived))

    def record_retraining(self, retraining: RetrainingRun) -> None:
        """See `ModelRegistry.record_retraining`."""
        key = (retraining.use_case, retraining.training_id, retraining.run_id)
        there = self._shown.setdefault(key, {})
        self._shown_at.setdefault(key, clock.now())
        for each in retraining.candidates:
            parameters = {name: str(value) for name, value in each.parameters.items()}
            shown = ShownCandidate(
                each.name, parameters, dict(each.metrics), dict(each.tags), tuple(sorted(each.files))
            )
            there.setdefault(each.name, shown)
            self._shown_bytes.setdefault(key, {}).setdefault(each.name, sum(map(len, each.files.values())))

    def shown_candidates(self, use_case: str, training_id: str, run_id: str) -> list[ShownCandidate]:
        """See `ModelRegistry.shown_candidates`."""
        there = self._shown.get((use_case, training_id, run_id), {})
        return [there[name] for name in sorted(there)]

    def retrainings(self, use_case: str, before: datetime) -> list[ShownRetraining]:
        """See `ModelRegistry.retrainings`."""
        found = [
            ShownRetraining(training_id, run_id, at, tuple(sorted({c.tags[DIGEST] for c in shown if DIGEST in c.tags})))
            for (name, training_id, run_id), at in self._shown_at.items()
            if name == use_case and at < before
            for shown in [self._shown[name, training_id, run_id].values()]
        ]
        return sorted(found, key=lambda each: each.at)

    def retraining_size(self, use_case: str, training_id: str, run_id: str) -> int:
        """See `ModelRegistry.retraining_size`."""
        return sum(self._shown_bytes.get((use_case, training_id, run_id), {}).values())

    def forget_retraining(self, use_case: str, training_id: str, run_id: str) -> None:
        """See `ModelRegistry.forget_retraining`."""
        key = (use_case, training_id, run_id)
        self._shown.pop(key, None)
        self._shown_at.pop(key, None)
        self._shown_bytes.pop(key, None)

    def parameters(self, use_case: str, version: str) -> dict[str, str]:
        """See `ModelRegistry.parameters`."""
        return dict(self._version(use_case, version).parameters)

    def versions(self, use_case: str) -> list[RegisteredModel]:
        """See `ModelRegistry.versions`."""
        return [version.model for version in self._versions.get(use_case, [])]

    def set_alias(self, use_case: str, alias: str, version: str | None) -> None:
        """See `ModelRegistry.set_alias`."""
        if version is None:
            self._aliases.pop((use_case, alias), None)
            return
        self._version(use_case, version)
        self._aliases[use_case, alias] = version

    def alias(self, use_case: str, alias: str) -> str | None:
        """See `ModelRegistry.alias`."""
        return self._aliases.get((use_case, alias))

    def address(self, use_case: str, version: str) -> str | None:  # noqa: ARG002
        """See `ModelRegistry.address`: memory has no pages."""
        return None

    def _own(self, use_case: str, version: str, file: str) -> bytes:
        found = self._version(use_case, version)
        content = self._files.get((use_case, version, file))
        if content is not None:
            return content
        if found.model.archived:
            raise archived_error(use_case, version)
        raise UntrustedModel(f"Version {version} of {use_case} is incomplete: {file} is not there.")

    def _version(self, use_case: str, version: str) -> _Version:
        for found in self._versions.get(use_case, []):
            if found.model.version == version:
                return found
        known = ", ".join(found.model.version for found in self._versions.get(use_case, [])) or "none"
        raise NoModel(f"{use_case} has no model version {version!r}; registered are {known}.")
