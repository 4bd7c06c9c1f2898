"""Reading the files of a use case: YAML with the line of every key, other text, and the files that a spec names.

Scalars are read as YAML 1.2 defines them, which is how editors show them: `no` and `on` are texts (a carrier, a
country, a column), not booleans; a date stays a text; `1e-3` is a number.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml import CSafeLoader, MappingNode, MarkedYAMLError, Node, ScalarNode, SequenceNode, YAMLError

from perennial.spec.problems import Location, Violation, dotted, nearest


def read_text(file: Path) -> tuple[str | None, list[Violation]]:
    """The file's text, and what is wrong with it. The text is None when the file is empty or not UTF-8."""
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [Violation(file, line, "", None, "not UTF-8 text; save the file as UTF-8")]
    if not text.strip():
        return None, [Violation(file, 1, "", None, "the file is empty")]
    return text, []


class _Loader(CSafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  PyYAML's own way to say which scalars are not texts


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


@dataclass(frozen=True)
class Document:
    """A YAML file whose top is a mapping."""

    file: Path
    value: dict[Any, Any]
    root: MappingNode = field(repr=False)

    def at(self, location: Location) -> Any:
        """The value at `location`; None where there is none."""
        value: Any = self.value
        for part in location:
            inside = isinstance(value, dict) and part in value
            value = value[part] if inside else None
        return value

    def line(self, location: Location) -> int:
        """The line (from 1) of the key at `location`, or of the nearest key above it that exists."""
        line = self.root.start_mark.line
        for key, node in self._path(location):
            line = key.start_mark.line if key is not None else node.start_mark.line
        return int(line) + 1

    def text(self, location: Location) -> str | None:
        """The scalar at `location` as it is written; None where there is none."""
        path = list(self._path(location))
        if len(path) != len(location) or not path:
            return None
        node = path[-1][1]
        return str(node.value) if isinstance(node, ScalarNode) else None

    def violation(self, location: Location, problem: str, suggestion: str | None = None) -> Violation:
        """A violation at `location` in this file."""
        value = self.text(location)
        return Violation(self.file, self.line(location), dotted(location), value, problem, suggestion)

    def _path(self, location: Location) -> Iterator[tuple[Node | None, Node]]:
        node: Node = self.root
        for part in location:
            key: Node | None = None
            if isinstance(node, MappingNode):
                found = [(k, v) for k, v in node.value if isinstance(k, ScalarNode) and k.value == str(part)]
                if not found:
                    return
                key, node = found[-1]  # when a key is written twice, the last one counts
            elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
            else:
                return
            yield key, node


def read_document(file: Path) -> tuple[Document | None, list[Violation]]:
    """The file's document, and what is wrong with it as YAML. The document is None when it can't be read."""
    text, unreadable = read_text(file)
    if text is None:
        return None, unreadable
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if not isinstance(root, MappingNode):
            problem = "the file must hold keys and values (`key: value`)"
            return None, [Violation(file, root.start_mark.line + 1 if root else 1, "", None, problem)]
        doubled = list(_doubled_keys(file, root, (), set()))
        return Document(file, loader.construct_document(root), root), doubled
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        return None, [Violation(file, line, "", None, f"not YAML: {error.problem}{_tab_hint(text, line)}")]
    except (YAMLError, ValueError, KeyError) as error:  # forbidden characters; a value that its !!tag forbids
        line = text.count("\n", 0, getattr(error, "position", None) or 0) + 1
        return None, [Violation(file, line, "", None, f"not YAML: {str(error).splitlines()[0]}")]


def _tab_hint(text: str, line: int) -> str:
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    return "; YAML is indented with spaces, and there is a tab on this line" if "\t" in written else ""


def _doubled_keys(file: Path, node: Node, location: Location, seen: set[int]) -> Iterator[Violation]:
    if id(node) in seen:  # an alias leads back to a node that was checked before
        return
    seen.add(id(node))
    if isinstance(node, SequenceNode):
        for position, item in enumerate(node.value):
            yield from _doubled_keys(file, item, (*location, position), seen)
    elif isinstance(node, MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            at = (*location, str(key.value))
            line = key.start_mark.line + 1
            if isinstance(key, ScalarNode) and key.value in lines:
                problem = f"this key is written twice; the first is on line {lines[key.value]}"
                written = value.value if isinstance(value, ScalarNode) else None
                yield Violation(file, line, dotted(at), written, problem)
            lines.setdefault(str(key.value), line)
            yield from _doubled_keys(file, value, at, seen)


def file_beside(document: Document, folder: Path, location: Location, name: str) -> tuple[Path | None, list[Violation]]:
    """The file that the spec names at `location`, and what is wrong. The file is None when it isn't there.

    A name that leads out of the folder is not reported here: the rules of the spec do that.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None, []
    file = folder / name
    if file.is_file():
        return file, []
    others = [path for path in folder.iterdir() if path.is_file() and path != document.file]
    return None, [document.violation(location, f"no such file in {folder.name}/", nearest_name(name, others))]


def nearest_name(name: str, files: Iterable[Path]) -> str | None:
    """Of the files' names, the one that is most like `name`."""
    return nearest(name, sorted(file.name for file in files))
