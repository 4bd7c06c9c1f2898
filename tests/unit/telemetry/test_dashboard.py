"""Dashboard and alert rules ask only for what is exported, and every panel shows something on recorded gauges."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.telemetry.everything import RECORDED, recorded, with_everything
from tests.unit.telemetry.promql import Asked, asked, legend_labels
from tests.unit.telemetry.read import Read, parsed

from perennial.telemetry.catalogue import GAUGES, full_name

DEPLOY = Path(__file__).parents[3] / "deploy" / "observe"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "perennial.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "rules" / "perennial.yml").read_text())["groups"]
    for rule in group["rules"]
]
LABELS = {full_name(name): set(gauge.labels) for name, gauge in GAUGES.items()}
SHOWN = [each for each in DASHBOARD["panels"] if each["type"] != "row"]
QUERIES = [(panel["title"], target["expr"], target["legendFormat"]) for panel in SHOWN for target in panel["targets"]]


@pytest.fixture(scope="module")
def series() -> Read:
    return parsed(RECORDED.read_bytes())


def with_choice(expression: str) -> str:
    """As Grafana asks it for all use cases."""
    return expression.replace("$use_case", ".*")


def wrong_in(found: Asked) -> Iterator[str]:
    """What an expression asks for and nobody exports."""
    for selector in found.selectors:
        if selector.name not in LABELS:
            yield f"{selector.name} is not exported"
            continue
        yield from (
            f"{selector.name} has no label {label}"
            for label, _, _ in selector.matchers
            if label not in LABELS[selector.name]
        )
        yield from (
            f"{selector.name} has no label {label} to group by" for label in found.labels - LABELS[selector.name]
        )


def test_the_recording_is_of_the_gauges_of_today(series: Read, tmp_path: Path) -> None:
    again = parsed(recorded(with_everything(tmp_path)))
    assert set(series) == set(again), "run python -m tests.unit.telemetry.everything"
    assert {name for name, _ in series} == set(LABELS)


@pytest.mark.parametrize(("title", "expression", "legend"), QUERIES)
def test_panels_ask_for_what_is_exported_and_show_it(title: str, expression: str, legend: str, series: Read) -> None:
    found = asked(with_choice(expression))
    assert found.selectors
    assert list(wrong_in(found)) == []
    for selector in found.selectors:
        assert any(selector.fits(name, dict(labels)) for name, labels in series), f"{title}: nothing fits {selector}"
    left = found.labels if found.labels and "by (" in expression else LABELS[found.selectors[0].name]
    assert set(legend_labels(legend)) <= left, f"{title}: the legend names a label that the result has not got"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_rules_ask_for_what_is_exported(rule: dict[str, Any]) -> None:
    found = asked(rule["expr"])
    assert list(wrong_in(found)) == []
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    said = rule["annotations"]
    labels = set().union(*(LABELS[selector.name] for selector in found.selectors))
    assert set(legend_labels(said["summary"])) <= labels | {"value"}
    assert said["summary"].endswith((".", ". "))
    assert said["description"].endswith(".")


def test_what_nobody_exports_is_noticed() -> None:
    wrong = "sum by (nobody) (perennial_windows_missing{state='x'}) + perennial_windows_scored"
    assert list(wrong_in(asked(wrong))) == [
        "perennial_windows_missing has no label state",
        "perennial_windows_missing has no label nobody to group by",
        "perennial_windows_scored is not exported",
    ]


def test_units_are_set_and_fit() -> None:
    for panel in SHOWN:
        unit = panel["fieldConfig"]["defaults"]["unit"]
        assert unit in {"short", "s", "percentunit", "none"}
        for expression in (target["expr"] for target in panel["targets"]):
            ratio = "ratio" in expression or " / " in expression
            assert (unit == "percentunit") == ratio, panel["title"]
            assert (unit == "s") == ("seconds" in expression), panel["title"]
        assert panel["description"].endswith(".")


def test_every_gauge_is_shown_or_watched() -> None:
    used = {selector.name for _, expression, _ in QUERIES for selector in asked(with_choice(expression)).selectors}
    used |= {selector.name for rule in RULES for selector in asked(rule["expr"]).selectors}
    assert set(LABELS) - used == set()


def test_panels_do_not_lie_over_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))
