"""A roll-back that was cut short, or done by two at once: each of its windows is scored again, and it is told once."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_rollout import check_every_row

from perennial.jobs.evaluate import rescore, rollout
from perennial.jobs.predict import score
from perennial.ledger.entries import DeployedRole, InterventionKind
from perennial.records.rollout import begun, current_stage, ended

DAYS = 6


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    """A canary that was withdrawn, and whose windows still have its rows."""
    made = make(tmp_path, DAYS + 4)
    made.champion("true")
    stage = made.stage("bad", 25, 0)
    for day in range(DAYS):
        made.scored(day)
    ended(stage, made.world.day(DAYS).start, made.ports, "alarm", actor="airflow", reason="harm", withdraw=True)
    return made


def told(rolling: RolloutWorld) -> list[int]:
    found = rolling.ports.ledger.interventions("parcels", InterventionKind.ROLLED_BACK)
    return [each.details["windows"] for each in found]


def test_a_newer_challenger_does_not_keep_a_rollback_from_being_finished(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[object] = []

    def killed(*arguments: Any, **named: Any) -> score.Scored:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(arguments)
        return score.run_again(*arguments, **named)

    with monkeypatch.context() as patched:
        patched.setattr(rescore, "score", type("score", (), {"run_again": staticmethod(killed)}))
        with pytest.raises(KeyboardInterrupt):
            rescore.run(rolling.world.use_case, rolling.ports, "first", actor="airflow")
    champion = rolling.ports.ledger.current_deployment("parcels", DeployedRole.CHAMPION)
    begun(rolling.world.use_case.spec, rolling.entry("as fair", DAYS, champion), rolling.ports)
    found = rollout.run(rolling.world.use_case, rolling.world.day(DAYS).start, rolling.ports, "second", actor="airflow")
    assert found.outcome == f"version {rolling.models['as fair'].version} begins the shadow later"
    assert found.rescored is not None
    assert (found.rescored.windows, found.rescored.failed) == (DAYS - 2, ())
    assert current_stage("parcels", rolling.ports.ledger) is not None
    check_every_row(rolling, range(DAYS))
    assert told(rolling) == [DAYS]


def test_a_window_whose_run_was_killed_before_it_was_published_is_published(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(rolling.ports.published, "publish", killed)
        with pytest.raises(KeyboardInterrupt):
            rescore.run(rolling.world.use_case, rolling.ports, "first", actor="airflow")
    assert len(rolling.ports.ledger.batches("parcels", rolling.world.day(0))) == 2  # the ledger has the new revision
    found = rescore.run(rolling.world.use_case, rolling.ports, "second", actor="airflow")
    assert found is not None
    assert (found.windows, found.failed) == (DAYS - 1, ())
    check_every_row(rolling, range(DAYS))
    assert told(rolling) == [DAYS]


def test_two_evaluations_that_finish_a_rollback_at_once_tell_of_it_once(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, rivals = rolling.ports.ledger.deciding, ["rival"]

    @contextmanager
    def after_the_rival(use_case: str) -> Iterator[None]:
        if rivals:
            rescore.run(rolling.world.use_case, rolling.ports, rivals.pop(), actor="airflow")
        with deciding(use_case):
            yield

    monkeypatch.setattr(rolling.ports.ledger, "deciding", after_the_rival)
    assert rescore.run(rolling.world.use_case, rolling.ports, "first", actor="airflow") is None
    assert told(rolling) == [DAYS]
    check_every_row(rolling, range(DAYS))


def test_others_may_decide_while_windows_of_a_rollback_are_scored_again(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    deciding, inside = rolling.ports.ledger.deciding, []

    @contextmanager
    def watched(use_case: str) -> Iterator[None]:
        with deciding(use_case):
            inside.append(use_case)
            yield
            inside.remove(use_case)

    def scored(*arguments: Any, **named: Any) -> score.Scored:
        assert not inside
        return score.run_again(*arguments, **named)

    monkeypatch.setattr(rolling.ports.ledger, "deciding", watched)
    monkeypatch.setattr(rescore, "score", type("score", (), {"run_again": staticmethod(scored)}))
    rollout.run(rolling.world.use_case, rolling.world.day(DAYS).start, rolling.ports, "first", actor="airflow")
    assert told(rolling) == [DAYS]
