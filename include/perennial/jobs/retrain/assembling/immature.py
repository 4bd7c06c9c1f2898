"""Immature windows that may teach all the same: their labels, weighted by how likely they were to have arrived.

They take part in the refit alone. Holdout, metrics and references stay with windows whose whole truth is known.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from perennial.errors import NotEnoughData
from perennial.jobs.retrain.assembling.labelled_windows import LabelledWindow
from perennial.performance.censoring import Arrived, Counts, learn_weights
from perennial.performance.labels import join_labels
from perennial.ports import Ports
from perennial.records.labels import LEARNT_FROM, labels_at_ages
from perennial.records.training_set import TrainingWindow, WeightedWindow, outcomes
from perennial.spec.load import LoadedUseCase
from perennial.spec.models import UseCase


def weigh(
    use_case: LoadedUseCase,
    mature: Sequence[LabelledWindow],
    young: Sequence[LabelledWindow],
    as_of: datetime,
    ports: Ports,
) -> tuple[list[WeightedWindow], dict[TrainingWindow, str]]:
    """The young windows that can be weighted, each with its weights, and why the others can't.

    Errors: `StoreUnavailable`.
    """
    refused = {each.part: "no label has arrived" for each in young if not each.labelled.num_rows}
    young = [each for each in young if each.labelled.num_rows]
    if not young:
        return [], refused
    ages = [as_of - each.part.window.end for each in young]
    arrived: list[list[Arrived]] = [[] for _ in ages]
    learnt_from = mature[-LEARNT_FROM:]
    then = labels_at_ages(use_case, [each.part.window for each in learnt_from], ages, ports)
    for each in learnt_from:
        final = _counts(use_case.spec, each.labelled)
        keys = each.labelled.select([use_case.spec.key])
        for at, labels in enumerate(then[each.part.window]):
            known = _counts(use_case.spec, join_labels(keys, labels, use_case.spec.key))
            arrived[at].append(Arrived(each.rows, known, final))
    weighted: list[WeightedWindow] = []
    for window, known_then in zip(young, arrived, strict=True):
        known = _counts(use_case.spec, window.labelled)
        try:
            learnt = learn_weights(known_then)
            learnt.check(window.rows, known)
        except NotEnoughData as error:
            refused[window.part] = str(error)
        else:
            weighted.append(WeightedWindow(window.part, learnt.weights))
    return weighted, refused


def _counts(spec: UseCase, labelled: pa.Table) -> Counts:
    truth = outcomes(spec, labelled) if labelled.num_rows else np.zeros(0)
    ones = int(truth.sum())
    return labelled.num_rows - ones, ones
