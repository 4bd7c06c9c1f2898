"""Writes what was found as HTML, with the templates beside this module."""

from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from perennial import clock
from perennial.pages import words
from perennial.pages.asked import Asked
from perennial.pages.charts.calendar import calendar, summary
from perennial.pages.charts.compared import compared
from perennial.pages.charts.delay import delay_curve
from perennial.pages.charts.estimates import described, estimated_point, estimates_chart, measured_point
from perennial.pages.charts.events import WORDS, event_word, shape
from perennial.pages.charts.family import family
from perennial.pages.charts.histogram import histogram
from perennial.pages.charts.limits import limits
from perennial.pages.charts.performance import performance
from perennial.pages.charts.prediction_spread import prediction_chart
from perennial.pages.charts.sparkline import sparkline, told
from perennial.pages.charts.windows import counts, labels_word, models_word, small_strip, state_word, strip
from perennial.review.timeline import WindowState
from perennial.window import Window
from perennial.wording import counted, date


def rendered(asked: Asked, template: str, **values: Any) -> bytes:
    """The page, as bytes in UTF-8. A value that the template needs and that is not there is an error."""

    def window_page(use_case: str, window: Window) -> str:
        return f"{asked.base}/dags/{use_case}.predict/windows/{window.key}"

    def of_state(use_case: str) -> Callable[[WindowState], str]:
        return lambda state: window_page(use_case, state.window)

    def run_page(run_id: str) -> str | None:
        """Airflow's page of a run, None for what the command line wrote."""
        dag_id, separator, name = run_id.partition("/")
        return f"{asked.airflow}/dags/{dag_id}/runs/{name}" if separator else None

    def report_page(run_id: str) -> str | None:
        """Our report on a run, None for what the command line wrote."""
        dag_id, separator, name = run_id.partition("/")
        return f"{asked.base}/dags/{quote(dag_id)}/runs/{quote(name)}" if separator else None

    page = _environment().get_template(template)
    return page.render(
        base=asked.base,
        airflow=asked.airflow,
        now=clock.now(),
        window_page=window_page,
        of_state=of_state,
        run_page=run_page,
        report_page=report_page,
        **values,
    ).encode()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("perennial.pages"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {
        "instant": words.instant,
        "window": words.window_name,
        "number": words.number,
        "plain": words.plain,
        "p": words.p_value,
        "share": words.share,
        "validation_word": words.validation_word,
        "drift_word": words.drift_word,
        "labels_word": labels_word,
        "models_word": models_word,
        "performance_word": words.performance_word,
        "window_label": words.window_label,
        "counted": counted,
        "day": words.day,
        "date": date,
        "duration": words.duration,
        "signed": words.signed,
        "setting": words.setting,
        "event_word": event_word,
        "state_word": state_word,
        "days": words.days,
        "decision_word": words.decision_word,
        "with_interval": described,
    }
    environment.globals |= {
        "strip": strip,
        "small_strip": small_strip,
        "histogram": histogram,
        "compared_chart": compared,
        "sparkline": sparkline,
        "history_in_words": told,
        "prediction_chart": prediction_chart,
        "estimates_chart": estimates_chart,
        "estimated_point": estimated_point,
        "measured_point": measured_point,
        "performance_chart": performance,
        "limits_chart": limits,
        "counts": counts,
        "calendar": calendar,
        "windows_summary": summary,
        "delay_chart": delay_curve,
        "family_chart": family,
        "event_shape": lambda change: Markup(shape(change)),  # noqa: S704 - drawn from constants
        "change_words": WORDS,
        "meanings": words.MEANINGS,
    }
    return environment
