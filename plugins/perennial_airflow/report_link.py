"""Links to the review pages, for texts that Airflow shows as Markdown: what a DAG is about, and the notes of runs.

They are relative: Airflow's page names the address below which it lives, so that they hold where that has a path. Every
process that loads the plugin imports this module, so it imports nothing that is heavy.
"""

from urllib.parse import quote

WINDOWS_ROUTE, REPORT_ROUTE = "perennial-windows", "perennial-report"  # tabs of a DAG's and of a run's page
KINDS = ("predict", "evaluate", "retrain", "rollback")  # those of `DagKind`, whose module is heavy


def windows_of(dag_id: str) -> str:
    """The address of a DAG's tab with its windows."""
    return f"dags/{quote(dag_id, safe='')}/plugin/{WINDOWS_ROUTE}"


def report_link(dag_id: str, run_id: str) -> str:
    """A link to a run's report; "" for a run of a DAG that has none.

    >>> report_link("flights.predict", "backfill__2013-03-01T00:00:00+00:00")
    '[Report](dags/flights.predict/runs/backfill__2013-03-01T00%3A00%3A00%2B00%3A00/plugin/perennial-report)'
    >>> report_link("platform.maintenance", "one")
    ''
    """
    if dag_id.rpartition(".")[2] not in KINDS:
        return ""
    return f"[Report](dags/{quote(dag_id, safe='')}/runs/{quote(run_id, safe='')}/plugin/{REPORT_ROUTE})"
