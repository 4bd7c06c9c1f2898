"""The kinds of prediction problem."""

from enum import StrEnum


class Task(StrEnum):
    """The kind of prediction problem."""

    BINARY_CLASSIFICATION = "binary_classification"
    REGRESSION = "regression"
