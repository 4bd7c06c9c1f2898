"""Where the values of settings come from: the one module that reads the process's variables."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from perennial.errors import InvalidSettings
from perennial.sources.connections import PREFIX

LOCAL_ENVIRONMENT = "local.env"
FILE = "_FILE"
MOST_BYTES = 100_000  # of a file with a value: more is another file


class Environment(Mapping[str, str]):
    """Variables, the ones in `given` over those `below`.

    A variable `<NAME>_FILE` holds the path of a file with the value of `<NAME>`, as Docker and Kubernetes mount
    secrets. The file is read when the value is asked for, so that a process needs only the files of what it uses. A
    variable that is empty has no value, and lets none through from below. Iterating gives the variables as they are,
    the `_FILE`s among them.

    >>> Environment({"NAME": ""}, below={"OTHER": "value"})["OTHER"]
    'value'
    """

    def __init__(self, given: Mapping[str, str], below: Mapping[str, str] | None = None) -> None:
        self._layers = (dict(given), dict(below or {}))

    def __getitem__(self, name: str) -> str:
        """The value. Errors: `KeyError` when there is none; `InvalidSettings` when its file can't be used."""
        for layer in self._layers:
            value, path = layer.get(name, ""), _path(layer.get(name + FILE, ""))
            if value and path:
                raise InvalidSettings(
                    f"{name} and {name}{FILE} are both set, and it is unclear which one counts. Unset one of them."
                )
            if value:
                return value
            if path:
                return _content(name, path)
            if name in layer:
                return ""  # set to nothing, whatever lies below
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        given, below = self._layers
        return iter({**below, **given})

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def over(self, below: Mapping[str, str]) -> "Environment":
        """The same variables, over others."""
        return Environment(self._layers[0], below)

    def origin(self, name: str) -> str:
        """Where the value of `name` is from, as a part of a sentence; "" when it has none."""
        for layer, where in zip(self._layers, ("the environment", LOCAL_ENVIRONMENT), strict=True):
            path = _path(layer.get(name + FILE, ""))
            if path and not layer.get(name):
                return f"the file {path}, which {name}{FILE} names"
            if name in layer:
                return where if layer[name] else ""
        return ""

    def from_file(self, name: str) -> str | None:
        """The value of `name` if `<NAME>_FILE` gives it; None otherwise. Errors: as of `[]`."""
        return self[name] if self.origin(name).startswith("the file ") else None


def process_environment() -> Environment:
    """The variables of this process."""
    return Environment(os.environ)


def child_environment(connections: Mapping[str, str]) -> dict[str, str]:
    """The variables of a process that this one starts, with our modules on its path.

    `connections` are URIs by name. The child is given those and no others.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    path = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return {**kept, **path, **{f"{PREFIX}{name.upper()}": url for name, url in connections.items()}}


def read_local_environment(path: Path) -> dict[str, str]:
    """The variables that `make run` left in a file; none where it is not there."""
    if not path.is_file():
        return {}
    lines = (line.strip() for line in path.read_text().splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _path(text: str) -> str:
    """The path in a `_FILE` variable; "" for what is none, such as the URI of a connection whose name ends so."""
    return "" if "://" in text or text.startswith("{") else text


def _content(name: str, path: str) -> str:
    place = f"{name}{FILE} names the file {path}"
    try:
        with Path(path).open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except IsADirectoryError:
        raise InvalidSettings(
            f"{place}, which is a folder. Docker makes one where the file to mount is missing: make the file, and "
            "start the container again."
        ) from None
    except OSError as error:
        raise InvalidSettings(
            f"{place}, which can't be read: {error.strerror}. Mount it into this container, and let the user that runs "
            "this process read it."
        ) from error
    if len(content) > MOST_BYTES:
        raise InvalidSettings(f"{place}, which has more than {MOST_BYTES:,} bytes. It should hold one value only.")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise InvalidSettings(f"{place}, which is not UTF-8. Write the value as text.") from None
    if not text:
        raise InvalidSettings(f"{place}, which is empty. Write the value into it, or unset {name}{FILE}.")
    return text
