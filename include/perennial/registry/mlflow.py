"""The model registry on an MLflow tracking server."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    PERMISSION_DENIED,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
)
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from requests.exceptions import RequestException

from perennial.errors import NoModel, StoreUnavailable, UntrustedModel
from perennial.modeling.artifact import check_digest, load
from perennial.modeling.libraries import from_requirements, load_as_trained
from perennial.modeling.trial import EXAMPLE, from_file
from perennial.registry import mlflow_retraining
from perennial.registry.cache import ModelCache, StoredModel
from perennial.registry.mlflow_run import DIGEST_TAG, experiment, facts, record_run, says, upload
from perennial.registry.port import (
    LIBRARIES_FILE,
    MODEL_FILE,
    REFERENCE_FILE,
    LoadedModel,
    ModelCandidate,
    RegisteredModel,
    archived_error,
)
from perennial.registry.retraining import RetrainingRun, ShownCandidate, ShownRetraining

_CREATION_SECONDS = 60
_STAGE_TAG, _ARCHIVED = "stage", "archived"
_LOGGED_MODEL = "models:/"  # how the sources of versions begin that came out of a logged model


class MlflowRegistry:
    """A `ModelRegistry` that keeps each use case as an experiment and a registered model of its name.

    `tracking_url` is the server's; `cache` a local folder for models that were loaded before.
    """

    def __init__(self, tracking_url: str, cache: Path) -> None:
        self._url, self._client = open_client(tracking_url)
        self._cache = ModelCache(cache)
        self._loaded: dict[tuple[str, str, str], LoadedModel] = {}
        self._references: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._parameters: dict[tuple[str, str], dict[str, str]] = {}

    def register(self, candidate: ModelCandidate) -> RegisteredModel:
        """See `ModelRegistry.register`.

        The version is made last, complete with its digest: a run that was killed before leaves none. When two runs
        register one model at once, the later version is deleted again.
        """
        attempt = f"register a model of {candidate.use_case}"
        pipeline = load(candidate.pipeline_bytes, candidate.digest)
        known = self._with_digest(candidate)
        if known:
            return known
        with self._asking(attempt), TemporaryDirectory() as scratch:
            run_id = record_run(self._client, candidate)
            model_id = upload(self._client, candidate, pipeline, run_id, Path(scratch) / "model")
            self._client.set_terminated(run_id)
            self._ensure_registered_model(candidate.use_case)
            version = self._client.create_model_version(
                candidate.use_case,
                f"{_LOGGED_MODEL}{model_id}",
                run_id,
                tags={DIGEST_TAG: candidate.digest, **facts(candidate)},
                await_creation_for=_CREATION_SECONDS,
                model_id=model_id,
            )
        first = self._with_digest(candidate)
        if first is None:
            raise StoreUnavailable(
                f"MLflow at {self._url} no longer has version {version.version} of {candidate.use_case}, "
                "which was just registered. Somebody deleted it; register it again."
            )
        if first.version != str(version.version):
            with self._asking(attempt):
                self._client.delete_model_version(candidate.use_case, str(version.version))
        return first

    def load(self, use_case: str, version: str, digest: str) -> LoadedModel:
        """See `ModelRegistry.load`. A version that was loaded before comes from memory or disk, without MLflow."""
        name = (use_case, version, digest)
        if name not in self._loaded:
            cached = self._cache.get(*name)
            stored = cached or self._download(use_case, version)

            def example() -> pa.Table | None:
                kept = stored.example or self.attached(use_case, version, EXAMPLE)
                return None if kept is None else from_file(kept)

            pipeline = load_as_trained(
                f"Version {version}", use_case, stored.content, digest, stored.libraries, example
            )
            if cached is None:
                self._cache.put(*name, stored)
            self._loaded[name] = LoadedModel(version, digest, pipeline, stored.reference)
        return self._loaded[name]

    def reference(self, use_case: str, version: str, digest: str) -> dict[str, Any]:
        """See `ModelRegistry.reference`. One that was read before comes from memory or disk, without MLflow."""
        name = (use_case, version, digest)
        if name not in self._references:
            stored = self._cache.get(*name)
            if stored is None:
                stored = self._download(use_case, version)
                check_digest(stored.content, digest)
                self._cache.put(*name, stored)
            self._references[name] = stored.reference
        return self._references[name]

    def content(self, use_case: str, version: str, digest: str) -> bytes:
        """See `ModelRegistry.content`. The server is asked: what was kept of it here does not count."""
        content = self._download(use_case, version).content
        check_digest(content, digest)
        return content

    def attach(self, use_case: str, version: str, files: Mapping[str, bytes]) -> None:
        """See `ModelRegistry.attach`."""
        attempt = f"attach {', '.join(files)} to version {version} of {use_case}"
        with self._asking(attempt), TemporaryDirectory() as scratch:
            model_id = self._logged_model(use_case, version)
            for path, content in files.items():
                file = Path(scratch) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            self._client.log_model_artifacts(model_id, scratch)

    def attached(self, use_case: str, version: str, path: str) -> bytes | None:
        """See `ModelRegistry.attached`."""
        with self._asking(f"read {path} of version {version} of {use_case}"), TemporaryDirectory() as scratch:
            with self._missing(use_case, version):
                folder = self._client.get_model_version_download_uri(use_case, version)
            parent = path.rpartition("/")[0]
            there = list_artifacts(f"{folder}/{parent}" if parent else folder, tracking_uri=self._url)
            if path.rpartition("/")[2] not in {each.path.rpartition("/")[2] for each in there}:
                return None
            return Path(download_artifacts(f"{folder}/{path}", dst_path=scratch, tracking_uri=self._url)).read_bytes()

    def files(self, use_case: str, version: str) -> Mapping[str, int]:
        """See `ModelRegistry.files`."""
        with self._asking(f"list the files of version {version} of {use_case}"):
            return dict(self._files_below(self._logged_model(use_case, version), ""))

    def remove(self, use_case: str, version: str, paths: Collection[str]) -> None:
        """See `ModelRegistry.remove`. MLflow's client removes no files; what it stores them with does."""
        with self._asking(f"remove {', '.join(paths)} of version {version} of {use_case}"):
            model_id = self._logged_model(use_case, version)
            folder = self._client.get_logged_model(model_id).artifact_location
            place: Any = get_artifact_repository(folder, tracking_uri=self._url)
            there = dict(self._files_below(model_id, ""))
            for path in paths:
                if path in there:
                    place.delete_artifacts(path)

    def mark_archived(self, use_case: str, version: str, *, archived: bool) -> None:
        """See `ModelRegistry.mark_archived`. The mark is the tag `stage` of the version."""
        with self._asking(f"mark version {version} of {use_case}"):
            with self._missing(use_case, version):
                found = self._client.get_model_version(use_case, version)
            if not archived:
                if _STAGE_TAG in found.tags:
                    self._client.delete_model_version_tag(use_case, version, _STAGE_TAG)
                return
            for alias in found.aliases:
                self._client.delete_registered_model_alias(use_case, alias)
            self._client.set_model_version_tag(use_case, version, _STAGE_TAG, _ARCHIVED)

    def record_retraining(self, retraining: RetrainingRun) -> None:
        """See `ModelRegistry.record_retraining`."""
        with self._asking(f"record a retraining of {retraining.use_case}"):
            mlflow_retraining.record(self._client, experiment(self._client, retraining.use_case), retraining)

    def shown_candidates(self, use_case: str, training_id: str, run_id: str) -> list[ShownCandidate]:
        """See `ModelRegistry.shown_candidates`."""
        with self._asking(f"look up the candidates of a retraining of {use_case}"):
            return mlflow_retraining.shown(self._client, experiment(self._client, use_case), training_id, run_id)

    def retrainings(self, use_case: str, before: datetime) -> list[ShownRetraining]:
        """See `ModelRegistry.retrainings`."""
        with self._asking(f"list the retrainings of {use_case}"):
            return mlflow_retraining.listed(self._client, experiment(self._client, use_case), before)

    def retraining_size(self, use_case: str, training_id: str, run_id: str) -> int:
        """See `ModelRegistry.retraining_size`."""
        with self._asking(f"measure the files of a retraining of {use_case}"):
            return mlflow_retraining.size(self._client, experiment(self._client, use_case), training_id, run_id)

    def forget_retraining(self, use_case: str, training_id: str, run_id: str) -> None:
        """See `ModelRegistry.forget_retraining`. MLflow keeps a deleted run's numbers until `mlflow gc`."""
        with self._asking(f"forget a retraining of {use_case}"):
            named = experiment(self._client, use_case)
            mlflow_retraining.forget(self._client, self._url, named, training_id, run_id)

    def parameters(self, use_case: str, version: str) -> dict[str, str]:
        """See `ModelRegistry.parameters`. MLflow never changes those of a run: they are asked for once."""
        name = (use_case, version)
        if name not in self._parameters:
            with self._asking(f"look up the parameters of version {version} of {use_case}"):
                with self._missing(use_case, version):
                    run_id = self._client.get_model_version(use_case, version).run_id
                self._parameters[name] = dict(self._client.get_run(run_id).data.params) if run_id else {}
        return dict(self._parameters[name])

    def versions(self, use_case: str) -> list[RegisteredModel]:
        """See `ModelRegistry.versions`. Versions that somebody made by hand, without a digest, are not among them."""
        found: list[RegisteredModel] = []
        token = None
        with self._asking(f"list the model versions of {use_case}"):
            while True:
                page = self._client.search_model_versions(f"name = '{use_case}'", page_token=token)
                found += [
                    RegisteredModel(
                        use_case, str(each.version), each.tags[DIGEST_TAG], each.tags.get(_STAGE_TAG) == _ARCHIVED
                    )
                    for each in page
                    if DIGEST_TAG in each.tags
                ]
                token = page.token
                if not token:
                    return sorted(found, key=lambda model: int(model.version))

    def set_alias(self, use_case: str, alias: str, version: str | None) -> None:
        """See `ModelRegistry.set_alias`. Errors also: `NoModel` when there is no such version."""
        if version is None:
            with self._asking(f"remove {alias} of {use_case}"):
                self._client.delete_registered_model_alias(use_case, alias)
            return
        with self._asking(f"point {alias} of {use_case} at version {version}"), self._missing(use_case, version):
            self._client.set_registered_model_alias(use_case, alias, version)

    def alias(self, use_case: str, alias: str) -> str | None:
        """See `ModelRegistry.alias`."""
        with self._asking(f"look up {alias} of {use_case}"):
            try:
                return str(self._client.get_model_version_by_alias(use_case, alias).version)
            except MlflowException as error:
                if says(error, RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE):
                    return None
                # Behind MLflow's own logins, who is no administrator is denied what is not there.
                if says(error, PERMISSION_DENIED) and not self._is_registered(use_case):
                    return None
                raise

    def _is_registered(self, use_case: str) -> bool:
        return bool(self._client.search_registered_models(f"name = '{use_case}'", max_results=1))

    def address(self, use_case: str, version: str) -> str | None:
        """See `ModelRegistry.address`."""
        if not self._url.startswith("http"):
            return None
        return f"{self._url}/#/models/{quote(use_case)}/versions/{quote(version)}"

    def _logged_model(self, use_case: str, version: str) -> str:
        """The id of the version's logged model. Errors: `NoModel`."""
        with self._missing(use_case, version):
            source = str(self._client.get_model_version(use_case, version).source)
        if not source.startswith(_LOGGED_MODEL):
            raise NoModel(
                f"Version {version} of {use_case} in MLflow at {self._url} has no logged model to keep files with: "
                "Perennial did not register it. Name a version that Perennial deployed."
            )
        return source.removeprefix(_LOGGED_MODEL)

    def _files_below(self, model_id: str, folder: str) -> Iterator[tuple[str, int]]:
        for each in self._client.list_logged_model_artifacts(model_id, folder or None):
            if each.is_dir:
                yield from self._files_below(model_id, each.path)
            else:
                yield each.path, int(each.file_size or 0)

    def _with_digest(self, candidate: ModelCandidate) -> RegisteredModel | None:
        versions = self.versions(candidate.use_case)
        return next((each for each in versions if each.digest == candidate.digest), None)

    def _download(self, use_case: str, version: str) -> StoredModel:
        with self._asking(f"load version {version} of {use_case}"), TemporaryDirectory() as scratch:
            with self._missing(use_case, version):
                folder = self._client.get_model_version_download_uri(use_case, version)
            try:
                content, reference = (
                    Path(download_artifacts(f"{folder}/{file}", dst_path=scratch, tracking_uri=self._url)).read_bytes()
                    for file in (MODEL_FILE, REFERENCE_FILE)
                )
                libraries = self.attached(use_case, version, LIBRARIES_FILE) or b""
                example = self.attached(use_case, version, EXAMPLE)
                return StoredModel(content, json.loads(reference), from_requirements(libraries.decode()), example)
            except ValueError as error:
                raise self._incomplete(use_case, version, f"{REFERENCE_FILE} is not JSON") from error
            except MlflowException as error:
                there = {each.path.rpartition("/")[2] for each in list_artifacts(folder, tracking_uri=self._url)}
                lacking = [file for file in (MODEL_FILE, REFERENCE_FILE) if file not in there]
                if not lacking:
                    raise
                if self._client.get_model_version(use_case, version).tags.get(_STAGE_TAG) == _ARCHIVED:
                    raise archived_error(use_case, version) from error
                raise self._incomplete(use_case, version, f"{' and '.join(lacking)} is not there") from error

    def _incomplete(self, use_case: str, version: str, found: str) -> UntrustedModel:
        return UntrustedModel(
            f"Version {version} of {use_case} in MLflow at {self._url} is incomplete: {found}. Either Perennial did "
            "not register it, or its artefacts were deleted. Restore them, or roll back to another version."
        )

    def _ensure_registered_model(self, use_case: str) -> None:
        try:
            self._client.create_registered_model(use_case)
        except MlflowException as error:
            if not says(error, RESOURCE_ALREADY_EXISTS):
                raise

    @contextmanager
    def _asking(self, attempt: str) -> Iterator[None]:
        """Ask MLflow; any failure becomes `StoreUnavailable`."""
        try:
            yield
        except (MlflowException, RequestException) as error:
            raise StoreUnavailable(
                f"MLflow at {self._url} was asked to {attempt} and failed: {_shortened(error)}. "
                "Is the server up, and PERENNIAL_MLFLOW_URL right?"
            ) from error

    @contextmanager
    def _missing(self, use_case: str, version: str) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            if not says(error, RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE):
                raise
            known = ", ".join(each.version for each in self.versions(use_case)) or "none"
            raise NoModel(
                f"{use_case} has no model version {version!r} in MLflow at {self._url}; registered are {known}."
            ) from error


def open_client(tracking_url: str) -> tuple[str, MlflowClient]:
    """The server's address without user and password, and a client of it."""
    address, user = without_credentials(tracking_url.rstrip("/"))
    os.environ.update(user)  # for good: MLflow looks there with every request, from any thread
    return address, MlflowClient(tracking_uri=address, registry_uri=address)


def without_credentials(url: str) -> tuple[str, dict[str, str]]:
    """The URL as it may be shown, and the variables from which MLflow's client takes user and password.

    MLflow repeats the URL in its errors, so that a password in it would end up in logs.
    """
    parts = urlsplit(url)
    if parts.username is None:
        return url, {}
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return shown, {
        "MLFLOW_TRACKING_USERNAME": unquote(parts.username),
        "MLFLOW_TRACKING_PASSWORD": unquote(parts.password or ""),
    }


def _shortened(error: Exception) -> str:
    return shorten(str(error), width=400, placeholder=" …") or repr(error)
