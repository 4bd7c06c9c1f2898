"""When a version that no longer serves is archived, and what becomes of its files then."""

from enum import StrEnum

from pydantic import Field

from perennial.spec.fields import Duration, Spec


class Artefacts(StrEnum):
    """What becomes of an archived version's files in the model registry."""

    KEEP = "keep"
    MOVE = "move"


class Archive(Spec):
    """When versions are archived, and how. What shows how a version came to be is kept for good."""

    after: Duration | None = Field(
        None,
        description="How long after it was superseded a version is archived. Without it: as long as `retention`.",
    )
    artefacts: Artefacts = Field(
        Artefacts.KEEP,
        description="keep: files stay in the model registry. move: the model and its reference go to the archive "
        "(PERENNIAL_ARCHIVE_URL), and what can be made again (exports, examples) is removed.",
    )
