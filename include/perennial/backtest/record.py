"""Keeps what came of a backtest, so that people find it beside the use case's windows."""

from collections.abc import Mapping, Sequence
from typing import Any

from perennial.backtest.backtest import PolicyResult
from perennial.encoding import as_json
from perennial.ledger.entries import Backtest
from perennial.ledger.port import Ledger
from perennial.spec.models import UseCase
from perennial.spec.monitoring import Monitoring
from perennial.window import Window


def record(
    spec: UseCase,
    policies: Mapping[str, Monitoring],
    windows: Sequence[Window],
    results: Sequence[PolicyResult],
    ledger: Ledger,
    run_id: str,
) -> Backtest:
    """Record the policies, by what differs in them from the spec, and their results. Errors: `StoreUnavailable`."""
    return ledger.record_backtest(
        Backtest(
            use_case=spec.name,
            since=windows[0].start,
            until=windows[-1].end,
            windows=len(windows),
            metric=spec.training.metric,
            policies={name: _differences(policy, spec.monitoring) for name, policy in policies.items()},
            results=tuple(as_json(each) for each in results),
            run_id=run_id,
        )
    )


def _differences(policy: Monitoring, usual: Monitoring) -> dict[str, Any]:
    before = usual.model_dump(mode="json")
    return {name: value for name, value in policy.model_dump(mode="json").items() if value != before[name]}
