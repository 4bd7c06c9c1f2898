"""Temporary folders for rows that don't fit in memory, and what becomes of those of processes that were killed.

Each folder has a file that its process keeps locked, and the system takes the lock away from a process that ends,
however it does. So whoever needs such a folder next can tell which are nobody's any more, and removes them.

Where several hosts share the folder of temporary files, a file system may keep each host's locks from the others. So
the name of a folder says which host it is of, and which boot, and only those are removed whose locks are known here:
those of this boot, which the containers of a host have in common, and those of this host before it was booted again.
"""

import fcntl
import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

log = logging.getLogger(__name__)

PREFIX = "perennial-"
_IN_USE = "in_use"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder below that of temporary files, until the end of the block. Errors: `OSError`."""
    _remove_abandoned(Path(gettempdir()))
    with TemporaryDirectory(prefix=_prefix(*_here())) as name:
        folder = Path(name)
        with (folder / "begun").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                Path(file.name).rename(folder / _IN_USE)  # only now may others ask whether it is in use
            except OSError as error:
                log.debug("%s can't be locked (%s): if this process is killed, nothing removes it", folder, error)
            yield folder


def _here() -> tuple[str, str]:
    """This host and its boot; without a boot where the system does not name it."""
    try:
        boot = _BOOT.read_text().partition("-")[0]
    except OSError:  # not Linux
        boot = ""
    return socket.gethostname(), boot


def _prefix(host: str, boot: str) -> str:
    return f"{PREFIX}{host}-{boot}-"


def _is_of_here(folder: str) -> bool:
    """Whether a free lock in this folder says that no process uses it."""
    host, boot = _here()
    match folder.removeprefix(PREFIX).rsplit("-", 2):
        case [its_host, its_boot, _]:
            return its_host == host or its_boot == boot != ""
    return False


def _remove_abandoned(root: Path) -> None:
    """Remove the folders, of the same user and host, that no process uses any more."""
    for path in root.glob(f"{PREFIX}*/{_IN_USE}"):
        try:
            if not _is_of_here(path.parent.name):
                continue
            if path.stat().st_uid != os.getuid():
                continue
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)  # another process may remove it at the same time
        except OSError as error:  # it is in use, or another process has just removed it
            log.debug("%s stays: %s", path.parent, error)
