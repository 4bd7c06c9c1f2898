"""Rival policies live through the same windows of a world that shifts."""

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pyarrow as pa
import pytest
from matplotlib import rc_context
from sklearn.metrics import roc_auc_score
from tests.unit.jobs.test_predict_path import predict
from tests.unit.jobs.world import ROWS, SHIFT, World

from perennial.backtest import backtest
from perennial.backtest.backtest import PolicyResult
from perennial.backtest.plot import plot
from perennial.backtest.record import record
from perennial.errors import InvalidSpec, NotEnoughData, NotIngested, ValidationFailed
from perennial.jobs.predict import ingest, validate
from perennial.jobs.retrain import chain as retrain
from perennial.lake.port import predictions_table, window_partition
from perennial.performance.labels import join_labels
from perennial.progress import OnWindow, WindowsDone, nobody
from perennial.spec.load import load_use_case
from perennial.spec.policies import load_policies

POLICIES = """
always: {triggers: [age], max_age: 4d, cooldown: 1d, min_new_labels: 0, max_retrains_per_month: 31}
never: {triggers: []}
drift: {triggers: [drift], cooldown: 2d}
"""
IDLE = "always: {triggers: []}"


@pytest.fixture
def stored(world: World) -> World:
    for day in range(SHIFT + 14):
        ingest.run(world.use_case, world.day(day), world.ports, "test")
        validate.run(world.use_case, world.day(day), world.ports, "test")
    return world


def backtested(
    world: World,
    tmp_path: Path,
    days: range,
    policies: str = POLICIES,
    on_progress: Callable[[str], None] = print,
    on_window: OnWindow = nobody,
) -> dict[str, PolicyResult]:
    file = tmp_path / "policies.yaml"
    file.write_text(policies)
    windows = [world.day(day) for day in days]
    chosen = load_policies(file, world.use_case.spec)
    results = backtest.run(world.use_case, chosen, windows, world.ports, on_progress, on_window)
    return {each.policy: each for each in results}


def test_policies_are_told_apart_by_what_they_would_have_cost(stored: World, tmp_path: Path) -> None:
    before = stored.ports.ledger.status("parcels")
    told: list[str] = []
    found = backtested(stored, tmp_path, range(28, SHIFT + 14), on_progress=told.append)
    assert stored.ports.ledger.status("parcels") == before
    assert stored.ports.registry.versions("parcels") == []
    assert list(found) == ["always", "never", "drift"]
    assert found["never"].retrainings == ()
    assert sum(line.startswith("drift: retrained as of") for line in told) == len(found["drift"].retrainings)
    assert [line.split(":")[0] for line in told if " windows, " in line] == list(found)
    assert len(found["always"].retrainings) >= 4
    assert found["drift"].retrainings[0].as_of > stored.day(SHIFT).start
    assert found["always"].regret == 0
    # The outcome turned round: a model that is never trained again is worse than guessing from then on, and mere
    # guessing is not promoted in its place.
    assert found["never"].months["2024-02"]["roc_auc"] < 0.5
    assert found["never"].months["2024-02"]["roc_auc"] <= found["drift"].months["2024-02"]["roc_auc"]
    assert found["never"].regret >= found["drift"].regret
    assert found["never"].rows == found["always"].rows
    assert 0.9 * 26 * ROWS < found["never"].rows <= 26 * ROWS
    assert found["never"].windows == 26
    assert found["always"].compute_seconds > found["never"].compute_seconds > 0


def test_a_policy_does_what_production_would_have_done(stored: World, tmp_path: Path) -> None:
    found = backtested(stored, tmp_path, range(32, 38), IDLE)["always"]
    retrain.run(stored.use_case, stored.day(32).start, stored.ports, "test", actor="ann", reason="first")
    outcomes = []
    for day in range(32, 38):
        predict(stored, day)
        rows = stored.ports.lake.read(predictions_table("parcels"), window_partition(stored.day(day)))
        outcomes.append(join_labels(rows, stored.outcomes.table.select(["parcel", "late"]), "parcel"))
    together = pa.concat_tables(outcomes)
    area = roc_auc_score(together.column("late").to_numpy(), together.column("prediction").to_numpy())
    assert found.months["2024-02"]["roc_auc"] == pytest.approx(area, abs=1e-12)
    assert found.rows == together.num_rows


def test_a_window_that_failed_is_left_out_as_it_was_then(world: World, tmp_path: Path) -> None:
    world.change(33, "weight", 500.0)
    for day in range(36):
        ingest.run(world.use_case, world.day(day), world.ports, "test")
        with pytest.raises(ValidationFailed) if day == 33 else nullcontext():
            validate.run(world.use_case, world.day(day), world.ports, "test")
    told: list[WindowsDone] = []
    assert backtested(world, tmp_path, range(32, 36), IDLE, on_window=told.append)["always"].windows == 3
    assert [(each.done, each.total) for each in told] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert [each.rows for each in told] == [0, ROWS, ROWS, 2 * ROWS, 3 * ROWS]


