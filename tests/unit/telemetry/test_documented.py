"""What docs/observability.md says of the gauges and the alerts is what there is."""

import re
from pathlib import Path

from tests.unit.telemetry.test_dashboard import RULES

from perennial.telemetry.catalogue import GAUGES, as_markdown

PAGE = (Path(__file__).parents[3] / "docs" / "observability.md").read_text()


def test_the_table_is_made_from_the_catalogue() -> None:
    (table,) = re.findall(r"<!-- made by perennial.telemetry.catalogue -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert table == as_markdown(), "paste what `python -m perennial.telemetry.catalogue` prints"


def test_names_follow_the_conventions_of_prometheus() -> None:
    for name, gauge in GAUGES.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
        assert not name.endswith(("_total", "_count", "_sum", "_bucket"))  # those are counters and histograms
        assert name.endswith("_seconds") == gauge.unit.startswith("seconds"), name
        assert name.endswith("_timestamp_seconds") == (gauge.unit == "seconds since 1970"), name
        assert name.endswith("_ratio") <= (gauge.unit == "ratio"), name
        assert len(set(gauge.labels)) == len(gauge.labels)
        assert not {"job", "instance", "alertname", "le", "quantile"} & set(gauge.labels)
        assert gauge.says.endswith("."), name


def test_every_alert_is_in_the_table() -> None:
    told = dict(re.findall(r"^\| (Perennial\w+) \|.*\| (\w+) \|$", PAGE, re.MULTILINE))
    assert told == {rule["alert"]: rule["labels"]["severity"] for rule in RULES}
