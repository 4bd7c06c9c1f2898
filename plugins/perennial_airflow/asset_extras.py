"""What the event of an asset says of the data that was written: small, flat JSON, for DAGs of others and for people."""

from collections.abc import Sequence

from perennial.spec.load import LoadedUseCase
from perennial.verdict import Verdict
from perennial_airflow.each_window import windows_in
from perennial_airflow.run import Extra
from perennial_airflow.xcom import Json


def ingested(use_case: LoadedUseCase, results: Sequence[Json]) -> Extra:
    """The windows, their rows, and the snapshot, if it is one."""
    del use_case
    return _of_windows(results) | _of_one(results, {"snapshot": "digest", "version": "version"})


def validated(use_case: LoadedUseCase, results: Sequence[Json]) -> Extra:
    """The windows, their rows and how many were set aside, and the worst verdict."""
    del use_case
    return _of_windows(results) | {
        "rows_quarantined": sum(each["rows_quarantined"] for each in results),
        "verdict": _worst(results),
    }


def scored(use_case: LoadedUseCase, results: Sequence[Json]) -> Extra:
    """The windows, their predictions, the worst verdict, their model versions, and the revision, if it is one."""
    del use_case
    versions = ", ".join(dict.fromkeys(str(each["model_version"]) for each in results))
    said = {"verdict": _worst(results), "model_version": versions}
    return _of_windows(results) | said | _of_one(results, {"revision": "revision"})


def labels_collected(use_case: LoadedUseCase, result: Json) -> Extra:
    """How many labels of how many windows there are as of when."""
    del use_case
    return {name: result[name] for name in ("as_of", "windows", "labels", "new")}


def assembled(use_case: LoadedUseCase, result: Json) -> Extra:
    """The training set."""
    del use_case
    return {name: result[name] for name in ("as_of", "windows", "rows", "training_id")}


def _of_windows(results: Sequence[Json]) -> Extra:
    windows = windows_in(results)
    rows = sum(each["rows"] for each in results)
    if not windows:
        return {"windows": 0, "rows": 0}
    span: Extra = {
        "window_start": min(each.start for each in windows).isoformat(),
        "window_end": max(each.end for each in windows).isoformat(),
    }
    if len(windows) == 1:
        return {"window": windows[0].key, **span, "rows": rows}
    return {"windows": len(windows), **span, "rows": rows}


def _worst(results: Sequence[Json]) -> str:
    return str(Verdict.worst([Verdict(each["verdict"]) for each in results]))


def _of_one(results: Sequence[Json], names: dict[str, str]) -> Extra:
    """What can be said of a single window only."""
    return {name: results[0][key] for name, key in names.items()} if len(results) == 1 else {}
