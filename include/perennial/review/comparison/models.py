"""Two model versions side by side: what they learnt from, how they were judged, what they use, when they served."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from perennial.drift.reference import Reference
from perennial.errors import NoModel, PermanentError, StoreUnavailable
from perennial.ledger.entries import DeployedRole, Deployment, RecordedDecision
from perennial.modeling.reference import ModelReference
from perennial.ports import Ports
from perennial.records import judgement
from perennial.review.comparison.difference import Difference, Rank, ranked, sentence
from perennial.review.comparison.metrics import MetricCompared, of_different_rows
from perennial.review.comparison.parameters import ParameterCompared, known_parameters, parameters, told
from perennial.review.comparison.references import NO_REGISTRY, ReferenceCompared, references
from perennial.spec.load import LoadedUseCase

SHIFTED = 0.25  # reference SDs, or share of rows, that the reference's values moved
IMPORTANCE_MOVED = 0.1  # of all importances


@dataclass(frozen=True)
class Served:
    """For data of which time a model was the champion; `until` is None while it is."""

    since: datetime
    until: datetime | None


@dataclass(frozen=True)
class ModelSide:
    """One of the models. `recipe` is the candidate of the spec that won, None where that is not on record.

    `deployment` is the one by which it served first, and says what it was trained on and by whom it was deployed;
    `decision` is the judgement before it. `reference_windows` are what it considers normal.
    """

    version: str
    deployment: Deployment
    decision: RecordedDecision | None
    recipe: str | None
    served: tuple[Served, ...]
    reference_windows: int | None
    address: str | None


@dataclass(frozen=True)
class ModelsCompared:
    """Two models. `sentence` says the most important of the `differences`, which are ranked.

    `parameters` are those of both, the different ones first; none where those of one can't be read.

    `metrics` are those of either on its own holdout: different rows. `same_rows` are metrics of both on the holdout of
    the later one, where it was judged against the earlier one; empty otherwise.
    """

    use_case: str
    title: str
    before: ModelSide
    after: ModelSide
    sentence: str
    differences: tuple[Difference, ...]
    metrics: tuple[MetricCompared, ...]
    same_rows: tuple[MetricCompared, ...]
    judged_rows: int | None
    columns: tuple[ReferenceCompared, ...]
    remarks: tuple[str, ...]
    parameters: tuple[ParameterCompared, ...] = ()
    format: Literal[1] = 1


def run(use_case: LoadedUseCase, before: str, after: str, ports: Ports) -> ModelsCompared:
    """Compare two versions that were deployed. Errors: `NoModel` when one was not, `StoreUnavailable`."""
    spec = use_case.spec
    deployments = [each for each in ports.ledger.deployments(spec.name) if each.role is DeployedRole.CHAMPION]
    remarks: list[str] = []
    found = [_of(use_case, version, deployments, ports, remarks) for version in (before, after)]
    (one, one_reference), (other, other_reference) = found
    metrics = of_different_rows(one.deployment.metrics, other.deployment.metrics)
    same = _same_rows(one, other)
    columns = references(one_reference, other_reference)
    set_to = [known_parameters(ports.registry, spec.name, version, remarks) for version in (before, after)]
    hyper = parameters(*set_to)
    judged = _judged(one, other, same, spec.training.metric)
    differences = ranked([*judged, *_learnt(one, other), *_used(columns), *told(before, after, hyper)])
    return ModelsCompared(
        use_case=spec.name,
        title=spec.title,
        before=one,
        after=other,
        sentence=sentence(differences, f"Versions {before} and {after} are alike in all that is on record."),
        differences=differences,
        metrics=metrics,
        same_rows=same,
        judged_rows=other.decision.numbers.get("rows") if other.decision and same else None,
        columns=columns,
        remarks=tuple(remarks),
        parameters=hyper,
    )


def _of(
    use_case: LoadedUseCase, version: str, deployments: Sequence[Deployment], ports: Ports, remarks: list[str]
) -> tuple[ModelSide, Reference | None]:
    own = [each for each in deployments if each.model_version == version]
    if not own:
        known = ", ".join(dict.fromkeys(each.model_version for each in deployments)) or "none"
        raise NoModel(f"{use_case.name} has no deployed version {version!r}; it has: {known}.")
    first = own[0]
    decision = judgement.find(first, ports.ledger)
    reference = None
    try:
        stored = ports.registry.reference(use_case.name, version, first.model_digest)
        reference = ModelReference.from_json(stored).inputs
    except PermanentError as error:
        remarks.append(f"The reference of version {version} can't be read: {error}")
    except StoreUnavailable:  # what the ledger knows is compared all the same
        remarks.append(NO_REGISTRY.format(version))
    side = ModelSide(
        version=version,
        deployment=first,
        decision=decision,
        recipe=decision.numbers.get("winner") if decision else None,
        served=_served(version, deployments),
        reference_windows=len(reference.windows) if reference else None,
        address=ports.registry.address(use_case.name, version),
    )
    return side, reference


def _served(version: str, deployments: Sequence[Deployment]) -> tuple[Served, ...]:
    """Between its deployments' effective times and those that followed; none where another took over at once."""
    ends = [*(each.effective_from for each in deployments[1:]), None]
    return tuple(
        Served(each.effective_from, end)
        for each, end in zip(deployments, ends, strict=True)
        if each.model_version == version and end != each.effective_from
    )


