"""Whom decisions must not treat more differently than the champion's do."""

from pydantic import Field

from perennial.spec.fields import ColumnName, Spec


class Fairness(Spec):
    """The groups of rows between which a new model's decisions may not differ more than the champion's."""

    columns: tuple[ColumnName, ...] = Field(
        min_length=1, description="Each value of each of these columns is a group. The model need not get them."
    )
    margin: float = Field(
        0.05,
        ge=0,
        le=1,
        description="How much larger a difference may become that would not matter, as a share: 0.05 are five "
        "percentage points. A candidate with a difference that is larger than the champion's by more than that, beyond "
        "chance, does not take over.",
    )
