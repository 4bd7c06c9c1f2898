"""MLflow's server behind its own logins, with artefacts on S3 that it serves itself: nobody else has the bucket's keys.

The settings of its logins hold the database's address, so they are written at the start, into memory.
"""

import os
import sys
from pathlib import Path

SETTINGS = Path("/tmp/basic_auth.ini")  # noqa: S108 - a tmpfs of this container's own
PORT = "5000"


def auth_settings(database_url: str) -> str:
    """What MLflow's logins are told: who is not named may read, and passwords are looked up once a minute."""
    lines = {
        "default_permission": "READ",
        "database_uri": database_url.replace("%", "%%"),
        "admin_username": "admin",
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
        "grant_default_workspace_access": "true",
        "auth_cache_ttl_seconds": "60",
    }
    return "[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items())


def main() -> None:
    """Write the settings and become the server."""
    SETTINGS.touch(mode=0o600)
    SETTINGS.write_text(auth_settings(os.environ["MLFLOW_BACKEND_STORE_URI"]))
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(SETTINGS)
    hosts = os.environ["MLFLOW_HOSTS"]
    arguments = ["--host", "0.0.0.0", "--port", PORT, "--workers", "1", "--allowed-hosts", hosts]  # noqa: S104
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "basic-auth", *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - that is the point


if __name__ == "__main__":
    main()
