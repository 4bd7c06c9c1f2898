"""Suggestions as the text of an `expectations.yaml`, with what speaks for each as a comment.

Comments hold names of columns and windows, words and numbers, and no text of the data.
"""

from collections.abc import Iterable
from textwrap import wrap

from perennial.review.suggestions.suggest import Suggestion, Suggestions
from perennial.spec.yaml_values import yaml_value
from perennial.window import Grid
from perennial.wording import counted

MOST_NAMED = 5
HEAD = (
    "Limits come from past windows: check them against what you know. A `warning` marks a window, `critical` "
    "stops it. To set single rows aside instead, say `quarantine: true`, and leave `mostly` out. IQR, the "
    "interquartile range, is how far the middle half of the windows differ."
)
WIDTH = 110


def as_yaml(found: Suggestions, grid: Grid) -> str:
    """A whole file; what the suite has already, in its own words, is commented out.

    Where nothing else is left, all of it is a comment.
    """
    first, last = (grid.name_of(found.windows[end]) for end in (0, -1))
    named = f"{first} to {last}" if len(found.windows) > 1 else first
    lines = [f"Proposed for {found.use_case} from {counted(len(found.windows), 'window')}, {named}."]
    if found.held_out:
        lines.append(f"The last {found.held_out} were held out: limits come from the others, failures counted in all.")
    lines += [HEAD, told_from(found), *found.limits]
    lines += [f"Not looked at: {each.name}, {each.why}" for each in found.not_looked_at]
    lines += [f"Left alone: {each.name}: {each.why}" for each in found.left_alone]
    new = any(each.already is None for each in found.suggestions)
    text = [*_comments(lines), "expectations:" if new else "# expectations:"]
    for each in found.suggestions:
        text += [f"  {line}" for line in _comments(_why(each, found, grid))]
        text += [f"  {_comment(line) if each.already else line}" for line in _written(each)]
    return "\n".join(text) + "\n"


def failures(suggestion: Suggestion, found: Suggestions, grid: Grid, most: int = MOST_NAMED) -> str:
    """How often it would have failed, as a sentence with the last of the windows."""
    windows = counted(len(found.windows), "window")
    if not suggestion.failed:
        return f"Would have failed in none of {windows}."
    held_out = f", {suggestion.failed_held_out} of the {found.held_out} held out" if found.held_out else ""
    named = [grid.name_of(window) for window in suggestion.failed_windows[-most:]]
    more = "the last " if suggestion.failed > len(named) else ""
    return f"Would have failed in {suggestion.failed} of {windows}{held_out}: {more}{', '.join(named)}."


def told_from(found: Suggestions) -> str:
    """What was looked at, as a sentence."""
    rows, kept = f"{found.rows:,} rows", len(found.windows) - found.windows_read
    if not kept:
        return f"Derived from the windows' {rows}."
    read = f", for {found.windows_read} of the windows from the rows themselves" if found.windows_read else ""
    return f"Derived from what validation keeps of the windows' {rows}{read}."


def _why(each: Suggestion, found: Suggestions, grid: Grid) -> list[str]:
    already = (
        [f"The suite has {each.already} for it." if each.column is None else _already(each)] if each.already else []
    )
    return [f"{each.derived_from[0].upper()}{each.derived_from[1:]}.", failures(each, found, grid), *already]


def _already(each: Suggestion) -> str:
    return f"The suite has {each.already} for {each.column}."


def _written(each: Suggestion) -> list[str]:
    return [f"- type: {each.type}", f"  kwargs: {yaml_value(each.kwargs)}", f"  severity: {each.severity}"]


def _comments(sentences: Iterable[str]) -> list[str]:
    return [_comment(line) for sentence in sentences for line in wrap(sentence, WIDTH, break_on_hyphens=False)]


def _comment(line: str) -> str:
    """The line as a comment. A line break in it, whatever YAML takes for one, would end that."""
    if not line.isprintable():
        line = "".join(character if character.isprintable() else " " for character in line)
    return f"# {line}"
