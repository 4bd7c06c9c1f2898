"""Secrets that are changed while the stack runs, as docs/operations.md says; the old ones are refused then."""

from contextlib import closing
from pathlib import Path

import httpx
import psycopg2
from tests.compose import store
from tests.compose.stack import Stack

from perennial_stack import databases, keys

# `AIRFLOW_FERNET_KEY` has steps of its own; of the others the file says the first value only.
KEPT = {"AIRFLOW_FERNET_KEY", "AIRFLOW_ADMIN_PASSWORD", "MLFLOW_ADMIN_PASSWORD", "GRAFANA_ADMIN_PASSWORD"}
SUPERUSER = {"postgres": "POSTGRES_PASSWORD"}


def secrets_changed(stack: Stack, env: Path) -> None:
    """Change all that can be changed in one go, start what uses them again, and try the old ones."""
    before, token = keys.read(env), stack.token("dana")
    _make_anew(env)
    after = keys.read(env)
    password = after["POSTGRES_PASSWORD"]
    stack.compose("exec", "-T", "postgres", "psql", "--username=postgres", "--no-psqlrc", "--quiet",
                  f"--command=ALTER ROLE postgres PASSWORD '{password}'")  # fmt: skip
    stack.compose("stop", "worker")  # tasks end with the tokens that they hold
    stack.variables = {**stack.variables, **after}
    stack.up()
    _try_old_ones(stack, before, token)


def _make_anew(env: Path) -> None:
    """Take the secrets out of the file, and let `make secrets` make others."""
    changed = {secret.name for secret in keys.SECRETS} - KEPT
    lines = [line for line in env.read_text().splitlines() if line.partition("=")[0] not in changed]
    env.write_text("\n".join(lines) + "\n")
    assert set(keys.make(env)) == changed


def _try_old_ones(stack: Stack, old: dict[str, str], token: str) -> None:
    for user, variable in {**SUPERUSER, **databases.PASSWORDS}.items():
        assert not _let_in(stack, user, old[variable]), user
        assert _let_in(stack, user, stack.variables[variable]), user
    said = stack.compose("exec", "-T", f"--env=REDISCLI_AUTH={old['VALKEY_PASSWORD']}", "valkey", "valkey-cli", "ping",
                         check=False)  # fmt: skip
    assert "PONG" not in said, said
    for user in ("LAKE", "MLFLOW", "ADMIN"):
        bucket = "mlflow" if user == "MLFLOW" else "lake"
        said = store.listed(stack, bucket, old[f"S3_{user}_ACCESS_KEY"], old[f"S3_{user}_SECRET_KEY"])
        assert said == "InvalidAccessKeyId", (user, said)
    with httpx.Client(timeout=60, trust_env=False) as client:
        asked = {
            "a token of Airflow": client.get(f"{stack.url}/api/v2/dags", headers={"Authorization": f"Bearer {token}"}),
            "METRICS_TOKEN": client.get(
                f"{stack.url}/perennial/metrics", headers={"Authorization": f"Bearer {old['METRICS_TOKEN']}"}
            ),
            "MLFLOW_PERENNIAL_PASSWORD": client.get(
                f"{stack.mlflow}/api/2.0/mlflow/registered-models/search",
                auth=("perennial", old["MLFLOW_PERENNIAL_PASSWORD"]),
            ),
        }
    let_in = {name: answer.status_code for name, answer in asked.items() if answer.status_code not in (401, 403)}
    assert not let_in, let_in


def _let_in(stack: Stack, user: str, password: str) -> bool:
    database = next((each.name for each in databases.DATABASES if user in (each.owner, *each.others)), "postgres")
    port = int(stack.variables["TEST_POSTGRES_PORT"])
    try:
        with closing(psycopg2.connect(host="127.0.0.1", port=port, dbname=database, user=user, password=password)):
            return True
    except psycopg2.OperationalError as error:
        if "password authentication failed" not in str(error):
            raise
        return False
