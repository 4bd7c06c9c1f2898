"""The tasks in which people are asked whether a model may be deployed, under Airflow's "Required actions".

Airflow keeps a person's answer with the task, and loses it when the task is cleared; whoever may edit the run can mark
the task successful, and change what it returned. So nothing here is decided by what Airflow says: before the server
hands an answer to Airflow it puts it on record (see `answers`), and these tasks, and `deploy` after them, go by the
record. A task whose question has been answered on record goes on without asking.
"""

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Context, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from perennial.spec.load import LoadedUseCase
from perennial_airflow.approval_tasks import REASON, TASKS
from perennial_airflow.note import FAILED, Line, clause
from perennial_airflow.noted import leave
from perennial_airflow.run import Run

JUDGE = "judge"


def ask_people(use_case: LoadedUseCase) -> list["AskPeople"]:
    """The tasks, for the DAG that is being built: one for each person that the risk tier asks for."""
    return [AskPeople(use_case=use_case, number=number) for number in range(1, use_case.spec.risk_tier.approvers + 1)]


class AskPeople(ApprovalOperator):
    """Ask one person; the second is asked when the first has approved. Without an answer in time, it is a rejection."""

    def __init__(self, *, use_case: LoadedUseCase, number: int, **kwargs: Any) -> None:
        spec = use_case.spec
        assert spec.risk is not None, "only a use case with a risk asks people"
        super().__init__(
            task_id=TASKS[number - 1],
            subject=f"A new model for {spec.title}",
            body="",
            defaults=self.REJECT,
            response_timeout=spec.risk.answer_within,
            params={
                # Airflow checks the values before it asks, so that an empty one is lawful here; answers.py refuses it.
                REASON: Param(
                    None,
                    type=["null", "string"],
                    minLength=1,
                    title="Reason",
                    description="Why; it is kept in the ledger with your name. An answer without it is refused.",
                )
            },
            retries=0,
            doc_md=f"Asks {'a' if number == 1 else 'another'} person whether the winner may be deployed; skipped where "
            "no candidate won.",
            **kwargs,
        )
        self._use_case = use_case
        self._number = number

    def execute(self, context: Context) -> Any:
        """Ask, unless there is nothing to ask, or it was answered before."""
        from perennial_airflow import asked

        run = Run.of(context)
        question = asked.question(self._use_case, run, context["ti"].xcom_pull(task_ids=JUDGE))
        if question.closed:
            leave(run, Line(then=clause(question.closed)))
            raise AirflowSkipException(question.closed)
        if len(question.approved_by) >= self._number:
            self.log.info("On record: approved by %s. Nobody is asked.", ", ".join(question.approved_by))
            return None
        self.subject, self.body = asked.texts(self._use_case, question, self._number)
        return super().execute(context)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Go on when the approval is on record; skip what follows when it was rejected, or nobody answered."""
        from perennial_airflow import asked

        run, person = Run.of(context), event.get("responded_by_user")
        place = f"{run.name}/{self.task_id}"
        if person is None:
            asked.expire(self._use_case, run, place)
            leave(run, Line(first=f"not approved: nobody answered {self.task_id} in time, and the champion stays"))
            # A task may write an answer of nobody's to its own question: that is no approval, whatever it says.
            nobody = {**event, "params_input": {}, "chosen_options": [self.REJECT]}
            return super().execute_complete(context, nobody)
        name = person["name"]
        question = asked.question(self._use_case, run, context["ti"].xcom_pull(task_ids=JUDGE))
        if self.APPROVE in event["chosen_options"]:
            if not question.closed and len(question.approved_by) >= self._number:
                return super().execute_complete(context, event)
            why = (
                f"Airflow has an answer of {name}, and the ledger has no approval that counts for this question"
                f"{f' ({question.closed})' if question.closed else ''}: it did not come through an API server with "
                "Perennial's plugin, which checks role and reason. Nothing is deployed. Clear this task to ask again."
            )
            leave(run, Line(first=f"{FAILED} {self.task_id}: {clause(why)}"))
            raise AirflowFailException(why)
        leave(
            run, Line(first=clause(f"not approved, and the champion stays: {question.closed or f'{name} rejected it'}"))
        )
        return super().execute_complete(context, event)
