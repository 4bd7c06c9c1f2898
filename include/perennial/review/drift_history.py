"""How unusual each column was in the windows before: so that a reader sees whether today's drift is new."""

from dataclasses import dataclass

from perennial.ledger.port import Ledger
from perennial.review import timeline
from perennial.spec.models import UseCase
from perennial.window import Window

WINDOWS = 30


@dataclass(frozen=True)
class DriftHistory:
    """The p-values of the last windows, oldest first, the window of the report last.

    `together` are the windows' joint p-values, `columns` those of each column and joint measure by its name; None where
    nothing was measured. `models` are the digests of the models that each window was compared with.
    """

    windows: tuple[Window, ...]
    together: tuple[float | None, ...]
    columns: dict[str, tuple[float | None, ...]]
    models: tuple[str | None, ...]


def run(spec: UseCase, window: Window, ledger: Ledger) -> DriftHistory:
    """The last `WINDOWS` windows up to this one; one question to the ledger. Errors: `StoreUnavailable`."""
    windows = tuple(timeline.last_windows(spec, window.end, WINDOWS)) or (window,)
    found = {each.window: each for each in ledger.drift_between(spec.name, windows[0].start, windows[-1].end)}
    reports = [found.get(each) for each in windows]
    names = dict.fromkeys(name for report in reversed(reports) if report for name in report.columns)
    return DriftHistory(
        windows=windows,
        together=tuple(report.p_value if report else None for report in reports),
        columns={
            name: tuple(report.columns.get(name, {}).get("p_value") if report else None for report in reports)
            for name in names
        },
        models=tuple(report.model_digest if report else None for report in reports),
    )
