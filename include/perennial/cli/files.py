"""Files that commands write: whether they can be is found out before the work, which may take hours."""

import os
from pathlib import Path

import typer

PICTURES = (".png", ".svg", ".pdf")


def to_write(file: Path | None) -> Path | None:
    """The file, which can be written. Errors: `BadParameter` where it can't."""
    if file is None:
        return None
    if file.is_dir():
        raise typer.BadParameter(f"{file} is a folder; say which file")
    if not file.parent.is_dir():
        raise typer.BadParameter(f"there is no folder {file.parent}")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise typer.BadParameter(f"{file} may not be written")
    return file


def picture_to_write(file: Path | None) -> Path | None:
    """The same, of a picture, whose name says of which kind it is."""
    if file is not None and file.suffix.lower() not in PICTURES:
        raise typer.BadParameter(f"the name of a picture ends in {', '.join(PICTURES[:-1])} or {PICTURES[-1]}")
    return to_write(file)
