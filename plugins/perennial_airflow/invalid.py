"""`<use case>.invalid`: what stands in for a use case whose spec is wrong.

An error raised while a DAG file is read would be shown as an import error, but it would also stop the schedules of
all DAGs of that file, which are those of all use cases. So the wrong one gets a DAG that says what is wrong, in the
list, where its DAGs would be; the others go on.
"""

import re

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowFailException

from perennial.errors import InvalidSpec


def invalid_dag(folder: str, error: InvalidSpec) -> DAG:
    """The DAG for the use case in the folder of that name."""
    message = str(error)
    with DAG(
        f"{re.sub(r'[^A-Za-z0-9_.-]', '_', folder)}.invalid",
        dag_display_name=f"{folder}: invalid spec",
        description=message.splitlines()[0] if message else "The spec is wrong.",
        doc_md=f"The use case **{folder}** has no DAGs because its spec is wrong:\n\n```text\n{message}\n```\n\n"
        "Correct it and check it with `perennial check`. This entry goes away by itself.\n",
        schedule=None,
        catchup=False,
        tags=["perennial", "invalid"],
    ) as dag:

        @task(retries=0)
        def explain() -> None:
            """Fails, with everything that is wrong."""
            raise AirflowFailException(message)

        explain()
    return dag
