"""Which model scores a window (invariant I7)."""

from dataclasses import dataclass
from enum import StrEnum

from perennial.errors import NoModel
from perennial.ledger.entries import DeployedRole, Deployment
from perennial.ledger.port import Ledger
from perennial.records.first_model import first_training, history_too_short
from perennial.spec.models import UseCase
from perennial.window import Window


class Resolution(StrEnum):
    """How the model is found."""

    AS_WAS = "as_was"
    AS_KNOWN = "as_known"
    AS_NOW = "as_now"
    PINNED = "pinned"


@dataclass(frozen=True)
class Assignment:
    """Who predicts a window: the champion, and beside it the challenger of a roll-out, if one is in force.

    `challenger` is its stage; in the shadow its share is 0, and nothing that is published is by it.
    """

    champion: Deployment
    challenger: Deployment | None = None

    @property
    def canary(self) -> Deployment | None:
        """The stage of a challenger that predicts published rows; None where the champion predicts all."""
        stage = self.challenger
        return stage if stage and stage.share and stage.model_digest != self.champion.model_digest else None


@dataclass(frozen=True)
class ModelChoice:
    """How the model of a window is found.

    `as_was`: the champion in force at the window's start, as it is recorded now, and the challenger beside it.
    `as_known`: the same, as it was recorded when the window was scored first; for a window without predictions, when it
    ended. `as_now`: today's champion alone. `pinned`: the version named, alone.
    """

    resolution: Resolution = Resolution.AS_WAS
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "ModelChoice":
        """The choice that `as_was`, `as_known`, `as_now` or `pinned:<version>` names.

        Errors: `NoModel` for any other text.
        """
        name, _, version = text.partition(":")
        if name not in set(Resolution) or (name == Resolution.PINNED) != bool(version):
            raise NoModel(f"{text!r} does not say which model; write as_was, as_known, as_now or pinned:<version>.")
        return cls(Resolution(name), version or None)

    def __str__(self) -> str:
        return f"{self.resolution}:{self.version}" if self.version else str(self.resolution)

    def resolve(self, spec: UseCase, window: Window, ledger: Ledger) -> Assignment:
        """The deployments whose models score the window. Errors: `NoModel`, saying what there is instead."""
        use_case, challenger = spec.name, None
        if self.resolution is Resolution.AS_NOW:
            found = ledger.current_deployment(use_case, DeployedRole.CHAMPION)
        elif self.resolution is Resolution.PINNED:
            entries = [entry for entry in ledger.deployments(use_case) if entry.model_version == self.version]
            found = entries[-1] if entries else None
        else:
            known_at = None
            if self.resolution is Resolution.AS_KNOWN:
                batches = ledger.batches(use_case, window)
                known_at = batches[0].recorded_at if batches else window.end
            found = ledger.deployment_at(use_case, DeployedRole.CHAMPION, window.start, known_at)
            challenger = ledger.deployment_at(use_case, DeployedRole.CHALLENGER, window.start, known_at)
        if found is None:
            raise NoModel(self._nothing(spec, window, ledger))
        return Assignment(found, challenger if challenger is not None and challenger.in_rollout else None)

    def _nothing(self, spec: UseCase, window: Window, ledger: Ledger) -> str:
        use_case = spec.name
        entries = ledger.deployments(use_case)
        if not entries:
            snapshot = ledger.latest_snapshot(use_case, window)
            return f"{use_case} has no model yet. {_how_to_train(spec, window, snapshot.rows if snapshot else 0)}"
        known = ", ".join(f"version {e.model_version} from {e.effective_from:%Y-%m-%dT%H:%MZ}" for e in entries)
        return (
            f"{use_case} has no model for {window} under {self}; the ledger has: {known}. "
            "`as_now` takes today's champion."
        )


def _how_to_train(spec: UseCase, window: Window, rows: int) -> str:
    """How to come to a first model, where windows have so many rows; 0 for unknown."""
    if too_short := history_too_short(spec, rows):
        return f"With this spec it can't have one: {too_short}."
    at = first_training(spec, window.start, rows)
    as_of = f"{at:%Y-%m-%dT%H:%MZ}"
    name = spec.name
    command = f"trigger the DAG {name}.retrain with as_of {as_of}, or run `perennial retrain {name} --as-of {as_of}`"
    if at <= window.start:
        return f"Train the first one: {command}."
    return (
        f"There is too little history before this window: training needs {spec.training.min_rows:,} rows "
        f"(training.min_rows), two holdouts, and mature labels; it has them from {as_of} on. To train then, "
        f"and score windows from then on: {command}."
    )
