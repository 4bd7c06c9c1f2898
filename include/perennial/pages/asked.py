"""What is asked of a page, and what is sent back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from perennial.errors import InvalidWindow
from perennial.review.airflow_state import DagState
from perennial.settings import Settings
from perennial.spec.load import LoadedUseCase, load_again, use_case_names
from perennial.window import Window


@dataclass(frozen=True)
class Asked:
    """What a reader asked for.

    `view` is one of `perennial.pages.answer.VIEWS`, `base` the address below which the pages are, `airflow` that of
    Airflow's own pages (both without a slash at the end), and `use_cases` are those that the reader may see. `dags` are
    those of their DAGs that the reader may see, for the pages that show them.
    `may_change` says whether the reader may change what the page is about.
    """

    view: str
    arguments: Mapping[str, str]
    use_cases: tuple[str, ...]
    base: str
    airflow: str
    as_json: bool = False
    dags: tuple[DagState, ...] = ()
    may_change: bool = False


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    status: int
    media_type: str
    body: bytes


@dataclass(frozen=True)
class Found:
    """The data of a page, which scripts get as JSON; the template that shows it, and what else that needs."""

    data: Any
    template: str
    extra: Mapping[str, Any] = field(default_factory=dict)


class NothingThere(Exception):  # noqa: N818 - it becomes a page, not a crash
    """What was asked for does not exist, or may not be seen: nobody is told which."""

    title = "There is no such page"


class NoSuchRow(NothingThere):
    """The use case or window has no such row."""

    title = "There is no such row"


class Unnamed(Exception):  # noqa: N818 - it becomes a page, not a crash
    """The address does not say what the page is to be about; the text says how it would."""


def without_folders(said: str, settings: Settings) -> str:
    """What an error says, with the server's folders by the names of their settings: where they lie is not for readers.

    >>> settings = Settings.from_environment({"PERENNIAL_USE_CASES": "/srv/ml/use_cases"})
    >>> without_folders("1 mistake in /srv/ml/use_cases/a:", settings)
    '1 mistake in PERENNIAL_USE_CASES/a:'
    """
    folders = {str(settings.use_cases): "PERENNIAL_USE_CASES", str(settings.home): "PERENNIAL_HOME"}
    if not settings.lake_url.startswith("s3://"):
        folders[settings.lake_url.removeprefix("file://")] = "PERENNIAL_LAKE_URL"
    for folder in sorted(folders, key=len, reverse=True):  # what lies in another before that other
        said = said.replace(folder.rstrip("/") or folder, folders[folder])
    return said


def asked_use_case(asked: Asked, settings: Settings) -> LoadedUseCase:
    """The use case that is asked for. Errors: `NothingThere`, `InvalidSpec`."""
    name = asked.arguments["use_case"]
    if name not in asked.use_cases or name not in use_case_names(settings.use_cases):
        raise NothingThere("There is no such use case, or you may not see it.")
    return load_again(settings.use_cases / name)


def asked_window(asked: Asked, use_case: LoadedUseCase) -> Window:
    """The window that is asked for. Errors: `InvalidWindow`."""
    return window_named(asked.arguments["window"].strip(), use_case)


def window_named(text: str, use_case: LoadedUseCase) -> Window:
    """The window by its name, or by its start as a person writes it. Errors: `InvalidWindow`."""
    if "--" not in text:
        return use_case.spec.grid.starting_at(text)
    window = Window.parse(text)
    if use_case.spec.grid.containing(window.start) != window:
        raise InvalidWindow(f"{window} is not a window of {use_case.name}.")
    return window
