"""The report of a retraining."""

from markupsafe import Markup

from perennial.pages.asked import Asked, Found, asked_use_case
from perennial.pages.charts.gain import gain_chart
from perennial.performance.gain import METRIC_TITLES
from perennial.ports import Ports
from perennial.review import retraining_report
from perennial.review.retraining_report import Judgement
from perennial.settings import Settings


def run(asked: Asked, settings: Settings, ports: Ports) -> Found:
    """The report of the run that is named."""
    found = retraining_report.run(asked_use_case(asked, settings), asked.arguments["run_id"], ports)
    return Found(found, "retraining.html", {"chart": _chart(found.judgement), "metric_titles": METRIC_TITLES})


def _chart(found: Judgement | None) -> Markup:
    if found is None:
        return Markup("")
    said = (
        f"{found.tested} is {_way(found.gain)} than {found.rival} in {METRIC_TITLES[found.metric]}; the interval goes "
        f"from {_way(found.low)} to {_way(found.high)}; {found.min_gain:g} better was asked for."
    )
    return gain_chart(found.gain, found.low, found.high, found.min_gain, found.margin, said)


def _way(gain: float) -> str:
    return f"{abs(gain):.3g} {'better' if gain > 0 else 'worse'}" if gain else "no better and no worse"
