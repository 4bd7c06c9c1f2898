"""`<use case>.evaluate`: the labels that have arrived tell how good the predictions were."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial_airflow import assets, docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.run import current_run
from perennial_airflow.schedule import timetable
from perennial_airflow.trigger import trigger_retrain
from perennial_airflow.xcom import Json, Upstream

PARAMS = {
    "as_of": Param(
        None,
        type=["null", "string"],
        description="For a single run only: use what was known by then, e.g. 2013-04-01. Empty: what was known when "
        "the run was triggered.",
    ),
}


def evaluate_dag(use_case: LoadedUseCase) -> DAG:
    """The DAG of the use case. One run at a time, so that decisions follow each other in the data's time."""
    spec = use_case.spec
    with use_case_dag(
        spec,
        DagKind.EVALUATE,
        description=f"{spec.title}: how good the predictions were, by the labels that have arrived",
        doc_md=docs.evaluate(spec),
        params=PARAMS,
        max_active_runs=1,
        execution_timeout=timedelta(hours=2),
        timetable=timetable(spec.schedule),
        runs_until=spec.end + spec.labels.mature_after if spec.end else None,
        ended=use_case.ended,
    ) as dag:

        @task(multiple_outputs=False, outlets=[assets.labels(spec.name)])
        def collect_labels() -> Json:
            """Takes the labels that had arrived into the lake, for every window that waits for them."""
            from perennial_airflow import tasks

            return tasks.collect_labels(use_case, current_run())

        @task(multiple_outputs=False)
        def measure(collected: Upstream) -> Json:
            """Measures the windows that wait for labels, and decides whether to retrain."""
            from perennial_airflow import tasks

            return tasks.measure(use_case, current_run(), collected)

        measured = measure(collect_labels())
        measured >> trigger_retrain(use_case)
        if has_stages(spec.rollout):

            @task(multiple_outputs=False)
            def rollout() -> Json:
                """Compares champion and challenger on the same rows, and decides about the stage of the roll-out."""
                from perennial_airflow import tasks

                return tasks.rollout(use_case, current_run())

            measured >> rollout()
    return dag
