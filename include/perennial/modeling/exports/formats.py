"""The formats that models are exported to: how each is written, and scored again by somebody else's program."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from perennial.arrays import Floats
from perennial.modeling.exports import onnx_format, pmml_format
from perennial.modeling.exports.plain import PlainModel


@dataclass(frozen=True)
class Format:
    """`predict` takes the file, a frame of features, and the names of those that are categories."""

    write: Callable[[PlainModel], bytes]
    predict: Callable[[bytes, pd.DataFrame, frozenset[str]], Floats]
    scorer: str


FORMATS: dict[str, Format] = {
    "onnx": Format(onnx_format.write, onnx_format.predict, "onnxruntime"),
    "pmml": Format(pmml_format.write, pmml_format.predict, "PMML4S"),
}
