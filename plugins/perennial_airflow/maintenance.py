"""`platform.maintenance`: every night, for all use cases: reconcile, maintain the lake, archive versions.

And once for all: the ledger's chains are verified, and where they end is written down.
"""

from collections.abc import Sequence
from datetime import timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Param, get_current_context, task

from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import keeps_standby
from perennial.spec.waiting import Gaps
from perennial_airflow import docs
from perennial_airflow.dag_kind import DagKind, dag_id
from perennial_airflow.platform_dag import platform_dag
from perennial_airflow.run import current_run
from perennial_airflow.trigger import start_pending_retraining
from perennial_airflow.xcom import Json

DAG_ID = "platform.maintenance"
RETRIES = 4
PARAMS = {
    "dry_run": Param(False, type="boolean", description="Say what would be removed, and remove nothing."),
    "reconcile_all": Param(
        False, type="boolean", description="Reconcile the rows of every window, not of a thirtieth: after a restore."
    ),
}


def maintenance_dag(use_cases: Sequence[LoadedUseCase]) -> DAG:
    """The DAG; each task does its work for one use case, so that one that fails holds no other back."""
    with platform_dag(
        DAG_ID,
        "30 3 * * *",
        "maintenance",
        {
            "retries": RETRIES,
            "retry_exponential_backoff": 3.0,
            "max_retry_delay": timedelta(minutes=10),
            "execution_timeout": timedelta(hours=2),
        },
        description="Puts right what differs from the ledger, and removes files that nobody needs any more",
        doc_md=docs.maintenance(),
        params=PARAMS,
    ) as dag:
        _anchor_ledger()
        for use_case in use_cases:
            _add_tasks(use_case)
    return dag


def _anchor_ledger() -> None:
    @task(task_id="anchor_ledger", multiple_outputs=False)
    def anchor_ledger() -> Json:
        """Verifies what was recorded since the last anchor, and writes down where the ledger's chains end now."""
        from perennial_airflow import upkeep_tasks

        return upkeep_tasks.anchor_ledger(current_run())

    anchor_ledger()


def _add_tasks(use_case: LoadedUseCase) -> None:
    @task(task_id=f"{use_case.name}.reconcile", multiple_outputs=False)
    def reconcile() -> Json:
        """Compares aliases, the lake and the published table with the ledger, and puts right what differs."""
        from perennial_airflow import upkeep_tasks

        return upkeep_tasks.reconcile(use_case, current_run())

    @task(task_id=f"{use_case.name}.maintain")
    def maintain() -> list[Json]:
        """Optimizes the lake's tables, says which files nobody needs, and removes those."""
        from perennial_airflow import upkeep_tasks

        return upkeep_tasks.maintain(use_case, current_run())

    @task(task_id=f"{use_case.name}.archive")
    def archive() -> list[Json]:
        """Archives the model versions that were superseded long ago and that nothing needs."""
        from perennial_airflow import upkeep_tasks

        return upkeep_tasks.archive(use_case, current_run())

    reconciled = reconcile()
    reconciled >> [maintain(), archive()]
    if keeps_standby(use_case.spec.rollout):

        @task(task_id=f"{use_case.name}.standby", multiple_outputs=False)
        def standby() -> Json:
            """Tries whether the champion before the present one could take over again."""
            from perennial_airflow import upkeep_tasks

            return upkeep_tasks.try_standby(use_case, current_run())

        reconciled >> standby()
    start_pending_retraining(use_case, f"{use_case.name}.start_pending_retraining")
    if use_case.spec.schedule.gaps is Gaps.FILL:
        _fill_gaps(use_case)
    else:
        _report_gaps(use_case)


def _report_gaps(use_case: LoadedUseCase) -> None:
    @task(task_id=f"{use_case.name}.gaps", multiple_outputs=False)
    def gaps() -> Json:
        """Names the windows that should have been scored and were not."""
        from perennial_airflow import upkeep_tasks

        return upkeep_tasks.gaps(use_case, current_run())

    gaps()


def _fill_gaps(use_case: LoadedUseCase) -> None:
    predict = dag_id(use_case.name, DagKind.PREDICT)

    @task(task_id=f"{use_case.name}.gaps")
    def gaps() -> list[Json]:
        """Names the windows that should have been scored and were not, for the task that starts their runs."""
        from perennial_airflow import upkeep_tasks

        ti = get_current_context()["ti"]
        return upkeep_tasks.gap_runs(
            use_case,
            current_run(),
            paused=bool(ti.get_dag(predict).is_paused),
            known=lambda names: ti.get_task_states(predict, run_ids=names),
        )

    # One run for each window, under a name of its own: a window is filled once, and named for as long as it is missing.
    TriggerDagRunOperator.partial(
        task_id=f"{use_case.name}.fill_gaps",
        trigger_dag_id=predict,
        logical_date=None,
        skip_when_already_exists=True,
        doc_md="Starts a run of the predict DAG for each window that is missing.",
    ).expand_kwargs(gaps())
