"""`<use case>.predict`: every window is ingested, validated, scored and monitored. The DAG to backfill."""

from datetime import timedelta

from airflow.sdk import DAG, Param, task

from perennial.spec.load import LoadedUseCase
from perennial_airflow import assets, docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.run import current_run
from perennial_airflow.schedule import timetable
from perennial_airflow.trigger import trigger_retrain
from perennial_airflow.xcom import Json, Upstream

PARAMS = {
    "window_from": Param(
        None, type=["null", "string"], description="By hand only: start of the first window, e.g. 2013-03-01."
    ),
    "window_to": Param(
        None, type=["null", "string"], description="By hand only: end of the last window, itself not included."
    ),
    "model": Param(
        "as_was",
        type="string",
        enum=["as_was", "as_known", "as_now", "pinned"],
        description="as_was: the champion in force at the window's start. as_known: the same, as it was recorded when "
        "the window was scored first. as_now: today's champion. pinned: a version.",
    ),
    "model_version": Param(None, type=["null", "string"], description="With pinned only: the version, e.g. 3."),
    "dry_run": Param(
        False,
        type="boolean",
        description="Change nothing: the log of the task `ingest` says what would be scored, with which model.",
    ),
}


def predict_dag(use_case: LoadedUseCase) -> DAG:
    """The DAG of the use case."""
    spec = use_case.spec
    with use_case_dag(
        spec,
        DagKind.PREDICT,
        description=f"{spec.title}: scores every {spec.schedule.every}",
        doc_md=docs.predict(spec),
        params=PARAMS,
        max_active_runs=3,
        execution_timeout=timedelta(hours=2),
        timetable=timetable(spec.schedule),
        runs_until=spec.end,
    ) as dag:

        @task(outlets=[assets.raw(spec.name)])
        def ingest() -> list[Json]:
            """Takes the window's rows from the source into the lake."""
            from perennial_airflow import tasks

            return tasks.ingest(use_case, current_run())

        @task(outlets=[assets.quarantine(spec.name)])
        def validate(ingested: Upstream) -> list[Json]:
            """Checks the rows against the expectations, and sets aside those that break a rule."""
            from perennial_airflow import tasks

            return tasks.validate(use_case, current_run(), ingested)

        @task(outlets=[assets.predictions(spec.name)])
        def score(validated: Upstream) -> list[Json]:
            """Predicts the clean rows and publishes the predictions."""
            from perennial_airflow import tasks

            return tasks.score(use_case, current_run(), validated)

        @task
        def monitor(scored: Upstream) -> list[Json]:
            """Measures how far the window is from what the model considers normal, and decides whether to retrain."""
            from perennial_airflow import tasks

            return tasks.monitor(use_case, current_run(), scored)

        monitor(score(validate(ingest()))) >> trigger_retrain(spec.name)
    return dag
