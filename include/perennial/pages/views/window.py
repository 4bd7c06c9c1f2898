"""The report of one window."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from perennial import clock
from perennial.drift.columns import ColumnDrift
from perennial.drift.named_measures import TEST, TEST_EXPLAINED, measure_of
from perennial.pages.asked import Asked, Found, asked_use_case, asked_window
from perennial.pages.narrowed import Narrowed, narrowed
from perennial.ports import Ports
from perennial.review import window_report
from perennial.review.validation import Expected
from perennial.review.window_report import WindowReport
from perennial.settings import Settings
from perennial.spec.models import UseCase

MANY = 8  # expectations, or columns, of which a reader wants to choose some
GROUPED = 20  # expectations, of which each column's stand under its name
WHOLE = "the window as a whole"


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the window that is named. `column`, `only` and `page` choose what of it is shown."""
    use_case = asked_use_case(asked, settings)
    window = asked_window(asked, use_case)
    report = window_report.run(use_case, window, clock.now(), ports)
    return Found(report, "window.html", {"spec": use_case.spec, **_shown(asked, use_case.spec, report)})


def _shown(asked: Asked, spec: UseCase, report: WindowReport) -> dict[str, Any]:
    drift = report.drift.assessment if report.drift else None
    measured = (*drift.columns, *drift.joint) if drift else ()
    look = narrowed(asked.arguments, (*spec.columns, *(each.name for each in measured)))
    ranked = sorted(drift.columns, key=lambda each: (not each.drifted, -each.importance)) if drift else []
    columns = [each for each in ranked if look.shows((each.name,), failed=each.drifted)]
    page = look.page(len(columns))
    return {
        "look": look,
        "many": MANY,
        "grouped": GROUPED,
        "groups": tuple(_grouped(report.validation.expectations, look)) if report.validation else (),
        "cards": page.of(columns),
        "columns_found": len(columns),
        "in_table": [each for each in measured if look.shows((each.name,), failed=each.drifted)],
        "page": page,
        "kind_of": lambda name: str(spec.columns[name].kind) if name in spec.columns else "",
        "measure_of": measure_of,
        "measures": _measures(measured),
        "test": TEST,
        "test_explained": TEST_EXPLAINED,
        "handled": report.handled,
    }


def _grouped(expectations: tuple[Expected, ...], look: Narrowed) -> Iterator[tuple[str | None, list[Expected]]]:
    """What is not met, the critical first, under no heading; then what is met, by the columns it is about."""
    shown = [each for each in expectations if look.shows(each.columns, failed=not each.met)]
    if failed := [each for each in shown if not each.met]:
        yield None, sorted(failed, key=lambda each: (each.severity, each.columns))
    met = sorted((each for each in shown if each.met), key=_place)
    for name, group in groupby(met, key=_place):
        yield name or WHOLE, list(group)


def _place(expected: Expected) -> str:
    return ", ".join(expected.columns)


def _measures(measured: tuple[ColumnDrift, ...]) -> list[Any]:
    return list(dict.fromkeys(measure_of(each.unit) for each in measured))
