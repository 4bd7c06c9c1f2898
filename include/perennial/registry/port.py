"""What the rest of the system asks of the model registry."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from perennial.errors import VersionArchived
from perennial.registry.retraining import RetrainingRun, ShownCandidate, ShownRetraining

if TYPE_CHECKING:  # who asks for no model need not wait for what models are made of
    import pandas as pd
    from sklearn.pipeline import Pipeline


MODEL_FILE = "model.skops"
REFERENCE_FILE = "reference.json"
LIBRARIES_FILE = "requirements.txt"  # what the model was trained with


@dataclass(frozen=True)
class ModelCandidate:
    """A trained model that won, and all that should be known about it.

    `pipeline_bytes` are the skops bytes to deploy, and `digest` their sha-256. `metrics` are those of the model that
    was judged: the same one, or the one before it was refitted (tag `judged_digest`). `reference` is what the model
    considers normal (see `perennial.drift.reference`), `training` says what it was trained on.
    """

    use_case: str
    name: str
    pipeline_bytes: bytes
    digest: str
    parameters: dict[str, Any]
    metrics: dict[str, float]
    reference: dict[str, Any]
    training: dict[str, Any]
    input_example: "pd.DataFrame"
    as_of: datetime
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisteredModel:
    """A model version in the registry; `archived` while it is marked so."""

    use_case: str
    version: str
    digest: str
    archived: bool = False


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to score, with the reference that says what is normal for it."""

    version: str
    digest: str
    pipeline: "Pipeline"
    reference: dict[str, Any]


class ModelRegistry(Protocol):
    """Model versions, their metrics and artefacts. Errors of every method: `StoreUnavailable`."""

    def register(self, candidate: ModelCandidate) -> RegisteredModel:
        """Make a new version of the use case's model, or return the one that already has this digest."""

    def load(self, use_case: str, version: str, digest: str) -> LoadedModel:
        """The version's model, after its bytes were checked against `digest` and its types against our allow-list, and,
        where it was trained with other libraries, its predictions (see `perennial.modeling.libraries`).

        Errors: `UntrustedModel`, `LibrariesChanged` when any does not hold, `NoModel` when there is no such version; of
        this and of every method that reads the model or its reference: `VersionArchived` when they were moved to the
        archive.
        """

    def reference(self, use_case: str, version: str, digest: str) -> dict[str, Any]:
        """What the version considers normal, after its model's bytes were checked against `digest`.

        Nothing of the model is constructed, which is what takes long in `load`. Errors: `UntrustedModel` when the
        bytes have another digest, `NoModel` when there is no such version.
        """

    def content(self, use_case: str, version: str, digest: str) -> bytes:
        """The version's bytes as the registry has them now, checked against `digest`; nothing is constructed.

        Errors: `UntrustedModel` when they have another digest or are gone, `NoModel` when there is no such version.
        """

    def attach(self, use_case: str, version: str, files: Mapping[str, bytes]) -> None:
        """Put files beside the version's model, by paths such as `exports/model.onnx`; one that is there is replaced.

        Errors: `NoModel` when there is no such version.
        """

    def attached(self, use_case: str, version: str, path: str) -> bytes | None:
        """A file that was attached to the version; None where there is none of that path.

        Errors: `NoModel` when there is no such version.
        """

    def files(self, use_case: str, version: str) -> Mapping[str, int]:
        """The paths of all files that lie with the version's model, and how many bytes each has.

        `attached` reads them, `MODEL_FILE` and `REFERENCE_FILE` among them. Errors: `NoModel`.
        """

    def remove(self, use_case: str, version: str, paths: Collection[str]) -> None:
        """Remove files that lie with the version's model; those that are not there are none to remove.

        Errors: `NoModel`.
        """

    def mark_archived(self, use_case: str, version: str, *, archived: bool) -> None:
        """Mark the version as archived, after every alias was taken from it; or take the mark away.

        Errors: `NoModel`.
        """

    def record_retraining(self, retraining: RetrainingRun) -> None:
        """Show the retraining and its candidates as runs; recorded again, what is complete there is left as it is."""

    def shown_candidates(self, use_case: str, training_id: str, run_id: str) -> list[ShownCandidate]:
        """The candidates of that retraining as they are shown, by name; none where it was not recorded."""

    def retrainings(self, use_case: str, before: datetime) -> list[ShownRetraining]:
        """The retrainings that were recorded before then, the oldest first."""

    def retraining_size(self, use_case: str, training_id: str, run_id: str) -> int:
        """The bytes of the files that are shown with that retraining's candidates; 0 where it was not recorded."""

    def forget_retraining(self, use_case: str, training_id: str, run_id: str) -> None:
        """Show it no more, nor its candidates, and remove their files. One that is not shown is none to forget."""

    def parameters(self, use_case: str, version: str) -> dict[str, str]:
        """The parameters that the version was trained with, as text; none where it was made by hand.

        Errors: `NoModel` when there is no such version.
        """

    def versions(self, use_case: str) -> list[RegisteredModel]:
        """All versions, oldest first."""

    def set_alias(self, use_case: str, alias: str, version: str | None) -> None:
        """Point the alias at the version, or at none: a projection of the ledger, never the truth."""

    def alias(self, use_case: str, alias: str) -> str | None:
        """The version that the alias points at."""

    def address(self, use_case: str, version: str) -> str | None:
        """Where a person looks at the version in a browser, if anywhere."""


def archived_error(use_case: str, version: str) -> VersionArchived:
    """What who asks for a model that was moved to the archive is told."""
    return VersionArchived(
        f"Version {version} of {use_case} was archived, and its model moved out of the registry. Bring it back with "
        f"`perennial restore-version {use_case} {version} --reason …`, then do this again."
    )
