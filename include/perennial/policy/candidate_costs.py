"""What a candidate costs, and why one can't be used."""

from dataclasses import dataclass
from enum import StrEnum

from perennial.spec.training_limits import TrainingLimits, size_text


class Failure(StrEnum):
    """Why a candidate can't be used."""

    FAILED = "failed"
    NOT_CONVERGED = "not converged"
    CONSTANT = "constant"
    NOT_FINITE = "not finite"
    TOO_LARGE = "too large"
    TOO_SLOW = "too slow"
    TOO_MUCH_MEMORY = "too much memory"
    OUT_OF_TIME = "out of time"


@dataclass(frozen=True)
class Costs:
    """What a candidate takes: seconds to predict 1,000 rows, and the bytes of its model.

    `memory` is the most that the process which trained it held, in bytes; None where it had no process of its own.
    """

    seconds_per_1k_rows: float
    artefact: int
    memory: int | None = None


@dataclass(frozen=True)
class Beyond:
    """A limit that was crossed, in a sentence about the candidate without its name."""

    failure: Failure
    reason: str


def beyond(limits: TrainingLimits, costs: Costs) -> Beyond | None:
    """The first limit of the spec that the candidate is beyond; None where it keeps to all of them."""
    slowest, largest, most = limits.seconds_per_1k_rows, limits.artefact, limits.memory
    if slowest is not None and costs.seconds_per_1k_rows > slowest:
        return Beyond(
            Failure.TOO_SLOW,
            f"takes {costs.seconds_per_1k_rows:.3g} s to predict 1,000 rows; training.limits.seconds_per_1k_rows "
            f"allows {slowest:g}",
        )
    if largest is not None and costs.artefact > largest:
        return Beyond(
            Failure.TOO_LARGE,
            f"is a model of {size_text(costs.artefact)}; training.limits.artefact allows {size_text(largest)}",
        )
    if most is not None and costs.memory is not None and costs.memory > most:
        return Beyond(
            Failure.TOO_MUCH_MEMORY,
            f"took {size_text(costs.memory)} of memory to train; training.limits.memory allows {size_text(most)}",
        )
    return None
