"""Text files."""

from pathlib import Path

from perennial.spec.violation import Violation


def read_text(file: Path) -> tuple[str | None, list[Violation]]:
    """The file's text, None when it is no UTF-8 or says nothing, and why."""
    content = file.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return None, [Violation(file, line, "", None, "not UTF-8 text; save the file as UTF-8")]
    if not text.strip():
        return None, [Violation(file, 1, "", None, "the file is empty")]
    return text, []
