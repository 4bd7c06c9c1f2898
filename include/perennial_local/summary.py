"""What the demonstration has come to: where to look, and the numbers so far, from the ledger."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from perennial.ledger.entries import Performance
from perennial.ledger.port import Ledger
from perennial.spec.load import LoadedUseCase
from perennial.window import Window
from perennial_local.addresses import Addresses
from perennial_local.keys import ADMIN, Keys


@dataclass(frozen=True)
class ModelScore:
    """The deciding metric of one model version: the mean over its windows, weighted by their labelled rows."""

    model_version: str
    first: Window
    last: Window
    windows: int
    value: float


def scores_by_model(performances: Sequence[Performance], metric: str) -> list[ModelScore]:
    """How good each model version was on the windows it scored, in the order they served.

    Windows on which the metric could not be measured are left out.
    """
    by_version: dict[str, list[Performance]] = defaultdict(list)
    for performance in sorted(performances, key=lambda each: each.window):
        if metric in performance.metrics and performance.labelled:
            by_version[performance.model_version].append(performance)
    return [
        ModelScore(
            model_version=version,
            first=measured[0].window,
            last=measured[-1].window,
            windows=len(measured),
            value=sum(each.metrics[metric] * each.labelled for each in measured)
            / sum(each.labelled for each in measured),
        )
        for version, measured in by_version.items()
    ]


def show_numbers(console: Console, use_case: LoadedUseCase, ledger: Ledger) -> None:
    """Print what the ledger knows of the use case."""
    status = ledger.status(use_case.name)
    numbers = Table("windows scored", "rows", "alarms", "retrains", title=use_case.spec.title, title_justify="left")
    numbers.add_row(*(f"{n:,}" for n in (status.windows_scored, status.rows_scored, status.alarms, status.retrains)))
    console.print(numbers)
    if status.last_window is None:
        return
    metric = use_case.spec.training.metric
    performances = ledger.performance_between(use_case.name, use_case.spec.start, status.last_window.end)
    models = Table("model", "first window", "last window", "windows", metric)
    for score in scores_by_model(performances, metric):
        days = (f"{window.start:%Y-%m-%d}" for window in (score.first, score.last))
        models.add_row(score.model_version, *days, str(score.windows), f"{score.value:.3f}")
    if models.row_count:
        console.print(models)


def show_addresses(console: Console, addresses: Addresses, keys: Keys) -> None:
    """Print where the two web interfaces are, and how to log in."""
    console.print(f"\n  Airflow  {addresses.airflow}   user {ADMIN}   password {keys.admin_password}", markup=False)
    console.print(f"  MLflow   {addresses.mlflow}   no login\n", markup=False)
