"""What pydantic found wrong, in words for the person who wrote the file."""

import re
from collections.abc import Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import ErrorDetails

from perennial.spec.document import Document
from perennial.spec.fields import PATTERNS_IN_WORDS
from perennial.spec.problems import BROKEN_RULES, Location, Violation, dotted, nearest

Model = TypeVar("Model", bound=BaseModel)
UNKNOWN_KEY = "unknown key"
KEY_MARK = "[key]"  # how pydantic says that the key, not its value, is wrong
_WORDS = {
    "missing": "this key is required",
    "model_type": "must hold keys and values",
    "model_attributes_type": "must hold keys and values",
    "dict_type": "must hold keys and values",
    "tuple_type": "must be a list",
    "string_too_short": "must not be empty",
    "string_type": "must be a text; put it in quotes if it looks like a number",
    "invalid_key": "a key must be a text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "path_type": "must be the name of a file",
    "recursion_loop": "an alias that contains itself",
}
_CHOICES = {"enum": "expected", "literal_error": "expected", "union_tag_invalid": "expected_tags"}


def validated(model: type[Model], document: Document) -> tuple[Model | None, list[Violation]]:
    """The document as a `model`, None when it isn't one, and why it isn't."""
    try:
        return model.model_validate(document.value), []
    except ValidationError as errors:
        return None, explain(model, document, errors)


def explain(model: type[BaseModel], document: Document, errors: ValidationError) -> list[Violation]:
    """One violation per mistake. `model` is what `document` was read as.

    A misspelt key is one mistake, though pydantic reports it twice: as unknown, and as missing.
    """
    found = [violation for error in errors.errors(include_url=False) for violation in _explain(model, document, error)]
    meant = {name for v in found if v.suggestion is not None for name in (v.suggestion, _beside(v.key, v.suggestion))}
    return [v for v in found if not (v.problem == _WORDS["missing"] and v.key in meant)]


def _beside(key: str, name: str) -> str:
    return f"{key.rpartition('.')[0]}.{name}".lstrip(".")


def _explain(model: type[BaseModel], document: Document, error: ErrorDetails) -> Iterator[Violation]:
    location, owner = _resolve(model, error["loc"])
    context = error.get("ctx", {})
    kind = error["type"]
    if kind == BROKEN_RULES:
        for problem in context["problems"]:
            yield document.violation((*location, *problem.at), problem.text, problem.suggestion)
    elif kind == "extra_forbidden":
        yield _unknown_key(model, owner, document, location)
    elif kind in _CHOICES:
        at = (*location, "type") if kind == "union_tag_invalid" else location
        names = re.findall(r"'([^']*)'", context[_CHOICES[kind]])
        suggestion = nearest(document.text(at) or "", names)
        yield document.violation(at, f"must be one of {', '.join(names)}", suggestion)
    elif kind == "union_tag_not_found":
        yield document.violation((*location, "type"), _WORDS["missing"])
    elif kind == "string_pattern_mismatch":
        yield document.violation(location, PATTERNS_IN_WORDS[context["pattern"]])
    elif kind.startswith("date_"):
        yield document.violation(location, "not a date; write it like 2013-01-31")
    elif kind == "too_short":
        if len(error["input"]) < context["min_length"]:  # pydantic doesn't count entries that are wrong themselves
            yield document.violation(location, f"needs at least {context['min_length']} entry")
    else:
        yield document.violation(location, _WORDS.get(kind, error["msg"].replace("Input should", "must", 1)))


def _unknown_key(model: type[BaseModel], owner: type[BaseModel], document: Document, location: Location) -> Violation:
    key = str(location[-1])
    known = [info.alias or name for name, info in owner.model_fields.items()]
    suggestion = nearest(key, known)
    homes = sorted({path for path in _paths(model, "") if path.rpartition(".")[2] == key})
    if suggestion is None and homes and dotted(location) not in homes:
        text = f"{UNKNOWN_KEY} here; it belongs elsewhere: {', '.join(homes)}"
        return document.violation(location, text, homes[0] if len(homes) == 1 else None)
    return document.violation(location, f"{UNKNOWN_KEY}; there are {', '.join(known)}", suggestion)


def _paths(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """The dotted path of every key that the model can hold."""
    for field, info in model.model_fields.items():
        name = info.alias or field
        yield prefix + name
        for member in _members(info.annotation):
            inside = _inside(member, 0) if get_origin(member) is tuple else member
            if isinstance(inside, type) and issubclass(inside, BaseModel):
                yield from _paths(inside, f"{prefix}{name}{'[]' if inside is not member else ''}.")


def _resolve(model: type[BaseModel], parts: Sequence[int | str]) -> tuple[Location, type[BaseModel]]:
    """Where in the file pydantic's location is (which also names the chosen member of a union), and the model there."""
    location: list[int | str] = []
    annotation: Any = model
    owner = model
    for part in parts:
        if part == KEY_MARK:
            continue
        members = _members(annotation)
        if len(members) > 1:
            annotation = next(member for member in members if part in _tags(member))
            continue
        location.append(part)
        if isinstance(members[0], type) and issubclass(members[0], BaseModel):
            owner = members[0]
        annotation = _inside(members[0], part)
    return tuple(location), owner


def _tags(member: Any) -> tuple[Any, ...]:
    """What pydantic calls the member of a union: by its `Tag`, or by what its key `type` may be."""
    said = get_args(member)[1:] if get_origin(member) is Annotated else ()
    tags = tuple(each.tag for each in said if isinstance(each, Tag))
    return tags or get_args(member.model_fields["type"].annotation)


def _members(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _members(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [member for member in get_args(annotation) if member is not type(None)]
    return [annotation]


def _inside(annotation: Any, part: int | str) -> Any:
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    if get_origin(annotation) is tuple:
        return get_args(annotation)[0]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and part in annotation.model_fields:
        return annotation.model_fields[str(part)].annotation
    return Any
