"""The panels of the dashboard: what each shows, by which expressions, in which unit. `dashboard` writes them down."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds of panels, by Grafana's names."""

    STAT = "stat"
    LINES = "timeseries"
    STATES = "state-timeline"


@dataclass(frozen=True)
class Query:
    """An expression, and how a line of it is named. `USE_CASE` in it is the choice of the person who looks."""

    expression: str
    legend: str = "{{use_case}}"


@dataclass(frozen=True)
class Panel:
    """One panel. `unit` is Grafana's name for it; `alarm` is the value from which a number is shown as bad."""

    title: str
    says: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    width: int = 12  # of 24
    stacked: bool = False
    alarm: float | None = None
    highest: float | None = None


USE_CASE = 'use_case=~"$use_case"'
COUNT, SECONDS, RATIO, PLAIN = "short", "s", "percentunit", "none"
STAT_WIDTH = 4


def _stat(title: str, says: str, expression: str, alarm: float | None = 1) -> Panel:
    return Panel(title, says, Kind.STAT, COUNT, (Query(expression, ""),), STAT_WIDTH, alarm=alarm)


def _lines(title: str, says: str, unit: str, *queries: Query, **more: bool | float) -> Panel:
    return Panel(title, says, Kind.LINES, unit, queries, **more)  # type: ignore[arg-type]


