"""Which versions of a model are archived: those that were superseded long ago and that nothing needs any more."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from perennial.policy.standby import standby_of

CHAMPION = "champion"


@dataclass(frozen=True)
class Tenure:
    """A version holds a role. `until` is when another one took over and that was on record; None while it lasts."""

    role: str
    version: str
    digest: str
    until: datetime | None


class Fate(StrEnum):
    """What becomes of a version."""

    KEEP = "keep"
    ARCHIVE = "archive"
    ARCHIVED = "archived"


@dataclass(frozen=True)
class Choice:
    """What becomes of one version, and why."""

    version: str
    digest: str
    fate: Fate
    reason: str


def choose(
    tenures: Sequence[Tenure],
    as_of: datetime,
    after: timedelta,
    *,
    needed: Mapping[str, str],
    archived: Collection[str],
    restored: Mapping[str, datetime],
) -> tuple[Choice, ...]:
    """What becomes of each version that ever held a role, in the order in which they first did.

    `tenures` are in the order they were recorded. `needed` says of versions what needs them. A version is archived
    when it lost its last role, and was `restored` if it ever was, at least `after` ago.
    """
    back = standby_of([each.version for each in tenures if each.role == CHAMPION])
    first = {each.version: each.digest for each in reversed(tenures)}
    in_order = dict.fromkeys(each.version for each in tenures)
    return tuple(
        Choice(version, first[version], *_fate(version, tenures, as_of, after, needed, archived, restored, back))
        for version in in_order
    )


def _fate(
    version: str,
    tenures: Sequence[Tenure],
    as_of: datetime,
    after: timedelta,
    needed: Mapping[str, str],
    archived: Collection[str],
    restored: Mapping[str, datetime],
    back: str | None,
) -> tuple[Fate, str]:
    own = [each for each in tenures if each.version == version]
    holds = next((each.role for each in own if each.until is None), None)
    if holds is not None:
        return Fate.KEEP, f"it is the {holds}"
    if version in archived:
        return Fate.ARCHIVED, "it was archived before"
    if version == back:
        return Fate.KEEP, "a rollback would bring it back"
    if version in needed:
        return Fate.KEEP, needed[version]
    superseded = max(each.until for each in own if each.until is not None)
    since = max(superseded, restored.get(version, superseded))
    what = "restored" if version in restored and since != superseded else "superseded"
    if as_of - since < after:
        return Fate.KEEP, f"it was {what} on {since:%Y-%m-%d}; it is archived {after.days} days after that"
    return Fate.ARCHIVE, f"it was {what} on {since:%Y-%m-%d}, more than {after.days} days ago, and nothing needs it"


class Kind(StrEnum):
    """What a file with a version is for: the model itself, what shows how it came to be, or neither."""

    MODEL = "model"
    EVIDENCE = "evidence"
    REMAKEABLE = "remakeable"


MODEL_FILES = ("model.skops", "reference.json")
REMAKEABLE_FOLDERS = ("exports/", "trial/")
EXAMPLES = ("input_example.", "serving_input_example.")


def kind_of(path: str) -> Kind:
    """The kind of a file that lies with a version's model.

    >>> [kind_of(path).value for path in ("model.skops", "card/card.json", "exports/model.onnx")]
    ['model', 'evidence', 'remakeable']
    """
    if path in MODEL_FILES:
        return Kind.MODEL
    remade = path.startswith(REMAKEABLE_FOLDERS) or path.rpartition("/")[2].startswith(EXAMPLES)
    return Kind.REMAKEABLE if remade else Kind.EVIDENCE
