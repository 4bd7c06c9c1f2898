"""What the use case's tasks need of the machine that does them, where each is a pod of its own.

It counts under Airflow's KubernetesExecutor, and says nothing to any other.
"""

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from perennial.spec.fields import Spec
from perennial.spec.problems import Problem, broken_rules

_MEMORY = re.compile(r"[1-9]\d{0,8}(Ki|Mi|Gi|Ti)")
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_LEAST = 512 * _UNITS["Mi"]  # of which a task takes most before it has read a row
_NAME = r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_LABEL = re.compile(rf"([a-z0-9]([a-z0-9.-]{{0,251}}[a-z0-9])?/)?{_NAME}")
_LABEL_VALUE = re.compile(rf"({_NAME})?")
_IMAGE = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?")


def _memory(value: str) -> str:
    if not _MEMORY.fullmatch(value):
        raise broken_rules([Problem((), "not an amount of memory; write a whole number and a unit: 1536Mi, 8Gi")])
    if int(value[:-2]) * _UNITS[value[-2:]] < _LEAST:
        raise broken_rules([Problem((), "is too little: a task takes at least 512Mi")])
    return value


def _label(name: str) -> str:
    if not _LABEL.fullmatch(name):
        text = "not the name of a label, such as disk or node.kubernetes.io/instance-type"
        raise broken_rules([Problem((), text)])
    return name


def _label_value(value: str) -> str:
    if not _LABEL_VALUE.fullmatch(value):
        text = (
            "not a label's value: at most 63 letters, digits, dashes, dots and underscores, the ends letters or digits"
        )
        raise broken_rules([Problem((), text)])
    return value


def _image(name: str) -> str:
    if not _IMAGE.fullmatch(name):
        raise broken_rules([Problem((), "not the name of an image, such as registry.example.org/perennial:0.1.0")])
    return name


Label = Annotated[str, AfterValidator(_label)]
LabelValue = Annotated[str, AfterValidator(_label_value)]


class Toleration(Spec):
    """Nodes with this taint may be used, too."""

    key: Label
    operator: Literal["Equal", "Exists"] = "Equal"
    value: LabelValue | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="Which effect of the taint is tolerated. Without it: every effect."
    )

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.operator == "Exists") != (self.value is None):
            text = (
                "the operator Exists takes no value; leave this key out"
                if self.value is not None
                else "say which value the taint has, or operator: Exists"
            )
            raise broken_rules([Problem(("value",), text)])
        return self


class ExecutorConfig(Spec):
    """What the pods of the use case's tasks have beyond those of others."""

    cpu: float | None = Field(None, ge=0.1, le=1024, description="CPUs for each task, as its request and its limit.")
    memory: Annotated[str, AfterValidator(_memory)] | None = Field(
        None, description="Memory for each task, as its request and its limit, such as 4Gi."
    )
    image: Annotated[str, AfterValidator(_image)] | None = Field(
        None, description="Another image for the tasks. It must hold the same version of Perennial."
    )
    node_selector: dict[Label, LabelValue] = Field(
        {}, description="Labels that a node must have for a task to run on it."
    )
    tolerations: tuple[Toleration, ...] = ()

    @model_validator(mode="after")
    def _resources_are_whole(self) -> Self:
        if (self.cpu is None) != (self.memory is None):
            missing, given = ("memory", "cpu") if self.memory is None else ("cpu", "memory")
            text = f"is missing: {given} is given, and cpu and memory are only replaced together"
            raise broken_rules([Problem((missing,), text)])
        return self

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self == type(self).model_construct():
            raise broken_rules([Problem((), "asks for nothing; give cpu and memory, an image, nodes, or leave it out")])
        return self
