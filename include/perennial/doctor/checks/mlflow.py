"""The tracking server, and the artefacts that it keeps."""

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok, warn
from perennial.errors import InvalidSettings, StoreUnavailable
from perennial.registry import probe


def server_answers(deployment: Deployment) -> Found:
    """MLflow answers from its database, lets the user in, and is of the client's version."""
    url = deployment.settings.require_mlflow()
    try:
        seen = probe.tracking(url, deployment.patience)
    except InvalidSettings as error:
        return fail(str(error), "Write user and password into PERENNIAL_MLFLOW_URL: http://user:password@host:5000.")
    except StoreUnavailable as error:
        return fail(
            str(error),
            "Is the server up, and PERENNIAL_MLFLOW_URL right? If it answers 403 to a name it does not know, start it "
            "with `--allowed-hosts`.",
        )
    said = f"MLflow {seen.version} at {seen.address} answers; the client here is {seen.client}"
    if _minor(seen.version) != _minor(seen.client):
        return warn(said, "Run server and client in the same version: `pip install mlflow==…` on one of the two.")
    return ok(said)


def artefacts_come_back(deployment: Deployment) -> Found:
    """A file that is kept with MLflow comes back as it was, and can be deleted."""
    url = deployment.settings.require_mlflow()
    probe.tracking(url, deployment.patience)  # or MLflow's client would repeat its requests to a server that is down
    try:
        place = probe.round_trip(url, deployment.probe.lstrip("."))
    except StoreUnavailable as error:
        return fail(
            f"a file could not be kept with MLflow: {error}",
            "Look into the server's log: does its store of artefacts (`--artifacts-destination`) answer, and may it "
            "write, read and delete there?",
        )
    return ok(f"a file was written, read and deleted in {place.rpartition('/')[0]}")


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
