"""What a model version considers normal, as it is stored with the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from perennial.drift.reference import Reference
from perennial.errors import UntrustedModel
from perennial.modeling.estimation import Estimation


@dataclass(frozen=True)
class ModelReference:
    """The model's training windows: its inputs and predictions, its labels, and how to estimate its performance.

    `labels` is None when there were too few labels to compare with, `estimation` when nothing could be learnt.
    """

    inputs: Reference
    labels: Reference | None
    estimation: Estimation | None
    format: Literal[3] = 3

    def to_json(self) -> dict[str, Any]:
        """The reference as a JSON object."""
        value: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ModelReference":
        """The reference that `to_json` wrote. Errors: `UntrustedModel` when it is not one."""
        try:
            return _ADAPTER.validate_python(dict(value))
        except ValidationError as error:
            raise UntrustedModel(
                f"The model's reference can't be read; train and register the model again. {error}"
            ) from error


_ADAPTER: TypeAdapter[ModelReference] = TypeAdapter(ModelReference)
