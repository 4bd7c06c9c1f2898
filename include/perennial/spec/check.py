"""Every mistake in all specs, at once."""

from pathlib import Path

from perennial.spec.folder import read_folder
from perennial.spec.load import use_case_names
from perennial.spec.violation import Violation


def check_all(root: Path) -> list[Violation]:
    """What is wrong in the use cases in `root`, by file and line; empty when nothing is.

    Errors: `InvalidSpec` when `root` is not a folder.
    """
    return [violation for name in use_case_names(root) for violation in read_folder(root / name).violations]
