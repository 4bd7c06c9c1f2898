"""A model folder that MLflow and its users can read, and that holds exactly the bytes that were judged."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path

from sklearn.pipeline import Pipeline

from perennial.modeling.libraries import as_requirements, installed
from perennial.modeling.trusted_types import TRUSTED_BEYOND_SKOPS
from perennial.registry.port import MODEL_FILE, REFERENCE_FILE, ModelCandidate

with warnings.catch_warnings():
    # Importing MLflow's model formats makes it warn of type hints in its own classes.
    warnings.filterwarnings("ignore", ".*Any type hint is inferred as AnyType", UserWarning)
    import mlflow.pyfunc
    import mlflow.sklearn
    from mlflow.models import Model, infer_signature

TRAINING_FILE = "training.json"


def write_model_folder(folder: Path, candidate: ModelCandidate, pipeline: Pipeline, model: Model) -> None:
    """Write the candidate as an MLflow model, with its reference and what it was trained on beside it.

    `pipeline` is what the candidate's bytes hold. MLflow serializes it anew; its file is then replaced by the bytes
    that were judged, which `mlflow.sklearn.load_model` reads as well.
    """
    classifies = hasattr(pipeline, "predict_proba")
    example = candidate.input_example.copy()
    example.columns = example.columns.astype(object)  # MLflow compares them in a way that pandas' str index deprecates
    mlflow.sklearn.save_model(
        pipeline,
        str(folder),
        mlflow_model=model,
        serialization_format=mlflow.sklearn.SERIALIZATION_FORMAT_SKOPS,
        skops_trusted_types=sorted(TRUSTED_BEYOND_SKOPS),
        signature=infer_signature(example, (pipeline.predict_proba if classifies else pipeline.predict)(example)),
        input_example=example,
        pip_requirements=as_requirements(installed()).splitlines(),
        pyfunc_predict_fn="predict_proba" if classifies else "predict",
    )
    (folder / MODEL_FILE).write_bytes(candidate.pipeline_bytes)
    _write_json(folder / REFERENCE_FILE, candidate.reference)
    _write_json(folder / TRAINING_FILE, candidate.training)


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, sort_keys=True, default=str))
