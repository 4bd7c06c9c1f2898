"""The gauges about models: the champion, how good it is, the roll-out of its rival, and what was decided."""

from collections.abc import Iterator

from perennial.performance.maturity import Maturity
from perennial.spec.rollout import SHADOW
from perennial.telemetry.facts import Facts
from perennial.telemetry.samples import Sample, at, states

NONE, IN_SHADOW, CANARY = "none", "shadow", "canary"


def samples(facts: Facts) -> Iterator[Sample]:
    """All of them, of a use case."""
    name, champion = facts.spec.name, facts.recent.champion
    if champion is not None:
        yield Sample("champion_info", (name, champion.version), 1)
        yield at("champion_effective_timestamp_seconds", champion.effective_from, name)
        yield at("champion_deployed_timestamp_seconds", champion.recorded_at, name)
    yield from _performance(facts)
    yield from _rollout(facts)
    for each in facts.decisions:
        yield Sample("recent_decisions", (name, each.kind, each.action), each.count)
        yield at("last_decision_timestamp_seconds", each.last_recorded_at, name, each.kind, each.action)


def _performance(facts: Facts) -> Iterator[Sample]:
    name, metric = facts.spec.name, facts.spec.training.metric
    final = [each for each in facts.recent.windows if each.maturity is Maturity.FINAL and each.value is not None]
    if not final:
        return
    last = final[-1]
    labels = (name, metric, last.model_version or "")
    values = {"value": last.value, "low": last.low, "high": last.high, "expected": last.expected}
    for part, value in values.items():
        if value is not None:
            yield Sample(f"performance_{part}", labels, value)
    yield at("performance_window_end_timestamp_seconds", last.window.end, name)


def _rollout(facts: Facts) -> Iterator[Sample]:
    name, stage = facts.spec.name, facts.stage
    current = NONE if stage is None else IN_SHADOW if stage.share == SHADOW else CANARY
    yield from states("rollout_stage", (name,), (NONE, IN_SHADOW, CANARY), current)
    if stage is not None:
        yield Sample("rollout_share_ratio", (name, stage.model_version), stage.share / 100)
