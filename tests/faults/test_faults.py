"""Each fault a few times; `make faults` makes each as often as docs/faults.md says."""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.faults import approvals, deliveries, environment, erasures, processes, ramps, receivers
from tests.faults.__main__ import Scenario, proofs
from tests.faults.outcome import Damage, Outcome, as_json, table
from tests.faults.steps import STEPS
from tests.faults.world import World, make
from tests.ports import free_port
from tests.servers import Run, WatchedPostgres

from perennial.ledger.postgres.schema import migrate

SEED = random.SystemRandom().randrange(10**6)
# The forkserver's tracker counts what killed processes could not give back.
pytestmark = pytest.mark.filterwarnings("ignore:resource_tracker:UserWarning")


@pytest.fixture(scope="module")
def server(run: Run) -> Iterator[WatchedPostgres]:
    """A server of its own: it is made to crash."""
    server = WatchedPostgres(run, run.new_folder("faults") / "postgres" / "data", free_port())
    server.data.parent.mkdir()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def world(server: WatchedPostgres, run: Run, tmp_path_factory: pytest.TempPathFactory) -> World:
    print(f"seed {SEED}")
    return make(tmp_path_factory.mktemp("faults") / "world", server, run)


@pytest.fixture(scope="module")
def rolling_world(world: World, server: WatchedPostgres) -> World:
    """The world with stores of its own: where canaries begin with later windows, other scenarios could not deploy."""
    url = server.url(server.new_database("ramps"))
    migrate.upgrade(url)
    address = replace(
        world.address, ledger_url=url, published_url=url, lake_url=str(world.address.root / "lake of ramps")
    )
    own = address.open()
    own.deploy("1", own.window(0), "first")
    return own


def assert_clean(outcome: Outcome) -> None:
    assert outcome.clean, f"seed {SEED}\n{table([outcome])}\n{outcome.remark}"


def test_i4_runs_killed_at_random_lose_and_double_nothing(world: World) -> None:
    assert_clean(processes.kill_at_random(world, 6, SEED))


@pytest.mark.parametrize("step", STEPS)
def test_i4_a_run_killed_at_a_step_loses_and_doubles_nothing(world: World, step: str) -> None:
    assert_clean(processes.kill_at_step(world, 1, SEED, step))


def test_i4_an_erasure_that_is_killed_and_done_again_leaves_nothing_of_the_entity(world: World) -> None:
    assert_clean(erasures.killed_while_erasing(world, 4, SEED))


def test_i3_rivals_make_one_revision(world: World) -> None:
    assert_clean(processes.rivals(world, 1, SEED))


def test_i4_a_stopped_run_commits_nothing_stale(world: World) -> None:
    assert_clean(processes.stopped(world, 3, SEED))


def test_i5_of_rival_promotions_one_wins_and_the_others_are_told(world: World) -> None:
    assert_clean(processes.races(world, 20, SEED))


def test_i3_a_promotion_in_mid_batch_leaves_one_model(world: World) -> None:
    assert_clean(processes.promoted_in_mid_batch(world, 2, SEED))


def test_i5_a_kill_between_ledger_and_alias_converges(world: World) -> None:
    assert_clean(processes.killed_before_the_alias(world, 4, SEED))


@pytest.mark.parametrize(
    ("scenario", "times"),
    [
        (approvals.answers_at_once, 2),
        (approvals.forged, 1),
        (approvals.champion_moved, 4),
        (approvals.killed, len(approvals.KILLS)),
    ],
)
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forking beside threads
def test_nothing_is_deployed_that_people_did_not_agree_to(world: World, scenario: Scenario, times: int) -> None:
    assert_clean(scenario(world, times, SEED))


@pytest.mark.parametrize(
    ("scenario", "times"),
    [
        (ramps.killed_in_canary, 3),
        (ramps.moves_in_mid_window, 4),
        (ramps.killed_evaluation, 2),
        (ramps.killed_rollback, 3),
        (ramps.rival_evaluations, 2),
    ],
)
def test_i3_each_row_of_a_canary_is_by_the_model_of_its_stage(
    rolling_world: World, scenario: Scenario, times: int
) -> None:
    assert_clean(scenario(rolling_world, times, SEED))


def test_i4_lost_answers_of_postgres_are_looked_up(world: World) -> None:
    assert_clean(environment.lost_answers_of_postgres(world, 4, SEED))


def test_i4_lost_answers_of_the_lake_are_looked_up(world: World) -> None:
    assert_clean(environment.lost_answers_of_the_lake(world, 2, SEED))


def test_i4_s3_that_fails_is_tried_again(world: World) -> None:
    assert_clean(environment.s3_faults(world, 1, SEED))


def test_i4_a_full_disk_leaves_nothing_half_written(world: World) -> None:
    assert_clean(environment.disk_full(world, 3, SEED))


def test_alerts_reach_a_receiver_that_was_down_once_each_and_in_order(server: WatchedPostgres, world: World) -> None:
    url = server.url(server.new_database("alerts"))
    migrate.upgrade(url)
    own = replace(world.address, ledger_url=url).open()
    assert_clean(receivers.receiver_down(own, 10, SEED))
    own.ledger.close()


def test_i4_a_message_that_is_delivered_again_changes_nothing(world: World, server: WatchedPostgres) -> None:
    assert_clean(deliveries.delivered_again(world, 1, SEED, server))


def test_no_damaged_model_is_loaded(world: World) -> None:
    assert_clean(environment.bit_flips(world, 100, SEED))


def test_label_events_in_any_order_give_one_result(world: World) -> None:
    assert_clean(environment.shuffled_labels(world, 5, SEED))


@pytest.mark.parametrize("proof", proofs().values(), ids=proofs())
def test_a_protection_that_is_taken_away_is_missed(world: World, proof: object) -> None:
    outcome = proof(world, SEED)  # type: ignore[operator]
    assert not outcome.clean, outcome


def test_i4_a_crash_of_postgres_is_survived(world: World, server: WatchedPostgres) -> None:
    assert_clean(environment.postgres_restarts(world, 2, SEED, server))


def test_the_table_counts_what_was_found() -> None:
    outcome = Outcome("a fault", 1000, Damage(lost=2) + Damage(torn=1), (0.5, 1.5, 1.0))
    assert not outcome.clean
    assert (
        table([outcome]).splitlines()[-1]
        == "| a fault | 1,000 | 2    | 0       | 1    | 0     | 1.00 s / 1.50 s       |"
    )
    assert '"lost": 2' in as_json([outcome])
