"""`python -m perennial_airflow.doctor`: the checks of `perennial doctor` that need Airflow, told in lines of JSON.

The first line names the checks. The others tell one finding each, as soon as it is there, so that a check that hangs
hides none of those before it.
"""

import hashlib
import json
import math
import re
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable

from perennial.doctor.finding import Finding, Found, fail, ok, warn
from perennial.encoding import as_json
from perennial_airflow import configuration

SECONDS = 30.0  # for one answer of the API server, which may have much to do
KEPT = 20  # encrypted values that are tried
SHORTEST = 32  # bytes of a key that nobody guesses
_REFUSED = 403
_NAMED = re.compile(r"[A-Za-z_][\w.]*: ")
_SALT = b"perennial doctor"


def database_is_current() -> Found:
    """Airflow's database answers, and has the tables of this version."""
    from airflow.utils.db import check_migrations

    try:
        check_migrations(0)  # type: ignore[no-untyped-call]
    except TimeoutError as error:
        return fail(str(error), "Run `airflow db migrate`.")
    return ok(f"the database of Airflow {configuration.version()} has its tables")


def api_server_takes_our_tokens() -> Found:
    """A token that this host signs is taken by the API server: both have the same JWT key."""
    address = configuration.execution_api()
    token, key = configuration.token(str(uuid.uuid4()))
    shown = fingerprint(key)
    request = urllib.request.Request(  # noqa: S310 - Airflow's own address
        f"{address}/dags/perennial_doctor_{uuid.uuid4().hex}", headers={"Authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(1000).decode(errors="replace")
        if error.code == _REFUSED:
            return fail(
                f"the API server at {address} refuses a token that this host signed (key {shown}): {said[:200]}",
                "Give every part of Airflow the same [api_auth] jwt_secret, and let their clocks agree. Tasks of this "
                "host can't report what they did.",
            )
        if error.code != 404:  # noqa: PLR2004 - it knows no such DAG, and said so to a token that it took
            return fail(f"the API server at {address} answered {error.code}: {said[:200]}", "Look into its log.")
    except OSError as error:
        return fail(
            f"the API server at {address} did not answer: {error}",
            "Is it up, and [core] execution_api_server_url right on this host?",
        )
    found = f"the API server at {address} takes tokens that this host signs; the key's fingerprint is {shown}"
    if len(key.encode()) < SHORTEST:
        return fail(f"{found}. The key is short", f"Make one of {SHORTEST} random bytes or more, the same everywhere.")
    return ok(f"{found}. Only this host was checked: run this on every host")


def kept_values_can_be_decrypted() -> Found:
    """Values that Airflow keeps encrypted are readable with this host's Fernet key."""
    from airflow.models.crypto import get_fernet
    from cryptography.fernet import InvalidToken

    key = configuration.fernet_key()
    if not key:
        return fail(
            "[core] fernet_key is empty: Airflow keeps passwords in its database as they are",
            'Make one (python -c "import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())"), '
            "give it to every part of Airflow, and enter the connections again.",
        )
    wrong, tried, fernet = [], 0, get_fernet()
    for name, value in _kept():
        tried += 1
        try:
            fernet.decrypt(value.encode())
        except InvalidToken:
            wrong.append(name)
    shown = fingerprint(key)
    if wrong:
        return fail(
            f"{len(wrong)} of {tried} values in Airflow's database were encrypted with another Fernet key than this "
            f"host's ({shown}): {', '.join(wrong[:3])}",
            "Give every part of Airflow the same [core] fernet_key; for a change of keys, write new and old one with a "
            "comma between, and run `airflow rotate-fernet-key`.",
        )
    if not tried:
        return ok(
            f"the key's fingerprint is {shown}; nothing is encrypted in Airflow's database, so nothing was compared"
        )
    return ok(
        f"this host's key ({shown}) reads {tried} encrypted values. Only this host was checked: run this on every host"
    )


def dags_are_parsed_in_time() -> Found:
    """Each DAG file is parsed in less than half of what the DAG processor allows."""
    from airflow.dag_processing.dagbag import DagBag

    limit = configuration.parsing_limit()
    bag = DagBag(configuration.dags_folder())
    took = sorted(((each.duration.total_seconds(), each.file) for each in bag.dagbag_stats), reverse=True)
    if bag.import_errors:
        file, said = next(iter(bag.import_errors.items()))
        return fail(
            f"{len(bag.import_errors)} DAG files can't be imported; {file}: {_exception(said)}",
            "Fix the file, or leave it out by .airflowignore; `airflow dags list-import-errors` shows all.",
        )
    if not took:
        return warn(f"there is no DAG file in {configuration.dags_folder()}", "Check [core] dags_folder.")
    slowest, file = took[0]
    said = f"{len(bag.dags)} DAGs in {len(took)} files; the slowest, {file}, took {slowest:.1f} s"
    if math.isinf(limit):
        return ok(f"{said}; no time is set after which parsing ends")
    said = f"{said} of {limit:g} s"
    todo = (
        "Raise [dag_processor] dag_file_processor_timeout and [core] dagbag_import_timeout, or let the file do less "
        "when it is imported: no queries, and heavy libraries inside tasks."
    )
    if slowest >= limit:
        return fail(said, todo)
    return warn(said, todo) if slowest >= limit / 2 else ok(said)


def pools_are_there() -> Found:
    """Each pool that a use case's tasks take slots of exists, and has some."""
    from perennial.settings import Settings
    from perennial_airflow.placement import pools_of

    asked = pools_of(Settings.from_environment().use_cases)
    slots = _slots()
    missing = [f"{pool} ({', '.join(names)})" for pool, names in asked.items() if pool not in slots]
    empty = [f"{pool} ({', '.join(names)})" for pool, names in asked.items() if slots.get(pool) == 0]
    if missing or empty:
        found = [
            *([f"there is no pool {', '.join(missing)}"] if missing else []),
            *([f"without slots are {', '.join(empty)}"] if empty else []),
        ]
        return fail(
            f"{'; '.join(found)}: tasks of these use cases wait forever, and Airflow shows them as scheduled",
            "Add the pool under Admin, Pools, or by `airflow pools set NAME SLOTS TEXT`, or take it out of the spec's "
            "section airflow.",
        )
    return ok(f"each of {len(asked)} pools is there" if asked else "no use case asks for a pool")


CHECKS: dict[str, Callable[[], Found]] = {
    "airflow database": database_is_current,
    "jwt key": api_server_takes_our_tokens,
    "fernet key": kept_values_can_be_decrypted,
    "dag parsing": dags_are_parsed_in_time,
    "pools": pools_are_there,
}


def fingerprint(key: str) -> str:
    """Eight digits that are the same for the same key, and from which nobody can guess a key that is random.

    >>> fingerprint("a") == fingerprint("a") != fingerprint("b")
    True
    """
    return hashlib.scrypt(key.encode(), salt=_SALT, n=2**14, r=8, p=1, dklen=4).hex()


def _exception(traceback: str) -> str:
    """The line of a traceback that names the exception.

    >>> _exception("Traceback\\n  File x\\nairflow.Timeout: too slow\\n * see there")
    'airflow.Timeout: too slow'
    """
    lines = traceback.strip().splitlines()
    return next((line for line in reversed(lines) if _NAMED.match(line)), lines[-1])[:300]


def _slots() -> dict[str, int]:
    """How many slots each pool of Airflow has; -1 for any number."""
    from airflow.models import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        return {str(each.pool): each.slots for each in session.scalars(select(Pool))}


def _kept() -> list[tuple[str, str]]:
    """Names and encrypted texts of some connections and variables."""
    from airflow.models import Connection, Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        passwords = select(Connection.conn_id, Connection._password).where(Connection.is_encrypted)
        variables = select(Variable.key, Variable._val).where(Variable.is_encrypted)
        found = [
            *((f"connection {name}", text) for name, text in session.execute(passwords.limit(KEPT))),
            *((f"variable {name}", text) for name, text in session.execute(variables.limit(KEPT))),
        ]
    return [(name, text) for name, text in found if text]


def _checked(check: Callable[[], Found]) -> Found:
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - told in the report, beside what the others found
        said = " ".join(str(error).split())[:300]
        return fail(
            f"{type(error).__name__}: {said}", "Is Airflow set up here, and its database reachable from this host?"
        )


def main() -> int:
    """Tell what each check found."""
    print(json.dumps({"checks": list(CHECKS)}), flush=True)
    for name, check in CHECKS.items():
        started = time.monotonic()
        found = _checked(check)
        told = as_json(Finding(name, found.status, found.found, found.todo))
        print(json.dumps({"finding": told, "seconds": round(time.monotonic() - started, 2)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