ROWS: dict[str, tuple[Panel, ...]] = {
    "At a glance": (
        _stat("Use cases", "How many there are.", f"count(perennial_use_case_info{{{USE_CASE}}})", None),
        _stat(
            "Windows missing",
            "Should have been scored by now, and were not.",
            f"sum(perennial_windows_missing{{{USE_CASE}}})",
        ),
        _stat(
            "Critical alerts",
            "What needs a person now, by the rules of the first review page.",
            f'sum(perennial_alerts_open{{{USE_CASE},severity="critical"}})',
        ),
        _stat("Approvals open", "New models that wait for people.", f"sum(perennial_approvals_open{{{USE_CASE}}})"),
        _stat(
            "Specs with mistakes", "Use cases that have no DAGs until they are mended.", "sum(perennial_specs_broken)"
        ),
        _stat(
            "Failed runs",
            "Of the last seven days, not made good since.",
            f"sum(perennial_airflow_runs_failed{{{USE_CASE}}})",
        ),
        Panel(
            "What needs a person",
            "Each concern of each use case: 1 while it stands.",
            Kind.STATES,
            COUNT,
            (Query(f"max by (use_case, concern) (perennial_alerts_open{{{USE_CASE}}})", "{{use_case}} {{concern}}"),),
            24,
            alarm=1,
        ),
    ),
    "Windows and rows": (
        _lines(
            "The last 60 windows",
            "By what became of them.",
            COUNT,
            Query(f"sum by (state) (perennial_recent_windows{{{USE_CASE}}})", "{{state}}"),
            stacked=True,
        ),
        _lines(
            "Windows missing",
            "By use case.",
            COUNT,
            Query(f"perennial_windows_missing{{{USE_CASE}}}"),
            alarm=1,
        ),
        _lines(
            "Age of the last window scored",
            "Since its end in the data's time. It grows until the next one is scored, and falls by a window's length.",
            SECONDS,
            Query(
                f"time() - perennial_last_scored_window_end_timestamp_seconds{{{USE_CASE}}}", "{{use_case}}, its end"
            ),
            Query(f"time() - perennial_last_scored_timestamp_seconds{{{USE_CASE}}}", "{{use_case}}, its record"),
        ),
        _lines(
            "Delay of the last window scored",
            "From when it was due to its record.",
            SECONDS,
            Query(f"perennial_last_scored_delay_seconds{{{USE_CASE}}}"),
        ),
        _lines(
            "Seconds by step",
            "Of the last window scored: the work, and the wait for a worker.",
            SECONDS,
            Query(f"perennial_last_scored_step_seconds{{{USE_CASE}}}", "{{use_case}} {{step}}"),
        ),
        _lines(
            "Rows of the last window scored",
            "Predictions that were published.",
            COUNT,
            Query(f"perennial_last_scored_rows{{{USE_CASE}}}"),
        ),
        _lines(
            "Share of rows in quarantine",
            "Of the last 60 windows.",
            RATIO,
            Query(
                f'perennial_recent_rows{{{USE_CASE},fate="quarantined"}} / ignoring (fate) '
                f"sum without (fate) (perennial_recent_rows{{{USE_CASE}}})"
            ),
            highest=1,
        ),
        _lines(
            "Rows that came late",
            "Came, went or changed after their window was read first; of the last 60 windows.",
            COUNT,
            Query(f"perennial_recent_rows_late{{{USE_CASE}}}"),
        ),
    ),
    "Drift and performance": (
        _lines(
            "Drift of the last window",
            "The p-value of all columns together: small is unusual. The level follows from the false alarms accepted.",
            PLAIN,
            Query(f"perennial_drift_p_value{{{USE_CASE}}}"),
            highest=1,
        ),
        _lines(
            "The ten most unusual columns",
            "The p-value of each column by itself.",
            PLAIN,
            Query(f"bottomk(10, perennial_drift_column_p_value{{{USE_CASE}}})", "{{use_case}} {{column}}"),
            highest=1,
        ),
        _lines(
            "Performance",
            "The deciding metric of the last window with complete labels, its 95% interval, and what was expected.",
            PLAIN,
            Query(f"perennial_performance_value{{{USE_CASE}}}", "{{use_case}} {{metric}} v{{model_version}}"),
            Query(f"perennial_performance_low{{{USE_CASE}}}", "{{use_case}} low"),
            Query(f"perennial_performance_high{{{USE_CASE}}}", "{{use_case}} high"),
            Query(f"perennial_performance_expected{{{USE_CASE}}}", "{{use_case}} expected"),
        ),
        _lines(
            "Windows that drifted, and that wait for labels",
            "Of the last 60.",
            COUNT,
            Query(f"perennial_recent_windows_drifted{{{USE_CASE}}}", "{{use_case}} drifted"),
            Query(f"perennial_recent_windows_labels_overdue{{{USE_CASE}}}", "{{use_case}} labels overdue"),
        ),
        _lines(
            "Age of the last window measured",
            "Since its end: how long labels take, and whether somebody measures.",
            SECONDS,
            Query(f"time() - perennial_performance_window_end_timestamp_seconds{{{USE_CASE}}}"),
        ),
        Panel(
            "Verdicts that are not pass",
            "The last verdict of each check: 1 for the one that holds.",
            Kind.STATES,
            COUNT,
            (
                Query(
                    f'perennial_last_verdict{{{USE_CASE},verdict!="pass"}}',
                    "{{use_case}} {{check}} {{verdict}}",
                ),
            ),
            alarm=1,
        ),
    ),
    "Models and decisions": (
        Panel(
            "Model in service",
            "The version of the champion.",
            Kind.STATES,
            COUNT,
            (Query(f"perennial_champion_info{{{USE_CASE}}}", "{{use_case}} v{{model_version}}"),),
        ),
        _lines(
            "Age of the model in service",
            "Since it was deployed, and since it scores windows in the data's time.",
            SECONDS,
            Query(f"time() - perennial_champion_deployed_timestamp_seconds{{{USE_CASE}}}", "{{use_case}} deployed"),
            Query(f"time() - perennial_champion_effective_timestamp_seconds{{{USE_CASE}}}", "{{use_case}} in force"),
        ),
        _lines(
            "Roll-outs",
            "The share of rows that a challenger predicts: 0 in the shadow, no line where none is rolled out.",
            RATIO,
            Query(f"perennial_rollout_share_ratio{{{USE_CASE}}}", "{{use_case}} v{{model_version}}"),
            highest=1,
        ),
        Panel(
            "Stage of the roll-out",
            "1 for the stage that holds.",
            Kind.STATES,
            COUNT,
            (Query(f"perennial_rollout_stage{{{USE_CASE}}}", "{{use_case}} {{stage}}"),),
        ),
        _lines(
            "Decisions",
            "Of the last 60 of each kind.",
            COUNT,
            Query(
                f"sum by (kind, action) (perennial_recent_decisions{{{USE_CASE}}})",
                "{{kind}}: {{action}}",
            ),
            stacked=True,
        ),
        _lines(
            "Since the last decision",
            "By kind and action.",
            SECONDS,
            Query(
                f"time() - perennial_last_decision_timestamp_seconds{{{USE_CASE}}}",
                "{{use_case}} {{kind}}: {{action}}",
            ),
        ),
    ),
    "People and Airflow": (
        _lines(
            "Approvals waiting",
            "How long the open request has waited.",
            SECONDS,
            Query(f"time() - perennial_approval_asked_timestamp_seconds{{{USE_CASE}}}"),
        ),
        _lines(
            "Questions to people",
            "Rows of the review queue that nobody answered, and questions in Airflow.",
            COUNT,
            Query(f"perennial_review_questions_open{{{USE_CASE}}}", "{{use_case}} review queue"),
            Query(f"perennial_airflow_questions_open{{{USE_CASE}}}", "{{use_case}}.{{dag}} in Airflow"),
        ),
        _lines(
            "Messages that wait for a receiver",
            "Written, and not delivered yet.",
            COUNT,
            Query(f"perennial_alert_messages_waiting{{{USE_CASE}}}"),
            alarm=1,
        ),
        Panel(
            "DAGs that are paused",
            "1 while a DAG is paused.",
            Kind.STATES,
            COUNT,
            (Query(f"perennial_airflow_dag_paused{{{USE_CASE}}}", "{{use_case}}.{{dag}}"),),
            alarm=1,
        ),
    ),
}


def panels() -> list[Panel]:
    """All of them."""
    return [panel for of_row in ROWS.values() for panel in of_row]
