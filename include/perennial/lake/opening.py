"""A Delta table is opened: its present version, and any older one, also from commits that are packed by now."""

from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError
from pyarrow import fs

from perennial.errors import RowsLost
from perennial.lake.log_archive import ARCHIVE, LOG, commit_name, commit_texts, is_packed
from perennial.lake.port import no_such_version
from perennial.lake.storage import open_path


def opened(
    location: str, options: dict[str, str], filesystem: fs.FileSystem, version: int | None = None
) -> DeltaTable | None:
    """The table as of that version, or as it is; None where there is none, and no version was named.

    Errors: `RowsLost` for a version that the table does not have; those of deltalake and of Arrow, `OSError`.
    """
    try:
        if version is not None and is_packed(filesystem, open_path(location), version):
            return _from_commits(filesystem, open_path(location), version)
        return DeltaTable(location, version=version, storage_options=options)
    except TableNotFoundError as error:
        if version is not None:  # somebody was given that version: its absence is a loss, not an empty table
            raise RowsLost(no_such_version(location, version, None)) from error
        return None
    except DeltaError as error:
        newest = None if version is None else opened(location, options, filesystem)
        if version is not None and newest is not None and newest.version() < version:
            raise RowsLost(no_such_version(location, version, newest.version())) from error
        raise


def _from_commits(filesystem: fs.FileSystem, root: str, version: int) -> DeltaTable:
    """What all commits up to that version make. It says which files the table had, and its own folder is gone.

    Errors: `OSError` when a commit is missing.
    """
    with TemporaryDirectory() as scratch:
        log = Path(scratch) / LOG
        log.mkdir()
        for number, text in commit_texts(filesystem, root, range(version + 1)):
            (log / commit_name(number)).write_bytes(text)
        if len(list(log.iterdir())) <= version:
            raise OSError(f"{root} lacks commits from before version {version}, both in its log and in its {ARCHIVE}")
        return DeltaTable(scratch, version=version)
