"""An anchor: how long each chain of the ledger was at a moment, and the digest of its last link."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from pydantic import AwareDatetime, ValidationError

from perennial.encoding import from_json_text, json_bytes
from perennial.errors import InvalidAnchor


@dataclass(frozen=True)
class ChainEnd:
    """The last link of a use case's chain. `digest` stands for it and for all before."""

    use_case: str
    position: int
    digest: str


@dataclass(frozen=True)
class Anchor:
    """The ends of all chains at one moment."""

    made_at: AwareDatetime
    chains: tuple[ChainEnd, ...]
    format: Literal[1] = 1


class Anchors(Protocol):
    """Anchors by the time they were made. Errors of every method: `StoreUnavailable`; of reading, `InvalidAnchor`."""

    def put(self, anchor: Anchor) -> str:
        """Keep an anchor; where it is."""

    def newest(self) -> Anchor | None:
        """The one made last."""

    def all(self) -> Iterator[Anchor]:
        """All of them, the oldest first, one at a time."""


def anchor_bytes(anchor: Anchor) -> bytes:
    """The anchor as a file has it: JSON in UTF-8, which ends with a line feed."""
    return json_bytes(anchor) + b"\n"


def read_anchor(content: bytes, where: str) -> Anchor:
    """The anchor that a file holds. Errors: `InvalidAnchor`, which names `where` it was read."""
    try:
        return from_json_text(Anchor, content)
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise InvalidAnchor(
            f"{where} is not an anchor that this version of Perennial can read: "
            f"{f'{place}: ' if place else ''}{wrong['msg']}. Give a file that `perennial ledger anchor` or the "
            "nightly maintenance wrote; a damaged or replaced anchor proves nothing, so find out who wrote there."
        ) from error
