"""Which files are data: engines also write markers, checksums, and files that they have not finished."""

from collections.abc import Sequence

from perennial.errors import SchemaMismatch
from perennial.spec.problems import listed

HIDDEN = ("_", ".")
"""Markers (_SUCCESS), checksums (.part-0.crc), folders of unfinished work (_temporary): of files and folders."""
UNFINISHED = (".tmp", ".temp", ".inprogress", ".partial", ".filepart", ".crdownload", "._copying_")
"""How engines and copying programs name what they are still writing. Flink goes on after .inprogress with a dot."""
TABLE_LOG = "_delta_log"


def sorted_out(files: Sequence[tuple[str, Sequence[str]]], address: str) -> tuple[list[str], str]:
    """The data among the files, and what is to be said of unfinished ones ("" when there are none).

    A file is given by its name and by the parts of its path below the source's own folder. Errors: `SchemaMismatch`
    for a Delta table, whose files are not all of its present version.
    """
    tables = [name for name, parts in files if TABLE_LOG in parts[:-1]]
    if tables:
        raise SchemaMismatch(
            f"{address}: there is a Delta table ({tables[0]}). Its files hold old versions of rows, too; "
            "query the table with an engine that knows it, and write what the query gives."
        )
    unfinished = [name for name, parts in files if not _hidden(parts) and _unfinished(parts[-1])]
    data = [name for name, parts in files if not _hidden(parts) and not _unfinished(parts[-1])]
    said = f"; left out as not finished: {listed(unfinished)}" if unfinished else ""
    return data, said


def _hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(HIDDEN) for part in parts)


def _unfinished(name: str) -> bool:
    name = name.lower()
    return name.endswith(UNFINISHED) or ".inprogress." in name
