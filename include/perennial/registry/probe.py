"""Trying MLflow with a file of one's own: asked by `perennial doctor`, which leaves nothing behind."""

import base64
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from requests.exceptions import RequestException

from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.registry.mlflow import open_client, without_credentials

CONTENT = b"perennial doctor"
_REFUSED = (401, 403)
_DEFAULT = "0"  # the experiment that MLflow makes by itself


@dataclass(frozen=True)
class Tracking:
    """A tracking server that answered: its address without user and password, its version, and the client's here."""

    address: str
    version: str
    client: str


def tracking(url: str, seconds: float) -> Tracking:
    """The server at `url`, after a request that it answers from its database.

    Errors: `StoreUnavailable`; `InvalidSettings` when it refuses the user.
    """
    address, _ = without_credentials(url.rstrip("/"))
    version = _asked(url, "/version", seconds)
    _asked(url, "/api/2.0/mlflow/experiments/search?max_results=1", seconds)
    return Tracking(address, version.strip()[:40], mlflow.__version__)


def round_trip(url: str, name: str) -> str:
    """Write a file among the artefacts of the Default experiment, read it, and delete it; where that was.

    Errors: `StoreUnavailable`; `InvalidSettings` when the server would have each client keep artefacts by itself.
    """
    address, client = open_client(url)
    try:
        folder = f"{client.get_experiment(_DEFAULT).artifact_location.rstrip('/')}/{name}"
        if folder.startswith(("/", "file:", "./")):
            raise InvalidSettings(
                f"MLflow at {address} tells clients to write artefacts into {folder} on their own machine. Start it "
                "with `--artifacts-destination`, so that the server keeps them, and make a new database for it."
            )
        repository = get_artifact_repository(folder, tracking_uri=address)
        with TemporaryDirectory() as scratch:
            sent, back = Path(scratch) / "probe.txt", Path(scratch) / "back"
            back.mkdir()
            sent.write_bytes(CONTENT)
            repository.log_artifact(str(sent))  # type: ignore[no-untyped-call]
            try:
                there = repository.download_artifacts("probe.txt", str(back))  # type: ignore[no-untyped-call]
                got = Path(there).read_bytes()
            finally:
                repository.delete_artifacts()  # type: ignore[no-untyped-call]
        if got != CONTENT:
            raise StoreUnavailable(f"MLflow at {address} returned other bytes than it was given, in {folder}.")
    except (MlflowException, RequestException, OSError) as error:
        raise StoreUnavailable(" ".join(str(error).split())[:400]) from error
    return folder


def _asked(url: str, path: str, seconds: float) -> str:
    address, user = without_credentials(url.rstrip("/"))
    request = urllib.request.Request(address + path)  # noqa: S310 - the settings take http and https only
    if user:
        login = f"{user['MLFLOW_TRACKING_USERNAME']}:{user['MLFLOW_TRACKING_PASSWORD']}"
        request.add_header("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            return bytes(answer.read(10_000)).decode(errors="replace")
    except urllib.error.HTTPError as error:
        with error:
            if error.code in _REFUSED:
                raise InvalidSettings(f"MLflow at {address} refused the user: {error.code} {error.reason}.") from error
            raise StoreUnavailable(f"MLflow at {address} answered {error.code} {error.reason}.") from error
    except (OSError, HTTPException) as error:
        raise StoreUnavailable(f"MLflow at {address} did not answer: {error}.") from error
