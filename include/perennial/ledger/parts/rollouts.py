"""What the ledger keeps of roll-outs, and how several roles change hands at once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perennial.lease import Lease
from perennial.ledger.entries import Deployment, PairedGain, ShadowBatch


class Rollouts(Protocol):
    """The part of a `Ledger` that is about roll-outs. Errors of all: `StoreUnavailable`."""

    def deploy_together(self, deployments: Sequence[Deployment]) -> Sequence[Deployment]:
        """Append deployments of different roles of a use case, all of them or none, each as `Ledger.deploy` does.

        All begin at the same time, the latest that one of them may begin at. Tried again by the same run while they
        are current, they are returned. Errors: `DeploymentConflict`.
        """

    def record_shadow(self, shadow: ShadowBatch, lease: Lease | None = None) -> ShadowBatch:
        """Natural key: (use case, window, revision, challenger digest). The first one stands. Errors: `LeaseLost`."""

    def shadows_between(self, use_case: str, start: datetime, end: datetime) -> Sequence[ShadowBatch]:
        """The shadows of the windows inside `[start, end)`, by window, in the order they were recorded."""

    def record_gain(self, gain: PairedGain) -> PairedGain:
        """Natural key: (use case, window, champion digest, challenger digest, as_of). The first one stands."""

    def gains_between(
        self,
        use_case: str,
        start: datetime,
        end: datetime,
        *,
        champion: str,
        challenger: str,
        last: int | None = None,
    ) -> Sequence[PairedGain]:
        """The gains of one model over another, named by their digests, in the windows inside `[start, end)`.

        They are by window, those of one window by `as_of`; with `last`, only so many at the end.
        """
