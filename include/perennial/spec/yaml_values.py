"""Values as YAML on one line, read back by `perennial.spec.document` as exactly the same values."""

import math
import re
from collections.abc import Mapping
from typing import Any

import yaml

# What every reader of YAML takes for a text, also those that still read `no` and `on` as booleans.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TAKEN_FOR_OTHERS = {"y", "yes", "n", "no", "on", "off", "true", "false", "null", "nan", "inf"}


def yaml_value(value: Any) -> str:
    """The value of an expectation's argument: a text, a number, true or false, nothing, or a list or mapping of these.

    >>> yaml_value({"column": "origin", "value_set": ["EWR", "no", "a: b"], "mostly": 0.95})
    '{column: origin, value_set: [EWR, "no", "a: b"], mostly: 0.95}'
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{yaml_value(name)}: {yaml_value(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(yaml_value, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and text.lower() not in _TAKEN_FOR_OTHERS:
        return text
    # What can't be seen, or turns the direction of reading, is written as an escape: the text is read by a person, too.
    return yaml.safe_dump(text, default_style='"', allow_unicode=text.isprintable(), width=math.inf).rstrip("\n")
