"""Evidence on one prediction, as a page in a single file or as text."""

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined

from perennial.wording import left_out

Section = tuple[str, Sequence[tuple[str, str]]]


def sections(evidence: Mapping[str, Any]) -> list[Section]:
    """The facts in the order in which a person asks for them, from the JSON of `perennial.review.explain.Evidence`."""
    batch, snapshot, deployment = evidence["batch"], evidence["snapshot"], evidence["deployment"]
    found: list[Section] = [
        (
            "Prediction",
            _facts(
                use_case=evidence["use_case"],
                entity=evidence["entity"],
                window=batch_window(evidence),
                prediction=evidence["prediction"],
                **_decided(evidence),
                outcome=_outcome(evidence),
                revision=batch["revision"],
                published=_published(evidence),
                scored_at=batch["recorded_at"],
                scored_by=batch["run_id"],
                log=_or(evidence["dag_run"]["address"], "not a DAG run"),
            ),
        ),
        ("Row as it was scored", _row(evidence["row"])),
        (
            "Model",
            _facts(
                version=evidence["predicted_by"]["version"],
                digest=evidence["predicted_by"]["digest"],
                role=evidence["predicted_by"]["role"],
                why_this_one=evidence["predicted_by"]["why"],
                resolution=batch["resolution"],
                page=_or(evidence["model_address"], "the registry has no pages"),
                in_service_from=deployment["effective_from"],
                deployed_at=deployment["recorded_at"],
                deployed_by=deployment["actor"],
                approved_by=_or(deployment["approved_by"], "nobody: the policy decided alone"),
                reason=deployment["reason"],
                run=deployment["run_id"],
                **{f"holdout_{name}": value for name, value in deployment["metrics"].items()},
            ),
        ),
        ("Training set", _training(evidence["training"], deployment)),
        (
            "Snapshot",
            _facts(
                digest=snapshot["digest"],
                table=f"{snapshot['table']} version {snapshot['version']}",
                rows=snapshot["rows"],
                ingested_at=snapshot["recorded_at"],
                run=snapshot["run_id"],
                query=snapshot["query"],
            )
            + [("left out", each) for each in left_out(snapshot["remarks"])],
        ),
        ("Validation", _verdict(evidence["validation"], "rows_quarantined")),
        ("Drift of the window", _drift(evidence["drift"])),
        ("Performance of the window", _performance(evidence["performance"])),
        (
            "Code",
            _facts(
                scored_with=batch["code_version"],
                scored_with_dependencies=batch["lock_digest"],
                deployed_with=deployment["code_version"],
                deployed_with_dependencies=deployment["lock_digest"],
            ),
        ),
        ("Windows of the training set", _training_windows(evidence["training"])),
    ]
    return [(title, facts) for title, facts in found if facts]


def _decided(evidence: Mapping[str, Any]) -> dict[str, str]:
    """What was decided, where the version that scored the row came with a decision."""
    if evidence["decided"] is None:
        return {}
    return {"decided": "for this row" if evidence["decided"] else "not for this row"}


def batch_window(evidence: Mapping[str, Any]) -> str:
    """The window's ends as text."""
    return f"{evidence['window']['start']} to {evidence['window']['end']}"


def as_text(evidence: Mapping[str, Any]) -> str:
    """The facts as lines for a terminal."""
    lines = []
    for title, facts in sections(evidence):
        lines += [title, *(f"  {name:<28} {value}" if name else f"  {value}" for name, value in facts), ""]
    return "\n".join(lines)


def as_html(evidence: Mapping[str, Any]) -> str:
    """The facts as one HTML file that needs no other; every value is escaped."""
    template = files("perennial.review").joinpath("evidence_page.html").read_text("utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(template).render(
        title=f"{evidence['use_case']}: {evidence['entity']}", sections=sections(evidence)
    )


def _outcome(evidence: Mapping[str, Any]) -> str:
    if evidence["outcome_state"] == "not_collected":
        return f"not collected yet: run `perennial evaluate {evidence['use_case']}`"
    if evidence["outcome_state"] == "none_will_come":
        return f"none will come, as was known by {evidence['as_of']}"
    if evidence["outcome"] is not None:
        return _spelt(evidence["outcome"])
    return f"not known by {evidence['as_of']}; labels were last collected as of {evidence['labels_as_of']}"


def _training(manifest: Mapping[str, Any] | None, deployment: Mapping[str, Any]) -> list[tuple[str, str]]:
    if manifest is None:
        return _facts(**deployment["training"])
    return _facts(
        as_of=manifest["as_of"],
        digest=manifest["digest"],
        rows=manifest["rows"],
        table=f"{manifest['table']} version {manifest['version']}, partition {manifest['partition']}",
        windows=len(manifest["windows"]),
        excluded=len(manifest["excluded"]),
        **({"weighted": len(manifest["weighted"])} if manifest["weighted"] else {}),
    )


def _training_windows(manifest: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return [
        (
            f"{each['window']['start'][:16]}",
            f"snapshot {each['snapshot_digest'][:12]} (version {each['version']}), {each['verdict']}, "
            f"{each['labelled']} labelled{_without_outcome(each)}",
        )
        for each in (manifest["windows"] if manifest else ())
    ]


def _published(evidence: Mapping[str, Any]) -> str:
    if evidence["published"]:
        return "yes"
    return f"no: {evidence.get('published_removed') or 'run `perennial reconcile`'}"


def _row(row: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return _values(row) if row else [("", "removed by retention")]


def _drift(report: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    return _verdict(report, "p_value") if report else [("", "not monitored yet")]


def _verdict(entry: Mapping[str, Any], figure: str) -> list[tuple[str, str]]:
    facts = _facts(verdict=entry["verdict"], **{figure: entry[figure]}, at=entry["recorded_at"], run=entry["run_id"])
    return facts + [("because", str(reason)) for reason in entry["reasons"]]


def _performance(entry: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if entry is None:
        return [("", "not measured yet")]
    return _facts(
        maturity=entry["maturity"],
        labels=f"{entry['labelled']} of {entry['rows']}{_without_outcome(entry)}, as of {entry['as_of']}",
    ) + _values(entry["metrics"])


def _without_outcome(entry: Mapping[str, Any]) -> str:
    return f", {entry['without_outcome']} without an outcome" if entry["without_outcome"] else ""


def _facts(**values: Any) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), str(value)) for name, value in values.items()]


def _values(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Under their own names, as `_spelt`."""
    return [(name, _spelt(value)) for name, value in values.items()]


def _spelt(value: Any) -> str:
    """As JSON has it; what is not there is missing."""
    if value is None:
        return "missing"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _or(value: Any, otherwise: str) -> str:
    return otherwise if value is None else str(value)
