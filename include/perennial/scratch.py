"""Temporary folders for rows that don't fit in memory, and what becomes of those of processes that were killed.

Each folder has a file that its process keeps locked, and the system takes the lock away from a process that ends,
however it does. So whoever needs such a folder next can tell which are nobody's any more, and removes them.
"""

import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

log = logging.getLogger(__name__)

PREFIX = "perennial-"
_IN_USE = "in_use"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder below that of temporary files, until the end of the block. Errors: `OSError`."""
    _remove_abandoned(Path(gettempdir()))
    with TemporaryDirectory(prefix=PREFIX) as name:
        folder = Path(name)
        with (folder / "begun").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                Path(file.name).rename(folder / _IN_USE)  # only now may others ask whether it is in use
            except OSError as error:
                log.debug("%s can't be locked (%s): nobody removes it, should this process be killed", folder, error)
            yield folder


def _remove_abandoned(root: Path) -> None:
    """Remove the folders, of the same user, that no process uses any more."""
    for path in root.glob(f"{PREFIX}*/{_IN_USE}"):
        try:
            if path.stat().st_uid != os.getuid():
                continue
            with path.open("r+") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path.parent, ignore_errors=True)  # another process may remove it at the same time
        except OSError as error:  # it is in use, or another process has just removed it
            log.debug("%s stays: %s", path.parent, error)
