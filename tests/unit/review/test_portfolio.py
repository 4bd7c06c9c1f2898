"""All use cases at a glance say the same of each window as the timeline of one use case does."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.unit.jobs.world import START, World, make_world
from tests.unit.pages.asking import live

from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.upkeep import gaps
from perennial.performance.standing import Standing
from perennial.review import portfolio, recent, timeline
from perennial.review.airflow_state import DagState, by_dag_id
from perennial.review.matters import Urgency
from perennial.spec.ended import Ended

NOW = START + timedelta(days=46, hours=1)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> World:
    """As `live`; 30 and 31 are measured."""
    world = live(make_world(tmp_path_factory.mktemp("lived")))
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, "test")
    return world


def test_each_window_is_what_the_timeline_says(lived: World) -> None:
    spec, ledger = lived.use_case.spec, lived.ports.ledger
    found = recent.run([spec], NOW, ledger, 60)["parcels"]
    windows = timeline.last_windows(spec, lived.day(45).end, 60)
    of_one = timeline.run(spec, windows, NOW, ledger).windows
    assert list(found.windows) == [
        replace(each, estimate=None, estimate_low=None, estimate_high=None) for each in of_one
    ]
    assert sum(each.standing is not None for each in found.windows) == 2
    assert sum(each.missing for each in found.windows) == 12
    assert list(found.missing) == gaps.find(spec, NOW, ledger)[1]
    assert found.champion is not None
    assert found.champion.version == "1"


def test_no_more_windows_than_are_asked_for(lived: World) -> None:
    found = recent.run([lived.use_case.spec], NOW, lived.ports.ledger, 3)["parcels"]
    assert [each.window for each in found.windows] == [lived.day(day) for day in (43, 44, 45)]
    assert len(found.missing) == 13  # all of them, whatever is shown


def test_a_use_case_that_nobody_began_has_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("new"))
    found = recent.run([world.use_case.spec], NOW, world.ports.ledger, 60)
    assert found == {"parcels": recent.Recent(None, (), ())}
    (summary,) = portfolio.run([world.use_case.spec], NOW, world.ports.ledger, {}).use_cases
    assert (summary.urgency, summary.champion_age, len(summary.matters)) == (Urgency.NEW, None, 1)


def test_what_is_counted(lived: World) -> None:
    (summary,) = portfolio.run([lived.use_case.spec], NOW, lived.ports.ledger, {}).use_cases
    assert (summary.refused, summary.drifted, summary.missing, summary.quarantined) == (1, 1, 12, 181)
    assert summary.champion_age == 16.0  # days of data: from day 30 to the end of day 45
    assert [matter.urgency for matter in summary.matters] == [Urgency.ACT, Urgency.ACT, Urgency.LOOK]


def test_a_performance_that_is_surely_worse_is_to_be_looked_at(lived: World) -> None:
    spec = lived.use_case.spec
    strict = spec.model_copy(update={"monitoring": spec.monitoring.model_copy(update={"max_metric_loss": 1e-9})})
    champion = lived.ports.ledger.champions_of(["parcels"])["parcels"]
    better = replace(champion, metrics={"1": {"roc_auc": 1.5}})

    class Promising:
        """The same ledger, whose champion promised more than can be."""

        def __getattr__(self, name: str) -> object:
            return getattr(lived.ports.ledger, name)

        def champions_of(self, _: object) -> object:
            return {"parcels": better}

    (summary,) = portfolio.run([strict], NOW, Promising(), {}).use_cases  # type: ignore[arg-type]
    measured = [each for each in summary.windows if each.value is not None]
    assert [each.standing for each in measured] == [Standing.FAR_WORSE, Standing.FAR_WORSE]
    assert any("worse than at deployment" in matter.what for matter in summary.matters)


def test_the_retraining_that_is_paused_is_unpaused_first(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = make_world(tmp_path_factory.mktemp("paused"))
    dags = by_dag_id([DagState("parcels.retrain", paused=True)])
    (summary,) = portfolio.run([world.use_case.spec], NOW, world.ports.ledger, dags).use_cases
    assert summary.matters[0].to_do == "Unpause parcels.retrain and start a run: it trains the first one."
    assert summary.dag("retrain") == dags["parcels.retrain"]
    assert summary.dag("predict") is None


def test_an_ended_use_case_comes_last_and_needs_nobody(lived: World) -> None:
    ended = Ended(at=NOW, by="ada", reason="closed.")
    (summary,) = portfolio.run([lived.use_case.spec], NOW, lived.ports.ledger, {}, {"parcels": ended}).use_cases
    assert (summary.urgency, summary.matters, summary.missing) == (Urgency.ENDED, (), 0)
    assert summary.ended == "ended on 2024-02-16 by ada: closed"
    assert list(Urgency)[-1] is Urgency.ENDED
