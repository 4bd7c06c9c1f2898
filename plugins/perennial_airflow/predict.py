"""`<use case>.predict`: every window is ingested, validated, scored and monitored. The DAG to backfill."""

from datetime import timedelta

from airflow.sdk import DAG, Param, TriggerRule, task

from perennial.spec.load import LoadedUseCase
from perennial.spec.rollout import has_stages
from perennial_airflow import assets, docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.ingest import Ingest
from perennial_airflow.run import current_run
from perennial_airflow.schedule import timetable
from perennial_airflow.trigger import trigger_retrain
from perennial_airflow.xcom import Json, Upstream

PARAMS = {
    "window_from": Param(
        None, type=["null", "string"], description="For a single run only: start of the first window, e.g. 2013-03-01."
    ),
    "window_to": Param(
        None, type=["null", "string"], description="For a single run only: end of the last window, itself not included."
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


RUNS_AT_ONCE = 3  # beside those that wait for their rows, which must not hold back the others


def predict_dag(use_case: LoadedUseCase) -> DAG:
    """The DAG of the use case."""
    spec = use_case.spec
    with use_case_dag(
        spec,
        DagKind.PREDICT,
        description=f"{spec.title}: scores windows of {spec.schedule.every.words}",
        doc_md=docs.predict(spec),
        params=PARAMS,
        max_active_runs=spec.airflow.max_active_runs or RUNS_AT_ONCE + spec.waiting_windows,
        execution_timeout=timedelta(hours=2),
        timetable=timetable(spec.schedule),
        runs_until=spec.end,
        ended=use_case.ended,
    ) as dag:
        ingest = Ingest(
            use_case=use_case,
            task_id="ingest",
            outlets=[assets.raw(spec.name)],
            doc_md="Takes the window's rows from the source into the lake, and waits for those that are not there yet.",
        )

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

        scored = score(validate(ingest.output))
        monitored = monitor(scored)
        monitored >> trigger_retrain(use_case)
        if spec.review is not None:

            @task
            def select_for_review(scored: Upstream) -> list[Json]:
                """Chooses the rows that people are asked about, each with a known probability."""
                from perennial_airflow import tasks

                return tasks.select_for_review(use_case, current_run(), scored)

            select_for_review(scored)

        if has_stages(spec.rollout):

            @task
            def shadow(scored: Upstream) -> list[Json]:
                """Predicts each row by the model that did not serve it, while a challenger is in roll-out."""
                from perennial_airflow import tasks

                return tasks.shadow(use_case, current_run(), scored)

            shadow(scored)
        if spec.late_data:

            @task(trigger_rule=TriggerRule.ALL_DONE, multiple_outputs=False)
            def late_data() -> Json:
                """Looks again at the windows before, and scores those anew in which rows came late."""
                from perennial_airflow import tasks

                return tasks.late_data(use_case, current_run())

            monitored >> late_data()
    return dag
