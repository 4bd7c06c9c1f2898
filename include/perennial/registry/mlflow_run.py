"""What MLflow keeps of a training: a run with its lineage and scores, and the model that came out of it."""

import json
from datetime import UTC
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput, LoggedModelStatus, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_RUN_NAME
from sklearn.pipeline import Pipeline

from perennial.registry.mlflow_model import write_model_folder
from perennial.registry.port import ModelCandidate

DIGEST_TAG = "digest"

# All that MLflow's data model has room for.
_DATASET_DIGEST_LENGTH = 36


def record_run(client: MlflowClient, candidate: ModelCandidate) -> str:
    """A run of the use case's experiment that says what the training was given; its id."""
    tags = {**facts(candidate), MLFLOW_RUN_NAME: f"{candidate.name} {candidate.as_of:%Y-%m-%d}"}
    run_id: str = client.create_run(experiment(client, candidate.use_case), tags=tags).info.run_id
    client.log_batch(run_id, params=[Param(key, str(value)) for key, value in candidate.parameters.items()])
    try:
        client.log_inputs(run_id, [_training_set(candidate)])
    except MlflowException:
        # Of two that log one data set at once, MLflow fails the second; once the set is there, nobody fails.
        client.log_inputs(run_id, [_training_set(candidate)])
    return run_id


def upload(client: MlflowClient, candidate: ModelCandidate, pipeline: Pipeline, run_id: str, folder: Path) -> str:
    """Write the model to `folder`, upload it as the run's outcome, with its metrics; the logged model's id."""
    logged = client.create_logged_model(
        experiment(client, candidate.use_case),
        name=candidate.name,
        source_run_id=run_id,
        params={key: str(value) for key, value in candidate.parameters.items()},
        tags={DIGEST_TAG: candidate.digest},
    )
    model_id: str = logged.model_id
    model = Model(artifact_path=logged.artifact_location, run_id=run_id, model_uuid=model_id, model_id=model_id)
    write_model_folder(folder, candidate, pipeline, model)
    client.log_model_artifacts(model_id, str(folder))
    client.finalize_logged_model(model_id, LoggedModelStatus.READY)
    client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    at = int(candidate.as_of.timestamp() * 1000)
    metrics = candidate.metrics.items()
    client.log_batch(run_id, [Metric(name, value, at, 0, model_id=model_id, run_id=run_id) for name, value in metrics])
    return model_id


def facts(candidate: ModelCandidate) -> dict[str, str]:
    """The tags by which runs and versions are found again."""
    return {
        **candidate.tags,
        "use_case": candidate.use_case,
        "candidate": candidate.name,
        "as_of": candidate.as_of.astimezone(UTC).isoformat(),
        "training_digest": str(candidate.training.get("digest", "")),
    }


def says(error: MlflowException, *codes: int) -> bool:
    """Whether MLflow answered with one of these codes."""
    return error.error_code in {ErrorCode.Name(code) for code in codes}


def experiment(client: MlflowClient, use_case: str) -> str:
    """The id of the use case's experiment, which is made where there is none."""
    found = client.get_experiment_by_name(use_case)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(use_case))
    except MlflowException as error:
        if not says(error, RESOURCE_ALREADY_EXISTS):
            raise
        return experiment(client, use_case)


def _training_set(candidate: ModelCandidate) -> DatasetInput:
    training = candidate.training
    dataset = Dataset(
        name=str(training.get("table", candidate.use_case)),
        digest=str(training.get("digest", "unknown"))[:_DATASET_DIGEST_LENGTH],
        source_type="delta_table",
        source=json.dumps(training, sort_keys=True, default=str),
        profile=json.dumps({"num_rows": training.get("rows")}),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])
