"""The secrets of the stack: what there are, how they are made, and which values are refused.

`make secrets` runs this on the host, where nothing but Python may be installed: it imports the standard library only.
"""

import base64
import os
import re
import secrets
import string
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

LETTERS = string.ascii_letters + string.digits  # safe in URLs, in .env files and in shells
SHORTEST = 20
FEWEST_DIFFERENT = 10  # a random value of 20 letters and digits has fewer once in a thousand million
PRIVATE = 0o600
ROTATED_IN_PLACE = "AIRFLOW_FERNET_KEY"  # what it has encrypted must stay readable while a new key takes over
_SAFE = re.compile(r"[A-Za-z0-9._~-]+=*")
# Values that stand in documentation and examples. What is shorter than `SHORTEST` is refused anyhow.
KNOWN = frozenset(
    {
        "46BKJoQYlPPOexq0OhDZnIlNepKFf87WFwLbfzqDDho=",
        "81HqDtbqAywKSOumSha3BhWNOdQ26slT6K0YaZeZyPs=",
        "YlCImzjge_TeZc7jPJ7Jz2pgOtb4yTssA1pVyqIADWg=",
        "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
        "AKIAIOSFODNN7EXAMPLE",
        "my-super-secret-jwt-signing-key",
        "correct-horse-battery-staple",
    }
)


def _token() -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(40))


def _access_key() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(SHORTEST))


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Secret:
    """One secret: the variable that holds it, whose it is, and what makes one."""

    name: str
    meaning: str
    make: Callable[[], str] = _token


SECRETS = (
    Secret("POSTGRES_PASSWORD", "PostgreSQL's superuser; only `init` uses it"),
    Secret("AIRFLOW_DB_PASSWORD", "the database user of Airflow"),
    Secret("MLFLOW_DB_PASSWORD", "the database user of MLflow"),
    Secret("LEDGER_OWNER_PASSWORD", "the owner of the ledger's tables; only `init` uses it"),
    Secret("LEDGER_WRITER_PASSWORD", "the database user who may add to the ledger"),
    Secret("PUBLISHER_PASSWORD", "the database user who publishes predictions"),
    Secret("READER_PASSWORD", "the database user of the review pages, who may only read"),
    Secret("VALKEY_PASSWORD", "the queue of tasks"),
    Secret("S3_ADMIN_ACCESS_KEY", "the object store's administrator; only `init` uses it", _access_key),
    Secret("S3_ADMIN_SECRET_KEY", "the same"),
    Secret("S3_LAKE_ACCESS_KEY", "the object store's user of the lake", _access_key),
    Secret("S3_LAKE_SECRET_KEY", "the same"),
    Secret("S3_MLFLOW_ACCESS_KEY", "the object store's user of MLflow's artefacts", _access_key),
    Secret("S3_MLFLOW_SECRET_KEY", "the same"),
    Secret("AIRFLOW_FERNET_KEY", "encrypts the connections that Airflow keeps in its database", _fernet_key),
    Secret("AIRFLOW_JWT_SECRET", "signs the tokens of users and of tasks"),
    Secret("AIRFLOW_SECRET_KEY", "signs the sessions of Airflow's web interface"),
    Secret("AIRFLOW_ADMIN_PASSWORD", "the first administrator of Airflow, the user `admin`"),
    Secret("MLFLOW_ADMIN_PASSWORD", "the administrator of MLflow, the user `admin`"),
    Secret("MLFLOW_PERENNIAL_PASSWORD", "the user `perennial` of MLflow, who registers models"),
    Secret("MLFLOW_SECRET_KEY", "signs the forms of MLflow's web interface"),
    Secret("METRICS_TOKEN", "lets Prometheus read the gauges of the API server"),
    Secret("GRAFANA_ADMIN_PASSWORD", "the administrator of Grafana, the user `admin`"),
)


def problems(values: Mapping[str, str]) -> list[str]:
    """What is wrong with the secrets among `values`: one line for each, which names it and never shows it.

    While it is rotated, `AIRFLOW_FERNET_KEY` is several keys with commas between them, the newest first.
    """
    found = []
    seen: dict[str, str] = {}
    for name in (secret.name for secret in SECRETS):
        given = values.get(name, "")
        for value in given.split(",") if name == ROTATED_IN_PLACE else [given]:
            if wrong := _wrong(value, seen):
                found.append(f"{name} {wrong}")
            seen.setdefault(value, name)
    return found


def _wrong(value: str, seen: Mapping[str, str]) -> str:
    """What is wrong with one value, in words that follow its name; nothing where it is well."""
    checks = (
        (not value, "is not set."),
        (value in KNOWN, "has a value from public examples, which everybody knows."),
        (len(value) < SHORTEST, f"is {len(value)} characters long; it needs at least {SHORTEST}."),
        (len(set(value)) < FEWEST_DIFFERENT, "repeats few characters, so that it can be guessed."),
        (not _SAFE.fullmatch(value), "has characters that mean something in a URL; use letters and digits."),
        (value in seen, f"has the same value as {seen.get(value)}: whoever learns one knows both."),
    )
    return next((text for wrong, text in checks if wrong), "")


def make(path: Path) -> list[str]:
    """Add the secrets that the file lacks, and let nobody but its owner read it; the names of those that were made.

    What the file holds already stays as it is, so this is safe to run again after an upgrade.
    """
    before = path.read_text() if path.exists() else ""
    there = _values(before)
    missing = [secret for secret in SECRETS if not there.get(secret.name)]
    kept = [line for line in before.splitlines() if line.strip() not in {f"{secret.name}=" for secret in missing}]
    lines = kept + [line for secret in missing for line in (f"# {secret.meaning}", f"{secret.name}={secret.make()}")]
    aside = path.with_name(f"{path.name}.new")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
        file.write("\n".join(lines) + "\n")
    aside.replace(path)
    return [secret.name for secret in missing]


def read(path: Path) -> dict[str, str]:
    """The variables of an .env file. Errors: `FileNotFoundError`."""
    return _values(path.read_text())


def file_problems(path: Path) -> list[str]:
    """The same as `problems` for an .env file, and who else may read it."""
    if not path.exists():
        return [f"{path} is missing."]
    mode = path.stat().st_mode & 0o777
    others = [f"{path} can be read by others (mode {mode:04o}); it must be 0600."] if mode & 0o077 else []
    return others + problems(read(path))


def _values(text: str) -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name: value for name, sign, value in pairs if sign}


def main(arguments: list[str]) -> int:
    """`make FILE`, `check FILE`, or `check` for the secrets in the environment; the exit status."""
    verb, *files = arguments
    if verb == "make":
        made = make(Path(files[0]))
        print(f"{files[0]}: made {', '.join(made)}." if made else f"{files[0]}: every secret is there.")
        return 0
    found = file_problems(Path(files[0])) if files else problems(os.environ)
    if found:
        print("\n".join([*found, "Nothing starts with such secrets. `make secrets` makes those that are missing."]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