def test_what_no_trigger_looks_at_is_not_computed(
    stored: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> None:
        raise AssertionError("no trigger looks at drift")

    monkeypatch.setattr("perennial.backtest.life.monitor.run", unwanted)
    policies = "always: {triggers: [age], max_age: 2d, cooldown: 1d, min_new_labels: 0}"
    found = backtested(stored, tmp_path, range(30, 33), policies)["always"]
    assert [each.as_of for each in found.retrainings] == [stored.day(32).start]
    assert "ROC AUC" in found.retrainings[0].judged


def test_windows_that_are_not_stored_are_named(world: World, tmp_path: Path) -> None:
    said = r"`perennial validate parcels --from 2024-01-07 --to 2024-01-31` first\.$"
    with pytest.raises(NotIngested, match=said):
        backtested(world, tmp_path, range(28, 30))


def test_of_windows_that_are_stored_in_part_the_longest_stretch_is_named(stored: World, tmp_path: Path) -> None:
    with pytest.raises(NotIngested, match=r"longest stretch that is there: `--from 2024-02-18 --to 2024-02-24`\.$"):
        backtested(stored, tmp_path, range(48, 60))


def test_regret_needs_something_to_be_counted_against(stored: World) -> None:
    with pytest.raises(NotEnoughData, match="named 'always'; there are: current"):
        backtest.run(stored.use_case, {"current": stored.use_case.spec.monitoring}, [stored.day(28)], stored.ports)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no policies"),
        ("[1]", "holds no policies"),
        ("a: [", "can't be read"),
        ("never: often", r"never: is not a mapping"),
        ("monthly: {max_agee: 30d}", r"monthly: max_agee: Extra inputs"),
        (
            "a: {false_alarms: 2 per day}\nb: {cooldown: 3}",
            r"2 mistakes.*\n.*a: false_alarms: 2 per day.*\n.*b: cooldown",
        ),
    ],
)
def test_a_mistake_in_the_policies_is_told_with_its_place(world: World, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(text)
    with pytest.raises(InvalidSpec, match=said):
        load_policies(file, world.use_case.spec)


def test_the_policies_in_the_repository_are_right(repository: Path) -> None:
    folder = repository / "include" / "use_cases" / "flight_delays"
    assert "always" in load_policies(folder / "policies.yaml", load_use_case(folder).spec)


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    file = tmp_path / "policies.png"
    plot("roc_auc", [("never", {"2013-03": 0.7, "2013-04": 0.6}, []), ("drift", {"2013-03": 0.7}, ["2013-03"])], file)
    assert file.read_bytes().startswith(b"\x89PNG")


def test_months_are_drawn_in_their_order_whichever_policy_knows_them(tmp_path: Path) -> None:
    known = {"2024-01": 0.6, "2024-03": 0.7}
    with rc_context({"svg.fonttype": "none"}):
        plot("roc_auc", [("never", known, []), ("always", {**known, "2024-02": 0.8}, [])], tmp_path / "picture.svg")
    months = re.findall(r">(2024-\d\d)<", (tmp_path / "picture.svg").read_text())
    assert months == ["2024-01", "2024-02", "2024-03"]


def test_what_came_of_it_is_recorded_with_what_differs_in_each_policy(stored: World, tmp_path: Path) -> None:
    found = backtested(stored, tmp_path, range(30, 34), "always: {triggers: [age], max_age: 4d}\nas_is: {}")
    policies = load_policies(tmp_path / "policies.yaml", stored.use_case.spec)
    windows = [stored.day(day) for day in range(30, 34)]
    kept = record(stored.use_case.spec, policies, windows, list(found.values()), stored.ports.ledger, "cli__1")
    assert stored.ports.ledger.last_backtest("parcels") == kept
    assert (kept.since, kept.until, kept.windows, kept.metric) == (windows[0].start, windows[-1].end, 4, "roc_auc")
    assert kept.policies == {"always": {"triggers": ["age"], "max_age": "P4D"}, "as_is": {}}
    assert [each["policy"] for each in kept.results] == ["always", "as_is"]
    assert kept.results[0]["overall"]["roc_auc"] == found["always"].overall["roc_auc"]
    # Four days more of the same world make nothing better beyond chance.
    assert [each["promoted"] for each in kept.results[0]["retrainings"]] == [False]
    assert kept.results[1]["retrainings"] == []
