"""What the replays of recorded data compare a retraining policy with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.bench.replays.choice import chosen
from tests.bench.replays.refusals import refusal_text, refusals
from tests.unit.jobs.world import make_world

from perennial.backtest.life import Known, Outcomes, Retraining
from perennial.jobs.retrain import assemble, train
from perennial.jobs.retrain.judging.weigh import chosen_before
from perennial.jobs.retrain.train import Trained
from perennial.modeling.holdout import split
from perennial.records.training_set import read_manifest, read_rows
from perennial.window import Window

FIRST, DAY = datetime(2013, 3, 20, tzinfo=UTC), timedelta(days=1)
DAYS = [Window(FIRST + i * DAY, FIRST + (i + 1) * DAY) for i in range(30)]


@pytest.mark.parametrize("as_of", [25, 50])
def test_rivals_choose_the_candidate_that_the_judge_would_test(tmp_path: Path, as_of: int) -> None:
    world = make_world(tmp_path)
    spec, ports = world.use_case.spec, world.ports
    assembled = assemble.run(world.use_case, world.day(as_of).start, ports, "a run")
    manifest = read_manifest(assembled.training_id, ports)
    tried = [
        train.run(world.use_case, assembled.training_id, each.name, ports, "a run") for each in spec.training.candidates
    ]
    candidate, told = chosen(spec, split(spec, read_rows(manifest, ports), manifest.until)[0])
    trained = [each for each in tried if isinstance(each, Trained)]
    assert candidate.name == chosen_before("roc_auc", trained)
    assert told.startswith(f"{candidate.name} was best before the holdout: logistic ")


def published(skill: dict[int, float], seed: int = 2) -> Outcomes:
    """What a model of so much skill, from a day on, says of the same rows."""
    random, found, now = np.random.default_rng(seed), Outcomes(), 0.0
    for number, day in enumerate(DAYS):
        now = skill.get(number, now)
        truth = (random.random(60) < 0.4).astype(float)
        found[day] = Known(truth, now * truth + random.random(60))
    return found


def test_a_refusal_costs_what_the_refused_model_does_better_until_the_next_judgement() -> None:
    judged, unjudged = published({0: 0.2, 20: 0.8}), published({0: 0.2, 10: 0.6, 20: 0.8})
    retrainings = [
        Retraining(DAYS[10].start, "drift", promoted=False),
        Retraining(DAYS[20].start, "age", promoted=True),
    ]
    (found,) = refusals(retrainings, judged, unjudged)
    assert (found.as_of, found.until, found.cost.windows) == (DAYS[10].start, DAYS[20].start, 10)
    assert 0 < found.cost.low < found.cost.gain
    assert refusal_text(found).startswith("refused on 2013-03-30: until 2013-04-09 it would have been +0.")


def test_a_refusal_that_was_right_costs_less_than_nothing_and_the_last_counts_to_the_end() -> None:
    judged, unjudged = published({0: 0.6}), published({0: 0.6, 25: 0.1})
    (found,) = refusals([Retraining(DAYS[25].start, "age", promoted=False)], judged, unjudged)
    assert found.until is None
    assert found.cost.windows == 5
    assert found.cost.gain < 0
    assert "until the end it would have been -0." in refusal_text(found)


def test_rows_in_another_order_are_not_compared() -> None:
    judged = published({0: 0.6})
    turned = {day: Known(known.truth[::-1], known.predictions[::-1]) for day, known in judged.items()}
    with pytest.raises(ValueError, match="not the same, or not in one order"):
        refusals([Retraining(DAYS[25].start, "age", promoted=False)], judged, turned)


def test_a_refusal_after_the_last_window_costs_nothing_that_could_be_measured() -> None:
    same = published({0: 0.6})
    assert refusals([Retraining(DAYS[-1].end, "age", promoted=False)], same, same) == []
