"""What ran: the version of this code, and of everything it depends on."""

from functools import cache
from importlib.metadata import version
from pathlib import Path

from perennial.encoding import bytes_digest, json_digest

UNKNOWN = "unknown"
_PACKAGE = Path(__file__).parent
LOCK = _PACKAGE.parents[1] / "requirements.txt"


@cache
def code_version() -> str:
    """The package's version and the first 12 digits of a sha-256 over its source files, such as 0.1.0+3f2a9c1b7d40.

    The digest is of the files as they run, so that it also tells of changes that nobody committed.
    """
    sources = {path.relative_to(_PACKAGE).as_posix(): bytes_digest(path.read_bytes()) for path in _sources()}
    return f"{version('perennial')}+{json_digest(sources)[:12]}"


@cache
def lock_digest() -> str:
    """The sha-256 of requirements.txt, which pins every dependency by hash; "unknown" where that file is missing."""
    return bytes_digest(LOCK.read_bytes()) if LOCK.is_file() else UNKNOWN


def _sources() -> list[Path]:
    return sorted(_PACKAGE.rglob("*.py"))
