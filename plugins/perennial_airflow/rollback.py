"""`<use case>.rollback`: somebody puts an earlier version back into service."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from perennial.spec.load import LoadedUseCase
from perennial_airflow import docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.run import current_run
from perennial_airflow.xcom import Json

PARAMS = {
    "version": Param(
        None,
        type=["null", "string"],
        minLength=1,
        description="A version that was champion before, e.g. 3. Empty: the champion before the present one.",
    ),
    "reason": Param(type="string", minLength=1, description="Why; it is kept in the ledger."),
    "effective_from": Param(
        None,
        type=["null", "string"],
        description="From when on, e.g. 2013-04-01. Empty, or earlier than what is scored already: from the next "
        "window that is not scored yet.",
    ),
    "rescore_from": Param(
        None,
        type=["null", "string"],
        description="Windows from then on that are scored already are scored again by the version, e.g. 2013-04-01, "
        "and published anew. Empty: what is published stays.",
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
        execution_timeout=timedelta(hours=2),
        ended=use_case.ended,
    ) as dag:

        @task(multiple_outputs=False)
        def deploy() -> Json:
            """Makes the earlier version champion again."""
            from perennial_airflow import tasks

            return tasks.rollback(use_case, current_run())

        @task(multiple_outputs=False)
        def score_again() -> Json:
            """Scores again the windows from `rescore_from` on, and puts on record how long that took."""
            from perennial_airflow import tasks

            return tasks.score_again(use_case, current_run())

        deploy() >> score_again()
    return dag
