"""What the result of each task says in the run's note: an alarm first, and the figures that a person looks for."""

from collections.abc import Sequence

from perennial.performance.gain import METRIC_TITLES
from perennial.policy.promotion import text_of
from perennial.quality.reasons import SET_ASIDE
from perennial.spec.load import LoadedUseCase
from perennial.spec.problems import listed
from perennial.verdict import HOLD, PROMOTE, Verdict
from perennial.window import Window, parse_instant
from perennial.wording import counted
from perennial_airflow.each_window import windows_in
from perennial_airflow.note import ALARM, NOTHING, Line, clause
from perennial_airflow.xcom import Json

MOST_NAMED = 5  # columns


def ingested(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """Which windows the run is about, and how many rows they have."""
    if not results:
        return NOTHING
    rows = sum(each["rows"] for each in results)
    remarks = [remark for each in results for remark in each["remarks"]]
    more = f" ({counted(len(remarks), 'remark')} in the log of ingest)" if remarks else ""
    return Line(then=f"{_named(use_case, windows_in(results))}: {counted(rows, 'row')}{more}")


def validated(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """How many rows were set aside, and what else validation warns of."""
    del use_case
    aside = sum(each["rows_quarantined"] for each in results)
    reasons = [reason for each in results if each["verdict"] == Verdict.WARN for reason in each["reasons"]]
    warned = [reason for reason in reasons if not reason.startswith(SET_ASIDE)]
    more = f", validation warns: {clause(warned[0])}" if warned else ""
    return Line(then=f"{aside:,} in quarantine{more}")


def scored(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """Which model versions made the predictions that are live now; first of all, a challenger that could not."""
    del use_case
    versions = dict.fromkeys(f"v{each['model_version']}" for each in results)
    rows = sum(each["challenger_rows"] for each in results)
    beside = f", and {counted(rows, 'row')} by v{results[-1]['challenger']} in roll-out" if rows else ""
    unchanged = "" if any(each["changed"] for each in results) else " as before"
    failed = [
        f"{ALARM}: v{each['challenger']} in roll-out could not predict: {clause(each['failed'])}"
        for each in results
        if each["failed"]
    ]
    return Line(first=failed[-1] if failed else "", then=f"scored by {listed(versions)}{beside}{unchanged}")


def shadowed(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """Which challenger predicted beside the champion, where one did."""
    del use_case
    challengers = dict.fromkeys(f"v{each['challenger']}" for each in results if each["challenger"])
    return Line(then=f"{listed(challengers)} predicted beside it") if challengers else NOTHING


def rolled_out(use_case: LoadedUseCase, result: Json) -> Line:
    """What became of the roll-out under way: first of all, where something changed or a person should look."""
    del use_case
    if result["challenger"] is None:
        return NOTHING
    said = f"roll-out: {clause(result['outcome'])}"
    if result["rescored"] is not None:
        said += f"; {counted(result['rescored']['windows'], 'window')} scored again by the champion"
    stays = result["action"] in (None, HOLD) and "not enough evidence" not in said
    return Line(then=said) if stays else Line(first=said)


def monitored(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """Alarms, with the columns that drifted; or that there is none."""
    del use_case
    alarms = [each for each in results if each["verdict"] == Verdict.FAIL]
    untold = [each for each in results if each["verdict"] == Verdict.INSUFFICIENT]
    if alarms:
        columns = list(dict.fromkeys(name for each in alarms for name in each["drifted"]))
        p = min(each["p_value"] for each in alarms)
        where = f" in {len(alarms)} of {counted(len(results), 'window')}" if len(results) > 1 else ""
        return Line(first=f"{ALARM}: drift{where} in {listed(columns, MOST_NAMED)} (joint p = {p:.2g})")
    if untold:
        return Line(then=f"drift is not known: {clause(untold[-1]['reasons'][0])}")
    return Line(then=f"no drift (p = {min(each['p_value'] for each in results):.2g})")


def late_data(use_case: LoadedUseCase, result: Json) -> Line:
    """What came late, where something did."""
    changed = result["changed_windows"]
    if not changed:
        return NOTHING
    windows = [Window.parse(key) for key in changed]
    told = f"{result['new']:,} rows more, {result['gone']:,} fewer, {result['changed']:,} changed"
    return Line(then=f"late data in {_named(use_case, windows)}, scored again ({told})")


def labels_collected(use_case: LoadedUseCase, result: Json) -> Line:
    """How many labels came."""
    del use_case
    return Line(then=f"{counted(result['new'], 'new label')} for {counted(result['windows'], 'window')}")


def measured(use_case: LoadedUseCase, result: Json) -> Line:
    """The metric that decides in the newest window that has one; alarms about labels, and about the model."""
    alarms = []
    if result["overdue"]:
        alarms.append(f"labels of {counted(result['overdue'], 'window')} are overdue")
    if result["given_up"]:
        alarms.append(f"labels of {counted(result['given_up'], 'window')} never came")
    if result["drifted_labels"]:
        alarms.append(f"labels of {counted(result['drifted_labels'], 'window')} are unlike those of the training")
    if result["decision"]["numbers"].get("concept_drift"):
        alarms.append("concept drift: the model is worse than its inputs explain")
    facts = [clause(result["outcome"])]
    newest = result["newest"]
    if newest:
        title = METRIC_TITLES[use_case.spec.training.metric]
        between = "" if newest["low"] is None else f" ({text_of(newest['low'])} to {text_of(newest['high'])})"
        start = parse_instant(newest["window"]["start"])
        window = use_case.spec.grid.name_of(Window(start, parse_instant(newest["window"]["end"])))
        facts.insert(0, f"{window}: {title} {text_of(newest['value'])}{between}, {newest['maturity']}")
    return Line(first=f"{ALARM}: {', '.join(alarms)}" if alarms else "", then="; ".join(facts))


def assembled(use_case: LoadedUseCase, result: Json) -> Line:
    """What the candidates learn from."""
    del use_case
    excluded = f", {counted(result['excluded'], 'window')} left out" if result["excluded"] else ""
    as_of = parse_instant(result["as_of"])
    told = f"{counted(result['rows'], 'row')} of {counted(result['windows'], 'window')}{excluded}"
    return Line(then=f"as of {as_of:%Y-%m-%d %H:%M} UTC: {told}")


def judged(use_case: LoadedUseCase, result: Json) -> Line:
    """Whether a candidate takes over, and why; what looks suspicious."""
    from perennial.jobs.retrain.assembling.remarks import SUSPICION

    del use_case
    verdict = "promoted" if result["action"] == PROMOTE else "the champion stays"
    suspicions = [reason.removeprefix(SUSPICION) for reason in result["reasons"] if reason.startswith(SUSPICION)]
    first = f"{ALARM}: {clause(suspicions[0])}" if suspicions else ""
    return Line(first=first, then=f"{verdict}: {clause(result['reasons'][0])}")


def scored_again(use_case: LoadedUseCase, result: Json) -> Line:
    """How many windows the version that was put back has scored again, and how long after the decision."""
    del use_case
    after = "" if result["seconds"] is None else f", {result['seconds']:.0f} s after the decision"
    return Line(then=f"{counted(result['windows'], 'window')} scored again{after}")


def standby_tried(use_case: LoadedUseCase, result: Json) -> Line:
    """That the version that stands by could not take over; nothing where it could."""
    if result["ready"] is not False:
        return NOTHING
    return Line(first=f"{ALARM}: {use_case.name} can't go back to v{result['version']}: {clause(result['reasons'][0])}")


def deployed(use_case: LoadedUseCase, result: Json) -> Line:
    """Which version is the champion from when on, or begins its roll-out."""
    del use_case
    start, share = parse_instant(result["effective_from"]), result["share"]
    role = "champion" if share is None else "challenger in the shadow" if not share else f"challenger at {share}%"
    return Line(then=f"v{result['model_version']} is {role} from {start:%Y-%m-%d %H:%M} UTC on")


def reconciled(use_case: LoadedUseCase, result: Json) -> Line:
    """What was put right, where something was."""
    repairs = result["restored"]
    if not repairs:
        return NOTHING
    return Line(first=f"{use_case.name}: {counted(len(repairs), 'repair')}, the first: {clause(repairs[0])}")


def maintained(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """How many files were removed; nothing of a dry run, which removes none."""
    removed = sum(each.get("files_removed", 0) for each in results)
    return Line(then=f"{use_case.name}: {counted(removed, 'file')} removed") if removed else NOTHING


def archived(use_case: LoadedUseCase, results: Sequence[Json]) -> Line:
    """Which versions were archived; nothing of a dry run, which archives none."""
    versions = [each["version"] for each in results if "done" in each]
    return Line(then=f"{use_case.name}: v{', v'.join(versions)} archived") if versions else NOTHING


def nothing(use_case: LoadedUseCase, result: object) -> Line:
    """For a task of which only a failure is worth a line of its own."""
    del use_case, result
    return NOTHING


def _named(use_case: LoadedUseCase, windows: Sequence[Window]) -> str:
    name = use_case.spec.grid.name_of
    if len(windows) == 1:
        return name(windows[0])
    return f"{counted(len(windows), 'window')} from {name(windows[0])} to {name(windows[-1])}"
