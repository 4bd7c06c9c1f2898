"""What a fitted model needs as input, read off the model itself: the spec may have changed since it was trained."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa
from sklearn.pipeline import Pipeline

from perennial.features.build import frame_of, unavailable


@dataclass(frozen=True)
class ModelInputs:
    """The names of the model's features, in the order of its training, and which of them are categories."""

    features: tuple[str, ...]
    categorical: frozenset[str]

    def frame(self, rows: pa.Table) -> pd.DataFrame:
        """The features of these rows. Errors: `SchemaMismatch` when the rows lack any."""
        return frame_of(self.features, self.categorical, rows)

    def unavailable(self, columns: Mapping[str, str]) -> dict[str, str]:
        """The features that rows with these columns (name to Arrow type) can't give, each with why not."""
        return unavailable(self.features, self.categorical, columns)

    def without(self, *names: str) -> "ModelInputs":
        """The same without these features."""
        return ModelInputs(tuple(name for name in self.features if name not in names), self.categorical)


def model_inputs(pipeline: Pipeline) -> ModelInputs:
    """The inputs of a pipeline that `perennial.modeling.recipe` built, and that was fitted on a `feature_frame`."""
    encode = pipeline.named_steps["encode"]
    chosen = {name: columns for name, _, columns in encode.transformers_}
    return ModelInputs(tuple(map(str, encode.feature_names_in_)), frozenset(map(str, chosen.get("categorical", ()))))
