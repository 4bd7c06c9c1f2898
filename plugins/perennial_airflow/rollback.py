"""`<use case>.rollback`: somebody puts an earlier version back into service."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from perennial.spec.load import LoadedUseCase
from perennial_airflow import docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.run import current_run
from perennial_airflow.xcom import Json

PARAMS = {
    "version": Param(type="string", minLength=1, description="A version that was champion before, e.g. 3."),
    "reason": Param(type="string", minLength=1, description="Why; it is kept in the ledger."),
    "effective_from": Param(
        None,
        type=["null", "string"],
        description="From when on, e.g. 2013-04-01. Empty, or earlier than what is scored already: from the next "
        "window that is not scored yet.",
    ),
}


def rollback_dag(use_case: LoadedUseCase) -> DAG:
    """The DAG of the use case."""
    spec = use_case.spec
    with use_case_dag(
        spec,
        DagKind.ROLLBACK,
        description=f"{spec.title}: puts an earlier version back into service",
        doc_md=docs.rollback(spec),
        params=PARAMS,
        max_active_runs=1,
        execution_timeout=timedelta(minutes=30),
        ended=use_case.ended,
    ) as dag:

        @task(multiple_outputs=False)
        def deploy() -> Json:
            """Makes the earlier version champion again."""
            from perennial_airflow import tasks

            return tasks.rollback(use_case, current_run())

        deploy()
    return dag
