"""A ledger that has seen a year: windows in every state, five models, a rollback, and labels that take a while."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.jobs.world import EXPECTATIONS, SPEC

from perennial.artifacts.memory import InMemoryArtifacts
from perennial.lake.memory import InMemoryLake
from perennial.ledger.entries import (
    Batch,
    DecisionKind,
    DeployedRole,
    Deployment,
    DriftReport,
    LateRows,
    Performance,
    RecordedDecision,
    Snapshot,
    ValidationResult,
)
from perennial.ledger.memory.ledger import InMemoryLedger
from perennial.performance.delay import GRID
from perennial.performance.maturity import Maturity
from perennial.ports import Ports
from perennial.published.memory import InMemoryPublished
from perennial.registry.memory import MemoryRegistry
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.verdict import PROMOTE, REJECT, RETRAIN, Verdict
from perennial.window import Window

START = datetime(2024, 1, 1, tzinfo=UTC)
EXPECTED = 0.70


class Registry(MemoryRegistry):
    """One whose versions have pages."""

    def address(self, use_case: str, version: str) -> str | None:
        return f"https://models.example/{use_case}/{version}"


class Life:
    """A use case's life, told entry by entry. Windows are named by their number, from 0."""

    def __init__(self, folder: Path, spec: str = SPEC) -> None:
        home = folder / "parcels"
        home.mkdir()
        (home / "use_case.yaml").write_text(spec)
        (home / "expectations.yaml").write_text(EXPECTATIONS)
        self.use_case: LoadedUseCase = load_use_case(home)
        self.spec = self.use_case.spec
        self.now = START
        self.ledger = InMemoryLedger(lambda: self.now)
        self._versions = 0

        def no_source(*_: Any) -> Any:
            raise AssertionError("a page reads no source")

        self.ports = Ports(no_source, InMemoryLake(), self.ledger, Registry(), InMemoryPublished(), InMemoryArtifacts())
        self.windows: list[Window] = []

    def window(self, number: int) -> Window:
        while len(self.windows) <= number:
            at = self.windows[-1].end if self.windows else self.spec.start
            self.windows.append(self.spec.grid.containing(at))
        return self.windows[number]

    def run_of(self, number: int) -> str:
        return f"parcels.predict/scheduled__{number}"

    def read(self, number: int, verdict: Verdict = Verdict.PASS, quarantined: int = 0) -> None:
        window, run_id = self.window(number), self.run_of(number)
        self.now = window.end
        self.ledger.record_snapshot(Snapshot("parcels", window, "raw", number, f"s{number}", 900, {}, "", run_id))
        self.ledger.record_validation(
            ValidationResult("parcels", window, f"s{number}", "suite", verdict, (), 900, quarantined, {}, run_id)
        )

    def score(self, number: int, version: str, drift: Verdict = Verdict.PASS) -> None:
        window, run_id, digest = self.window(number), self.run_of(number), f"s{number}"
        self.ledger.record_batch(
            Batch(
                "parcels", window, 1, digest, "suite", "c", version, f"m{version}", "predictions", number, "d", 900,
                "as_was", number, "v", "l", run_id,
            ),
            expected=None,
        )  # fmt: skip
        p_value = 0.001 if drift is Verdict.FAIL else 0.5
        self.ledger.record_drift(
            DriftReport(
                "parcels", window, digest, f"m{version}", drift, p_value, 50, (), {}, (), {}, {}, run_id,
            )
        )  # fmt: skip

    def measure(
        self,
        number: int,
        version: str,
        value: float | None,
        maturity: Maturity = Maturity.FINAL,
        half: float = 0.03,
        arrivals: tuple[float, ...] = (),
        estimate: float | None = None,
    ) -> None:
        window = self.window(number)
        intervals = {} if value is None else {"roc_auc": {"low": value - half, "high": value + half}}
        known = {} if estimate is None else {"value": estimate, "low": estimate - 0.05, "high": estimate + 0.05}
        labelled = 0 if value is None else 880
        self.ledger.record_performance(
            Performance(
                "parcels", window, 1, version, f"m{version}", window.end + timedelta(days=3), maturity, 900, labelled,
                labelled / 900, Verdict.PASS, {} if value is None else {"roc_auc": value}, intervals,
                {"roc_auc": known} if known else {}, arrivals, {}, 1, "parcels.evaluate/scheduled__1",
            )
        )  # fmt: skip

    def late(self, number: int, rows: int = 4) -> None:
        window = self.window(number)
        self.ledger.record_late_rows(
            LateRows("parcels", window, 2, 1, window.end, 900, 900 + rows, rows, 0, 0, 1, rows, "run")
        )

    def deploy(self, number: int, version: str, reason: str, approved_by: str | None = None) -> Deployment:
        """The version becomes champion from a window on; it learnt from the 28 windows before."""
        at, role = self.window(number).start, DeployedRole.CHAMPION
        current = self.ledger.current_deployment("parcels", role)
        run_id = f"parcels.retrain/version_{version}_at_{number}"
        numbers: dict[str, Any] = {"winner_digest": f"m{version}", "rows": 1_250, "no_skill.roc_auc": 0.5}
        if current:
            numbers[f"champion version {current.model_version}.roc_auc"] = EXPECTED - 0.02
        if not approved_by:  # nobody judges a rollback
            self.ledger.record_decision(
                RecordedDecision(
                    "parcels", DecisionKind.PROMOTE, f"t{version} {number}", at, PROMOTE, ("better",), numbers, run_id
                )
            )
        first = self.window(max(number - 28, 0)).key
        training = {"as_of": at.isoformat(), "first_window": first, "last_window": self.window(max(number - 1, 0)).key}
        return self.ledger.deploy(
            Deployment(
                "parcels", role, version, f"m{version}", at, current.id if current else None, "policy", reason,
                {**training, "windows": 28, "rows": 25_200}, {"roc_auc": EXPECTED}, approved_by, "v", "l", run_id,
            )
        )  # fmt: skip

    def decide(self, number: int, kind: DecisionKind, action: str, reason: str) -> None:
        at = self.window(number).end
        run_id = self.run_of(number) if kind is not DecisionKind.PROMOTE else f"parcels.retrain/rejected_{number}"
        self.ledger.record_decision(
            RecordedDecision("parcels", kind, f"{kind} {number}", at, action, (reason,), {}, run_id)
        )


