"""The family of a use case's models: which came from which, what each learnt from, and when it was in service."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from perennial.jobs.retrain.export import Exported, exported_of
from perennial.ledger.entries import DecisionKind, DeployedRole, Deployment, RecordedDecision
from perennial.policy.promotion import WITHOUT_SKILL
from perennial.ports import Ports
from perennial.records.judgement import JUDGED, judgement_of
from perennial.records.retirement import archived_versions
from perennial.records.training_set import LAST_WEIGHTED
from perennial.spec.models import UseCase
from perennial.spec.training import NO_SKILL
from perennial.verdict import REJECT
from perennial.window import Window, parse_instant


@dataclass(frozen=True)
class Service:
    """A time in a role: for data from `since` to `until`, which is None while it lasts.

    `share` is the percentage of rows that a challenger in roll-out predicted then, 0 in the shadow.
    `again`: the version had been in service before, so this is a rollback. `deployment_id` is the ledger's entry.
    """

    role: DeployedRole
    since: datetime
    until: datetime | None
    again: bool
    actor: str
    approved_by: str | None
    reason: str
    run_id: str
    recorded_at: datetime | None
    deployment_id: int | None
    share: int | None = None


@dataclass(frozen=True)
class ModelVersion:
    """A version that was deployed, and all that the ledger says about how it came to be.

    `parent` is the version that it replaced when it was deployed first. It was trained as of `trained_as_of` on `rows`
    of `windows`, the first and last of which are named. `value` is the deciding metric on the holdout that it was
    judged on, `rival_value` that of the champion of the time, or of a prediction without skill (`rival`), on the same
    `holdout_rows`. `address` is its page in the model registry. `exports` are its files in other
    formats, and those that were refused. `verdict` is what the labels proved about it against its rival, with the
    `gain` and the ends of its interval. It is `archived` since a moment, None while it may serve. What is not on record
    is None.
    """

    version: str
    digest: str
    parent: str | None
    champion: bool
    trained_as_of: datetime | None
    first_window: Window | None
    last_window: Window | None
    windows: int | None
    rows: int | None
    value: float | None
    rival: str | None
    rival_value: float | None
    holdout_rows: int | None
    services: tuple[Service, ...]
    address: str | None
    exports: tuple[Exported, ...] = ()
    archived: datetime | None = None
    verdict: str | None = None
    gain: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Rejection:
    """A retraining after which the champion stayed: as of when, why, and the run that judged."""

    as_of: datetime
    reasons: tuple[str, ...]
    run_id: str


@dataclass(frozen=True)
class ModelFamily:
    """The versions that were ever deployed, and the retrainings that brought none; the newest first."""

    versions: tuple[ModelVersion, ...]
    rejected: tuple[Rejection, ...]


def run(spec: UseCase, ports: Ports) -> ModelFamily:
    """What the ledger knows of the use case's models. Errors: `StoreUnavailable`."""
    deployments = ports.ledger.deployments(spec.name)
    judged = ports.ledger.decisions(spec.name, DecisionKind.PROMOTE)
    won: dict[str, list[RecordedDecision]] = {}
    for each in judged:
        if digest := each.numbers.get("winner_digest"):
            won.setdefault(digest, []).append(each)
    exports = [exported_of(each) for each in ports.ledger.decisions(spec.name, DecisionKind.EXPORT)]
    archived = archived_versions(spec.name, ports.ledger)
    services = list(_services(deployments))
    by_id = {entry.id: entry for entry in deployments}
    current = next((each for each in reversed(deployments) if each.role is DeployedRole.CHAMPION), None)
    versions = []
    for entry in _first_of_each(deployments):
        own = tuple(service for version, service in services if version == entry.model_version)
        parent = _replaced(entry, deployments, by_id)
        decision = judgement_of(entry, won.get(entry.training.get(JUDGED, entry.model_digest), ()))
        rival, rival_value = _rival(decision, spec.training.metric)
        found: Mapping[str, Any] = decision.numbers if decision else {}
        versions.append(
            ModelVersion(
                version=entry.model_version,
                digest=entry.model_digest,
                parent=parent.model_version if parent else None,
                champion=current is not None and current.model_version == entry.model_version,
                trained_as_of=_instant(entry.training.get("as_of")),
                first_window=_window(entry.training.get("first_window")),
                last_window=_window(entry.training.get(LAST_WEIGHTED) or entry.training.get("last_window")),
                windows=entry.training.get("windows"),
                rows=entry.training.get("rows"),
                value=entry.metrics.get(spec.training.metric),
                rival=rival,
                rival_value=rival_value,
                holdout_rows=decision.numbers.get("rows") if decision else None,
                services=own,
                address=ports.registry.address(spec.name, entry.model_version),
                exports=tuple(each for each in exports if each.version == entry.model_version),
                archived=archived[entry.model_version].recorded_at if entry.model_version in archived else None,
                verdict=found.get("verdict"),
                gain=found.get("gain"),
                low=found.get("low"),
                high=found.get("high"),
            )
        )
    rejected = [Rejection(each.as_of, each.reasons, each.run_id) for each in judged if each.action == REJECT]
    return ModelFamily(tuple(reversed(versions)), tuple(reversed(rejected)))


def _first_of_each(deployments: Iterable[Deployment]) -> Iterable[Deployment]:
    first: dict[str, Deployment] = {}
    for entry in deployments:
        first.setdefault(entry.model_version, entry)
    return first.values()


def _replaced(
    entry: Deployment, deployments: Sequence[Deployment], by_id: Mapping[int | None, Deployment]
) -> Deployment | None:
    """The entry that a version replaced when it was deployed first: of a challenger, the champion of the time."""
    if entry.share is None:
        return by_id.get(entry.supersedes)
    before = [e for e in deployments if e.role is DeployedRole.CHAMPION and (e.id or 0) < (entry.id or 0)]
    return before[-1] if before else None


def _services(deployments: Sequence[Deployment]) -> Iterator[tuple[str, Service]]:
    """Each entry as the time that it lasted: until the next one for its role."""
    until = {each.supersedes: each.effective_from for each in deployments if each.supersedes is not None}
    seen: set[tuple[DeployedRole, str]] = set()
    for entry in deployments:
        if entry.ends:
            continue
        name = (entry.role, entry.model_version)
        yield (
            entry.model_version,
            Service(
                role=entry.role,
                since=entry.effective_from,
                until=until.get(entry.id) if entry.id is not None else None,
                again=name in seen and entry.share is None,
                actor=entry.actor,
                approved_by=entry.approved_by,
                reason=entry.reason,
                run_id=entry.run_id,
                recorded_at=entry.recorded_at,
                deployment_id=entry.id,
                share=entry.share,
            ),
        )
        seen.add(name)


def _rival(decision: RecordedDecision | None, metric: str) -> tuple[str | None, float | None]:
    """Whom the winner had to beat, and how that one did on the same rows."""
    if decision is None:
        return None, None
    numbers: Mapping[str, Any] = decision.numbers
    for name, value in numbers.items():
        if name.startswith("champion version ") and name.endswith(f".{metric}"):
            return name.removesuffix(f".{metric}"), value
    return WITHOUT_SKILL, numbers.get(f"{NO_SKILL}.{metric}")


def _window(key: object) -> Window | None:
    return Window.parse(key) if isinstance(key, str) else None


def _instant(text: object) -> datetime | None:
    return parse_instant(text) if isinstance(text, str) else None
