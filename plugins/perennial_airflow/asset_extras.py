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
        "verdict": str(Verdict.worst([Verdict(each["verdict"]) for each in results])),
    }


def scored(use_case: LoadedUseCase, results: Sequence[Json]) -> Extra:
    """The windows, their predictions, the model versions that made them, and the revision, if it is one."""
    del use_case
    versions = ", ".join(dict.fromkeys(str(each["model_version"]) for each in results))
    return _of_windows(results) | {"model_version": versions} | _of_one(results, {"revision": "revision"})


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
    if len(windows) == 1:
        return {"window": windows[0].key, "rows": rows}
    return {"windows": len(windows), "first_window": windows[0].key, "last_window": windows[-1].key, "rows": rows}


def _of_one(results: Sequence[Json], names: dict[str, str]) -> Extra:
    """What can be said of a single window only."""
    return {name: results[0][key] for name, key in names.items()} if len(results) == 1 else {}