def arrivals(at_the_end: float, last: float = 0.98) -> tuple[float, ...]:
    """Shares of rows that are settled, on a straight line from the window's end until the labels are complete."""
    return tuple(float(each) for each in np.linspace(at_the_end, last, len(GRID)))


def year(folder: Path, days: int = 420, spec: str = SPEC) -> Life:
    """Every state that a window can have, and everything that can happen to a model."""
    life, random = Life(folder, spec), np.random.default_rng(11)
    changes = {30: "1", 120: "2", 200: "3", 260: "2", 320: "4"}
    version = ""
    for number in range(days):
        if number in changes:
            version = changes[number]
            again = number == 260
            life.deploy(number, version, "the model of May was worse" if again else "drift", "ada" if again else None)
        if number % 90 in (50, 51):
            continue  # missing
        refused = number % 97 == 41
        life.read(number, Verdict.FAIL if refused else Verdict.WARN if number % 53 == 0 else Verdict.PASS, number % 3)
        if refused or not version:
            continue
        drifted = number % 61 == 7 or number in (118, 119, 198, 199)
        life.score(number, version, Verdict.FAIL if drifted else Verdict.PASS)
        value = EXPECTED + random.normal(0, 0.015) - (0.06 if 190 < number < 200 else 0) - 0.1 * (230 < number < 260)
        if number < days - 3:
            life.measure(number, version, value, arrivals=arrivals(0.5 + 0.01 * (number % 10)))
        else:
            young = number == days - 1
            maturity = Maturity.ESTIMATED if young else Maturity.PARTIAL
            life.measure(number, version, None if young else value, maturity, 0.05, estimate=EXPECTED)
        if number % 47 == 3:
            life.late(number)
    for number, action in ((119, RETRAIN), (199, RETRAIN), (290, RETRAIN), (319, RETRAIN)):
        life.decide(number, DecisionKind.RETRAIN_ON_DRIFT, action, "The evidence of several windows is enough.")
    life.decide(291, DecisionKind.PROMOTE, REJECT, "boosting has ROC AUC 0.699, 0.001 less than the champion.")
    life.now = life.window(days - 1).end + timedelta(hours=2)
    return life
