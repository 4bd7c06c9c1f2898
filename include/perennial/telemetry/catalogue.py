"""Every gauge that there is: the registry from which the answer, its documentation and its tests are made.

All are gauges. They are computed from what the ledger has when somebody asks, so that a task that was killed takes
nothing with it, and a window that is scored again is not counted twice. What is counted is counted over the last
windows: a count over all of history would cost more every year.
"""

import sys
from dataclasses import dataclass
from enum import StrEnum

from perennial.ledger.parts.latest import LAST_DECISIONS

NAMESPACE = "perennial"
RECENT = 60  # windows that `recent` gauges are about, up to the last one that was read
MOST_COLUMNS = 100  # of a use case whose p-values are told


class Origin(StrEnum):
    """Where a gauge's value comes from. `AIRFLOW` is asked by the API server only, `perennial metrics` can't."""

    LEDGER = "ledger"
    SPECS = "specs"
    AIRFLOW = "Airflow"


@dataclass(frozen=True)
class Gauge:
    """What a gauge says, by which labels it is told apart, and in which unit ("" for counts, versions and states)."""

    says: str
    labels: tuple[str, ...] = ("use_case",)
    unit: str = ""
    origin: Origin = Origin.LEDGER


_SECONDS, _UNIX, _RATIO = "seconds", "seconds since 1970", "ratio"
_OF_MODEL = ("use_case", "metric", "model_version")
_OF_DAG = ("use_case", "dag")
_IN_RECENT = f"of the last {RECENT} windows"

GAUGES: dict[str, Gauge] = {
    "build_info": Gauge("Always 1; the label says which version of Perennial answers.", ("version",), "", Origin.SPECS),
    "specs_broken": Gauge("Use cases whose spec is wrong; there is no other gauge about them.", (), "", Origin.SPECS),
    "use_case_info": Gauge(
        "Always 1; the labels say who owns the use case, its deciding metric, and how long its windows are.",
        ("use_case", "owner", "metric", "every"),
        "",
        Origin.SPECS,
    ),
    "windows_missing": Gauge(
        "Windows that should have been scored by now and were not, as far back as `retention`. Those that validation "
        "refused are left out."
    ),
    "recent_windows": Gauge(
        f"Windows {_IN_RECENT}, by what became of them: scored, scored_late (after the deadline, or 15 minutes after "
        "they were due; a backfill is late by nature), refused, empty, missing, not_scored (at work, or before the "
        "first model).",
        ("use_case", "state"),
    ),
    "recent_windows_drifted": Gauge(f"Windows {_IN_RECENT} that drifted."),
    "recent_windows_labels_overdue": Gauge(f"Windows {_IN_RECENT} for which far fewer labels came than usual."),
    "recent_rows": Gauge(
        f"Rows {_IN_RECENT}, by what validation did with them: clean or quarantined.", ("use_case", "fate"), "rows"
    ),
    "recent_rows_late": Gauge(
        f"Rows {_IN_RECENT} that were added, removed or changed after the window was first read.", unit="rows"
    ),
    "last_scored_window_end_timestamp_seconds": Gauge(
        "When the last window that was scored ended, in the data's time.", unit=_UNIX
    ),
    "last_scored_timestamp_seconds": Gauge("When that window's live revision was recorded.", unit=_UNIX),
    "last_scored_delay_seconds": Gauge(
        "How long after it was due that window's live revision was recorded.", unit=_SECONDS
    ),
    "last_scored_rows": Gauge("Predictions of that window.", unit="rows"),
    "last_scored_step_seconds": Gauge(
        "From the record of the step before (ingest, validate, score) to the record of this one (validate, score, "
        "monitor), in the run that scored that window: the work, and the wait for a worker. Left out where the step "
        "before was done by another run.",
        ("use_case", "step"),
        _SECONDS,
    ),
    "last_verdict": Gauge(
        "1 for the verdict of the last window that the check looked at, 0 for the others. Checks: validation, drift, "
        "performance.",
        ("use_case", "check", "verdict"),
    ),
    "drift_p_value": Gauge("How unusual all columns together are in the last window that was monitored.", unit=_RATIO),
    "drift_column_p_value": Gauge(
        f"How unusual each column by itself is in the last window that was scored; at most {MOST_COLUMNS} columns, by "
        "name.",
        ("use_case", "column"),
        _RATIO,
    ),
    "performance_value": Gauge(
        "The deciding metric of the last window whose labels are complete, in the metric's own unit.", _OF_MODEL
    ),
    "performance_low": Gauge("The lower end of its 95% interval.", _OF_MODEL),
    "performance_high": Gauge("The upper end of its 95% interval.", _OF_MODEL),
    "performance_expected": Gauge("The same metric on the holdout of the model that scored that window.", _OF_MODEL),
    "performance_window_end_timestamp_seconds": Gauge("When that window ended, in the data's time.", unit=_UNIX),
    "champion_info": Gauge("Always 1; the label says which version is in service.", ("use_case", "model_version")),
    "champion_effective_timestamp_seconds": Gauge(
        "The time from which the champion scores windows, in the data's time.", unit=_UNIX
    ),
    "champion_deployed_timestamp_seconds": Gauge("When it was deployed.", unit=_UNIX),
    "rollout_stage": Gauge(
        "1 for the stage that the roll-out of a new model is in, 0 for the others: none, shadow, canary.",
        ("use_case", "stage"),
    ),
    "rollout_share_ratio": Gauge(
        "The share of rows that the challenger predicts, 0 in the shadow; only while one is rolled out.",
        ("use_case", "model_version"),
        _RATIO,
    ),
    "recent_decisions": Gauge(
        f"Decisions among the last {LAST_DECISIONS} of each kind, by what was decided.", ("use_case", "kind", "action")
    ),
    "last_decision_timestamp_seconds": Gauge(
        "When the last of these was recorded.", ("use_case", "kind", "action"), _UNIX
    ),
    "approvals_open": Gauge("Requests for approval that wait for people: 0 or 1. One whose run was ended counts, too."),
    "approval_asked_timestamp_seconds": Gauge("When people were asked for the open approval.", unit=_UNIX),
    "review_questions_open": Gauge(
        "Rows of the last 60 selections that nobody has answered, including those whose outcome has come since; only "
        "with `review`.",
    ),
    "alerts_open": Gauge(
        "1 while something of this kind needs a person, else 0; severities as in docs/alerts.md.",
        ("use_case", "concern", "severity"),
    ),
    "alert_messages_waiting": Gauge("Messages that are not delivered to a receiver yet; only with `alerts`."),
    "airflow_questions_open": Gauge(
        "Questions of a DAG that wait for an answer in Airflow.", _OF_DAG, "", Origin.AIRFLOW
    ),
    "airflow_runs_failed": Gauge(
        "Runs that failed in the last seven days and that no later run has made up for.", _OF_DAG, "", Origin.AIRFLOW
    ),
    "airflow_dag_paused": Gauge("1 while the DAG is paused.", _OF_DAG, "", Origin.AIRFLOW),
}


def full_name(name: str) -> str:
    """As it is exported.

    >>> full_name("windows_missing")
    'perennial_windows_missing'
    """
    return f"{NAMESPACE}_{name}"


def as_markdown() -> str:
    """The table of docs/observability.md."""
    head = "| gauge | labels | unit | from | what it says |\n| --- | --- | --- | --- | --- |\n"
    lines = (
        f"| `{full_name(name)}` | {', '.join(each.labels)} | {each.unit} | {each.origin} | {each.says} |\n"
        for name, each in GAUGES.items()
    )
    return head + "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(as_markdown())
