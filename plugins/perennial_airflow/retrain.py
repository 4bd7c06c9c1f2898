"""`<use case>.retrain`: candidates are trained and judged against the champion, and a better one is deployed."""

from collections.abc import Sequence
from datetime import timedelta

from airflow.sdk import DAG, BaseOperator, Param, chain, task

from perennial.spec.load import LoadedUseCase
from perennial_airflow import assets, docs
from perennial_airflow.dag_kind import DagKind, use_case_dag
from perennial_airflow.run import current_run
from perennial_airflow.xcom import Json, Upstream

PARAMS = {
    "as_of": Param(
        None,
        type=["null", "string"],
        description="Use only events before, and labels that had arrived by then, e.g. 2013-03-01. Empty: the time "
        "when the run was triggered.",
    ),
    "reason": Param("by hand", type="string", minLength=1, description="Why; it is kept in the ledger."),
    "evidence": Param(
        {}, type="object", description="The numbers that asked for it; filled in by what triggers the run."
    ),
}


def retrain_dag(use_case: LoadedUseCase) -> DAG:
    """The DAG of the use case. One run at a time: two could only compete for the same role."""
    spec = use_case.spec
    with use_case_dag(
        spec,
        DagKind.RETRAIN,
        description=f"{spec.title}: trains candidates and deploys one that beats the champion",
        doc_md=docs.retrain(spec),
        params=PARAMS,
        max_active_runs=1,
        execution_timeout=timedelta(hours=6),
        ended=use_case.ended,
    ) as dag:

        @task(multiple_outputs=False, outlets=[assets.training(spec.name)])
        def assemble() -> Json:
            """Puts the training set together, as of the run's moment."""
            from perennial_airflow import tasks

            return tasks.assemble(use_case, current_run())

        @task(multiple_outputs=False)
        def check(assembled: Upstream) -> Json:
            """Refuses a training set whose labels are odd, or with a feature that gives the outcome away."""
            from perennial_airflow import tasks

            return tasks.check(use_case, current_run(), assembled)

        @task(
            multiple_outputs=False,
            map_index_template="{{ task.op_kwargs['candidate'] }}",
            doc_md="Fits one candidate and measures it on the holdout.",
        )
        def train(assembled: Upstream, candidate: str) -> Json:
            from perennial_airflow import tasks

            return tasks.train(use_case, current_run(), assembled, candidate)

        @task(multiple_outputs=False)
        def judge(assembled: Upstream, trained: Upstream) -> Json:
            """Compares the candidates with the champion on the same rows, and says promote or reject, and why."""
            from perennial_airflow import tasks

            return tasks.judge(use_case, current_run(), assembled, trained)

        @task(multiple_outputs=False)
        def show(trained: Upstream, judged: Upstream) -> Json:
            """Shows each candidate as a run in MLflow, with pictures. Nothing waits for it."""
            from perennial_airflow import tasks

            return tasks.show(use_case, current_run(), trained, judged)

        @task(multiple_outputs=False)
        def deploy(judged: Upstream) -> Json:
            """Registers the winner and makes it champion; skipped where the champion stays."""
            from perennial_airflow import tasks

            return tasks.deploy(use_case, current_run(), judged)

        assembled = assemble()
        trained = train.partial(assembled=assembled).expand(candidate=[each.name for each in spec.training.candidates])
        check(assembled) >> trained
        judged = judge(assembled, trained)
        chain(judged, *_people(use_case), deploy(judged))
        show(trained, judged)
    return dag


def _people(use_case: LoadedUseCase) -> Sequence[BaseOperator]:
    """The tasks that ask people; what they need is imported only where the risk tier asks for any."""
    if not use_case.spec.risk_tier.approvers:
        return []
    from perennial_airflow.approve import ask_people

    return ask_people(use_case)
