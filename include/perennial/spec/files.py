"""Files that lie beside a spec."""

from collections.abc import Iterable
from pathlib import Path

from perennial.spec.document import Document
from perennial.spec.suggest import nearest
from perennial.spec.violation import Location, Violation


def file_beside(document: Document, folder: Path, location: Location, name: str) -> tuple[Path | None, list[Violation]]:
    """The file that the spec names at `location`, None when it isn't there.

    A name that leads out of the folder is the spec's own mistake, and reported with it.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None, []
    file = folder / name
    if file.is_file():
        return file, []
    others = [path for path in folder.iterdir() if path.is_file() and path != document.file]
    return None, [document.violation(location, f"no such file in {folder.name}/", nearest_name(name, others))]


def nearest_name(name: str, files: Iterable[Path]) -> str | None:
    """The name most like `name` among the files'."""
    return nearest(name, sorted(file.name for file in files))
