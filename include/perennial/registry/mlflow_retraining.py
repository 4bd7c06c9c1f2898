"""A retraining in MLflow: a run, and a nested one of each candidate. What was begun and not finished is made anew."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from perennial.registry.retraining import DIGEST, CandidateRun, RetrainingRun, ShownCandidate, ShownRetraining

_RETRAINING, _CANDIDATE = "perennial.retraining", "perennial.candidate"
_FINISHED = "FINISHED"
_LONGEST_VALUE = 6_000  # characters of a parameter, which is MLflow's limit
_LONGEST_TAG = 5_000
_PAGE = 100  # runs; a retraining has fewer candidates
_MANY = 1_000  # runs that are asked for at once


def record(client: MlflowClient, experiment: str, retraining: RetrainingRun) -> None:
    """Make the run and its nested ones; those that are complete already are left as they are."""
    key = _key(retraining.training_id, retraining.run_id)
    parent = next(iter(_parents(client, experiment, key)), None)
    if parent is None:
        name = f"retraining {retraining.as_of:%Y-%m-%d}"
        tags = {**_short(retraining.tags), _RETRAINING: key, MLFLOW_RUN_NAME: name}
        parent = client.create_run(experiment, tags=tags)
    there = {each.data.tags[_CANDIDATE]: each for each in _nested(client, experiment, parent.info.run_id)}
    at = int(retraining.as_of.timestamp() * 1_000)
    for candidate in retraining.candidates:
        found = there.get(candidate.name)
        if found is not None and found.info.status == _FINISHED:
            continue
        if found is not None:
            client.delete_run(found.info.run_id)
        _record_candidate(client, experiment, parent.info.run_id, candidate, at)
    if parent.info.status != _FINISHED:
        metrics = [Metric(name, value, at, 0) for name, value in retraining.metrics.items()]
        client.log_batch(parent.info.run_id, metrics=metrics)
        client.set_terminated(parent.info.run_id)


def shown(client: MlflowClient, experiment: str, training_id: str, run_id: str) -> list[ShownCandidate]:
    """The candidates of that retraining, by name; none where it was not recorded."""
    parents = _parents(client, experiment, _key(training_id, run_id))
    runs = [run for parent in parents for run in _nested(client, experiment, parent.info.run_id)]
    return sorted((_shown(client, run) for run in runs if run.info.status == _FINISHED), key=lambda each: each.name)


def listed(client: MlflowClient, experiment: str, before: datetime) -> list[ShownRetraining]:
    """The retrainings that were begun to be recorded before then, the oldest first."""
    begun = f"tags.`{_RETRAINING}` LIKE '%' AND attributes.start_time < {int(before.timestamp() * 1_000)}"
    digests: dict[str, set[str]] = {}
    for each in _runs(client, experiment, f"tags.`{_CANDIDATE}` LIKE '%'"):
        parent, digest = (each.data.tags.get(name, "") for name in (MLFLOW_PARENT_RUN_ID, DIGEST))
        digests.setdefault(parent, set()).update([digest] if digest else [])
    found = [_listed(run, digests.get(run.info.run_id, set())) for run in _runs(client, experiment, begun)]
    return sorted(found, key=lambda each: each.at)


def size(client: MlflowClient, experiment: str, training_id: str, run_id: str) -> int:
    """The bytes that files of the retraining's candidates take."""
    parents = _parents(client, experiment, _key(training_id, run_id))
    runs = [run for parent in parents for run in _nested(client, experiment, parent.info.run_id)]
    return sum(_bytes(client, run.info.run_id, None) for run in runs)


def forget(client: MlflowClient, url: str, experiment: str, training_id: str, run_id: str) -> None:
    """Remove the files of the retraining's runs, and delete the runs; its own last, so that a kill leaves it listed."""
    for parent in _parents(client, experiment, _key(training_id, run_id)):
        for run in (*_nested(client, experiment, parent.info.run_id), parent):
            place: Any = get_artifact_repository(run.info.artifact_uri, tracking_uri=url)
            if client.list_artifacts(run.info.run_id):
                place.delete_artifacts()
            client.delete_run(run.info.run_id)


def _listed(run: Run, digests: Collection[str]) -> ShownRetraining:
    training_id, _, run_id = run.data.tags[_RETRAINING].partition(" ")
    at = datetime.fromtimestamp(run.info.start_time / 1_000, UTC)
    return ShownRetraining(training_id, run_id, at, tuple(sorted(digests)))


def _bytes(client: MlflowClient, run_id: str, folder: str | None) -> int:
    found = client.list_artifacts(run_id, folder)
    return sum(_bytes(client, run_id, each.path) if each.is_dir else int(each.file_size or 0) for each in found)


def _record_candidate(client: MlflowClient, experiment: str, parent: str, candidate: CandidateRun, at: int) -> None:
    tags = {
        **_short(candidate.tags),
        _CANDIDATE: candidate.name,
        MLFLOW_PARENT_RUN_ID: parent,
        MLFLOW_RUN_NAME: candidate.name,
    }
    run_id = client.create_run(experiment, tags=tags).info.run_id
    client.log_batch(
        run_id,
        metrics=[Metric(name, value, at, 0) for name, value in candidate.metrics.items()],
        params=[Param(name, str(value)[:_LONGEST_VALUE]) for name, value in candidate.parameters.items()],
        tags=[RunTag("outcome_at", str(at))],
    )
    with _as_folder(candidate) as folder:
        client.log_artifacts(run_id, str(folder))
    client.set_terminated(run_id)


@contextmanager
def _as_folder(candidate: CandidateRun) -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        for path, content in candidate.files.items():
            file = Path(scratch) / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        yield Path(scratch)


def _shown(client: MlflowClient, run: Run) -> ShownCandidate:
    own = {name: value for name, value in run.data.tags.items() if not name.startswith(("mlflow.", "perennial."))}
    files = [
        file.path
        for each in client.list_artifacts(run.info.run_id)
        for file in (client.list_artifacts(run.info.run_id, each.path) if each.is_dir else [each])
    ]
    return ShownCandidate(
        name=run.data.tags[_CANDIDATE],
        parameters=dict(run.data.params),
        metrics=dict(run.data.metrics),
        tags=own,
        files=tuple(sorted(files)),
    )


def _runs(client: MlflowClient, experiment: str, asked: str) -> Iterator[Run]:
    token = None
    while True:
        page = client.search_runs([experiment], asked, max_results=_MANY, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _parents(client: MlflowClient, experiment: str, key: str) -> list[Run]:
    return list(client.search_runs([experiment], f"tags.`{_RETRAINING}` = '{key}'", max_results=_PAGE))


def _nested(client: MlflowClient, experiment: str, parent: str) -> list[Run]:
    found = client.search_runs([experiment], f"tags.`{MLFLOW_PARENT_RUN_ID}` = '{parent}'", max_results=_PAGE)
    return [each for each in found if _CANDIDATE in each.data.tags]


def _key(training_id: str, run_id: str) -> str:
    return f"{training_id} {run_id}".replace("'", "")


def _short(tags: dict[str, str]) -> dict[str, str]:
    return {name: value[:_LONGEST_TAG] for name, value in tags.items()}
