"""What the published tables are called, and which of their rows are a window's."""

from psycopg2.sql import SQL, Composed, Identifier, Literal

from perennial.window import Window

SCHEMA = "perennial"
WINDOWS = Identifier(SCHEMA, "published_windows")
BATCHES = Identifier(SCHEMA, "published_batches")
ENDED = Identifier(SCHEMA, "ended_use_cases")


def table_of(use_case: str) -> Identifier:
    """The name of a use case's table. This, the index and the view have room for the longest name of a use case."""
    return Identifier(SCHEMA, f"predictions_{use_case}")


def index_of(use_case: str) -> Identifier:
    """The name of the index by entity of a use case's table."""
    return Identifier(SCHEMA, f"by_entity_{use_case}")


def view_of(use_case: str) -> Identifier:
    """The name of the view of a use case's rows with what their batches say."""
    return Identifier(SCHEMA, f"provenance_{use_case}")


def rows_of(window: Window) -> Composed:
    """The condition by which rows are the window's."""
    return SQL("window_start = {} AND window_end = {}").format(Literal(window.start), Literal(window.end))
