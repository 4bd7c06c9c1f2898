"""What can be read of a use case whose spec is wrong, so that somebody can be told."""

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from perennial.errors import InvalidSpec
from perennial.spec.alerts import Routes
from perennial.spec.document import read_document
from perennial.spec.folder import SPEC_FILE


@dataclass(frozen=True)
class BrokenUseCase:
    """A use case without a spec. `mistakes` are sentences, each with its file and line."""

    name: str
    title: str
    alerts: Routes
    mistakes: tuple[str, ...]


def read_broken(folder: Path, error: InvalidSpec) -> BrokenUseCase:
    """The use case in the folder, of which `error` says what is wrong; without routes where those are wrong, too."""
    file = folder / SPEC_FILE
    document, _ = read_document(file) if file.is_file() else (None, [])
    said = document.value if document is not None else {}
    try:
        routes = TypeAdapter(Routes).validate_python(said.get("alerts", ()))
    except ValidationError:  # it is among the mistakes that the error names
        routes = ()
    title = said.get("title")
    mistakes = tuple(line.strip().removeprefix(f"{folder}/") for line in str(error).splitlines()[1:])
    return BrokenUseCase(folder.name, title if isinstance(title, str) and title else folder.name, routes, mistakes)
