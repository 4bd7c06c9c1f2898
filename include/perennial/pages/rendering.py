"""Writes what was found as HTML, with the templates beside this module."""

from collections.abc import Callable
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from perennial import clock
from perennial.pages import words
from perennial.pages.asked import Asked
from perennial.pages.charts.histogram import histogram
from perennial.pages.charts.limits import limits
from perennial.pages.charts.performance import performance
from perennial.pages.charts.windows import counts, labels_word, strip
from perennial.review.timeline import WindowState
from perennial.window import Window


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

    page = _environment().get_template(template)
    return page.render(
        base=asked.base,
        airflow=asked.airflow,
        now=clock.now(),
        window_page=window_page,
        of_state=of_state,
        run_page=run_page,
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
    }
    environment.globals |= {
        "strip": strip,
        "histogram": histogram,
        "performance_chart": performance,
        "limits_chart": limits,
        "counts": counts,
    }
    return environment
