"""From a folder of use cases to their DAGs."""

from collections.abc import Callable, Iterator
from pathlib import Path

from airflow.sdk import DAG

from perennial.errors import InvalidSpec
from perennial.spec.broken import BrokenUseCase, read_broken
from perennial.spec.load import LoadedUseCase, load_use_case, use_case_names
from perennial_airflow import alerts
from perennial_airflow.alerts import alerts_dag
from perennial_airflow.dag_kind import DagKind
from perennial_airflow.evaluate import evaluate_dag
from perennial_airflow.invalid import invalid_dag
from perennial_airflow.maintenance import maintenance_dag
from perennial_airflow.predict import predict_dag
from perennial_airflow.retrain import retrain_dag
from perennial_airflow.rollback import rollback_dag

BUILDERS: dict[DagKind, Callable[[LoadedUseCase], DAG]] = {
    DagKind.PREDICT: predict_dag,
    DagKind.EVALUATE: evaluate_dag,
    DagKind.RETRAIN: retrain_dag,
    DagKind.ROLLBACK: rollback_dag,
}


def build_dags(use_cases: Path, only: str | None = None) -> Iterator[DAG]:
    """The DAGs of all use cases in the folder; a use case with a wrong spec has one that says so.

    With `only`, a DAG's id, that DAG and nothing else is built: a task's process needs no other.
    Errors: `InvalidSpec` when the one that is asked for has a wrong spec.
    """
    if only is not None:
        yield from _one(use_cases, only)
        return
    valid, broken = [], []
    for name in use_case_names(use_cases):
        try:
            use_case = load_use_case(use_cases / name)
        except InvalidSpec as error:
            broken.append(read_broken(use_cases / name, error))
            yield invalid_dag(name, error)
            continue
        valid.append(use_case)
        for build in BUILDERS.values():
            yield build(use_case)
    if valid:  # also where all have ended: the ledger's chains are still verified
        living = [use_case for use_case in valid if use_case.ended is None]
        yield maintenance_dag(living)
    yield from filter(None, [alerts_dag([each for each in valid if each.ended is None], broken)])


def _one(use_cases: Path, dag_id: str) -> Iterator[DAG]:
    name, _, kind = dag_id.rpartition(".")
    if kind in set(DagKind):
        if name in use_case_names(use_cases):
            yield BUILDERS[DagKind(kind)](load_use_case(use_cases / name))
        return
    if dag_id == alerts.DAG_ID:  # it runs often: the others are not built for it
        yield from filter(None, [alerts_dag(*_telling(use_cases))])
        return
    yield from (dag for dag in build_dags(use_cases) if dag.dag_id == dag_id)


def _telling(use_cases: Path) -> tuple[list[LoadedUseCase], list[BrokenUseCase]]:
    """The use cases that go on, and those whose spec is wrong."""
    living, broken = [], []
    for name in use_case_names(use_cases):
        try:
            use_case = load_use_case(use_cases / name)
        except InvalidSpec as error:
            broken.append(read_broken(use_cases / name, error))
            continue
        if use_case.ended is None:
            living.append(use_case)
    return living, broken