def _same_rows(before: ModelSide, after: ModelSide) -> tuple[MetricCompared, ...]:
    """The metrics of both on the rows on which the later was judged against the earlier; none when it was not."""
    if after.decision is None or after.recipe is None:
        return ()
    numbers: dict[str, Any] = after.decision.numbers
    rival = f"champion version {before.version}."
    winner = f"{after.recipe}."
    return of_different_rows(_named(numbers, rival), _named(numbers, winner)) if _named(numbers, rival) else ()


def _named(numbers: dict[str, Any], prefix: str) -> dict[str, float]:
    return {
        name.removeprefix(prefix): value
        for name, value in numbers.items()
        if name.startswith(prefix) and isinstance(value, float | int)
    }


def _judged(before: ModelSide, after: ModelSide, same: Sequence[MetricCompared], deciding: str) -> Iterator[Difference]:
    for each in same:
        if each.name == deciding and each.difference:
            word = "better" if (each.difference > 0) == each.higher_is_better else "worse"
            values = f"{deciding} {each.after:.4g} instead of {each.before:.4g}"
            said = f"On the same rows, version {after.version} is {word}: {values}."
            yield Difference(Rank.PERFORMANCE, said, "metrics", abs(each.difference))
    if before.recipe and after.recipe and before.recipe != after.recipe:
        said = f"Version {after.version} comes from the recipe {after.recipe}, version {before.version} from "
        yield Difference(Rank.VALUES, f"{said}{before.recipe}.", "training")


def _learnt(before: ModelSide, after: ModelSide) -> Iterator[Difference]:
    was, now = before.deployment.training, after.deployment.training
    if was.get("digest") == now.get("digest") or "last_window" not in was or "last_window" not in now:
        return
    now_from, was_from = (
        f"{each['windows']} windows ({each['rows']:,} rows) up to {_day(each)}" for each in (now, was)
    )
    said = f"Version {after.version} learnt from {now_from}, version {before.version} from {was_from}."
    yield Difference(Rank.MADE_OF, said, "training")


def _day(training: dict[str, Any]) -> str:
    return str(training["last_window"]).partition("--")[2]


def _used(columns: Sequence[ReferenceCompared]) -> Iterator[Difference]:
    for each in columns:
        if each.importance_before is None or each.importance_after is None:
            word = "new to the later model" if each.importance_before is None else "not used by the later model"
            yield Difference(Rank.COLUMNS, f"{each.name} is {word}.", "columns")
            continue
        change = each.importance_after - each.importance_before
        if abs(change) >= IMPORTANCE_MOVED:
            said = (
                f"{each.name} has {each.importance_after:.0%} of the importance, before {each.importance_before:.0%}."
            )
            yield Difference(Rank.VALUES, said, "columns", abs(change))
        if each.moved is not None and each.moved >= SHIFTED:
            said = f"What is normal for {each.name} has changed: {_moved_text(each)}."
            yield Difference(Rank.ROWS, said, "columns", each.moved)


def _moved_text(column: ReferenceCompared) -> str:
    if column.mean_before is None or column.mean_after is None:
        return f"{column.moved:.0%} of rows have other categories"
    return f"the mean is {column.mean_after:.4g} after {column.mean_before:.4g}, {column.moved:.2g} SDs away"
