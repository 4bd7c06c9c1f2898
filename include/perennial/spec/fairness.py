"""Whom decisions must not treat more differently than the champion's do."""

from pydantic import Field

from perennial.spec.fields import ColumnName, Spec


class Fairness(Spec):
    """The groups of rows between which a new model's decisions may not differ more than the champion's."""

    columns: tuple[ColumnName, ...] = Field(
        min_length=1, description="Each value of each of these columns is a group. They need not be features."
    )
    margin: float = Field(
        0.05,
        ge=0,
        le=1,
        description="By how much a difference may grow without mattering, as a share: 0.05 is five percentage "
        "points. A candidate whose difference is larger than the champion's by more than that, beyond "
        "chance, does not take over.",
    )
