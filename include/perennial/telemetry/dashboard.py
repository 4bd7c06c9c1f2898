"""The dashboard as Grafana reads it. `python -m perennial.telemetry.dashboard <file>` writes it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perennial.telemetry.panels import ROWS, Kind, Panel

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, STAT_HEIGHT, HEIGHT = 24, 4, 8
GREEN, RED = "green", "red"


def as_json() -> str:
    """The file that Grafana provisions."""
    return json.dumps(dashboard(), indent=2) + "\n"


def dashboard() -> dict[str, Any]:
    """The dashboard: a row for each part, over the use cases that are chosen above."""
    return {
        "uid": "perennial",
        "title": "Perennial",
        "description": "Every use case by the ledger: windows, drift, performance, models, and what waits for people.",
        "tags": ["perennial"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "timezone": "utc",
        "templating": {"list": [_source(), _use_case()]},
        "panels": list(_placed()),
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}


def _use_case() -> dict[str, Any]:
    query = "label_values(perennial_use_case_info, use_case)"
    return {
        "name": "use_case",
        "label": "Use case",
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "use_case"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
        "sort": 1,
    }


def _placed() -> Iterator[dict[str, Any]]:
    """Every panel at its place: from left to right, and below each other."""
    number, x, y, line = 0, 0, 0, 0
    for title, panels in ROWS.items():
        y, x, line, number = y + line, 0, 0, number + 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, y, 24, 1),
        }
        y += 1
        for panel in panels:
            height, number = STAT_HEIGHT if panel.kind is Kind.STAT else HEIGHT, number + 1
            if x + panel.width > WIDTH:
                x, y, line = 0, y + line, 0
            yield {"id": number, "gridPos": _at(x, y, panel.width, height), **_panel(panel)}
            x, line = x + panel.width, max(line, height)


def _at(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": GREEN, "value": None}]
    if panel.alarm is not None:
        steps.append({"color": RED, "value": panel.alarm})
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "min": 0,
        "noValue": "none",
        "color": {"mode": "palette-classic" if panel.kind is Kind.LINES else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "custom": _custom(panel),
    }
    if panel.highest is not None:
        defaults["max"] = panel.highest
    return {
        "type": str(panel.kind),
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": query.expression,
                "legendFormat": query.legend,
                "editorMode": "code",
                "range": True,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind is Kind.LINES:
        stacking = {"mode": "normal" if panel.stacked else "none", "group": "A"}
        return {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 20 if panel.stacked else 0, "stacking": stacking}
    return {}


def _options(panel: Panel) -> dict[str, Any]:
    if panel.kind is Kind.STAT:
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value"}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    if panel.kind is Kind.LINES:
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    return {"legend": legend, "mergeValues": True, "showValue": "never", "rowHeight": 0.9}


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(as_json())
