"""The decision that follows from predictions, and the threshold that costs least."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perennial.encoding import as_json, from_json
from perennial.modeling.decision import DecisionRule, share_of_rule, with_decisions
from perennial.modeling.threshold import cheapest_threshold
from perennial.performance.cost import row_costs
from perennial.spec.decision import Costs

COSTS = Costs(false_positive=1, false_negative=4)
KEYS = pa.array(["d", "a", "c", "b"])
PREDICTIONS = np.array([0.5, 0.2, 0.5, 0.9])


def taken(rule: DecisionRule) -> list[str]:
    return sorted(KEYS.filter(pa.array(rule.decide(PREDICTIONS, KEYS))).to_pylist())


def test_a_threshold_takes_rows_from_it_on() -> None:
    assert taken(DecisionRule(threshold=0.5)) == ["b", "c", "d"]


def test_of_equal_predictions_the_smaller_key_is_taken_first() -> None:
    assert taken(DecisionRule(top_k=2)) == ["b", "c"]
    assert taken(DecisionRule(top_k=3)) == ["b", "c", "d"]


def test_a_window_that_is_smaller_is_taken_as_a_whole() -> None:
    assert taken(DecisionRule(top_k=9)) == ["a", "b", "c", "d"]
    assert DecisionRule(top_k=9).decide(np.empty(0), pa.array([], pa.string())).tolist() == []


def test_a_share_is_rounded_up() -> None:
    assert taken(DecisionRule(top_share=0.26)) == ["b", "c"]
    assert taken(DecisionRule(top_share=0.25)) == ["b"]
    assert taken(DecisionRule(top_share=1.0)) == ["a", "b", "c", "d"]


@given(st.integers(1, 1_000), st.integers(1, 3_000))
def test_a_share_is_taken_as_it_is_written(thousandths: int, rows: int) -> None:
    rule = DecisionRule(top_share=share_of_rule(thousandths / 1_000))
    assert rule.most(rows) == -(-thousandths * rows // 1_000)


@pytest.mark.parametrize("lower", [0.5, 0.3, 1e-300])
def test_a_threshold_tells_apart_predictions_that_are_neighbouring_numbers(lower: float) -> None:
    predictions = np.array([lower, math.nextafter(lower, 1.0)])
    threshold, chosen = cheapest_threshold(COSTS, np.array([0.0, 1.0]), predictions)
    assert (predictions >= threshold).tolist() == [False, True]
    assert chosen.cost == 0.0


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), min_size=1, max_size=12), st.integers(1, 12), st.randoms())
def test_the_order_of_the_rows_makes_no_difference(predictions: list[float], most: int, random: object) -> None:
    rule, keys = DecisionRule(top_k=most), list(range(len(predictions)))
    shuffled = keys.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one = rule.decide(np.array(predictions), pa.array(keys))
    other = rule.decide(np.array(predictions)[shuffled], pa.array(shuffled))
    assert one[shuffled].tolist() == other.tolist()
    assert one.sum() == min(most, len(keys))


def test_each_window_has_its_own_highest_rows() -> None:
    rule, windows = DecisionRule(top_k=1), np.array(["x", "y", "x", "y"])
    assert rule.decide_windows(PREDICTIONS, KEYS, windows).tolist() == [False, False, True, True]


def predicted(*models: str) -> pa.Table:
    columns = {"id": KEYS, "prediction": PREDICTIONS, "model_digest": list(models), "revision": [1] * 4}
    return pa.table(columns)


def test_the_table_gains_one_column_after_the_prediction() -> None:
    rows = predicted("a", "a", "a", "a")
    assert with_decisions(rows, "id", {"a": None}) is rows
    found = with_decisions(rows, "id", {"a": DecisionRule(top_k=1)})
    assert found.column_names == ["id", "prediction", "decided", "model_digest", "revision"]
    assert found.column("decided").to_pylist() == [False, False, False, True]


def test_each_row_is_decided_by_the_rule_of_its_own_model() -> None:
    rows = predicted("a", "a", "b", "b")
    low, high = DecisionRule(threshold=0.0), DecisionRule(threshold=1.0)
    assert with_decisions(rows, "id", {"a": low, "b": high}).column("decided").to_pylist() == [True, True, False, False]
    assert with_decisions(rows, "id", {"a": None, "b": low}).column("decided").to_pylist() == [None, None, True, True]


@given(st.lists(st.sampled_from("ab"), min_size=4, max_size=4), st.integers(1, 4))
def test_two_models_share_the_places_of_a_window_and_take_no_more(models: list[str], most: int) -> None:
    rule = DecisionRule(top_k=most)
    found = with_decisions(predicted(*models), "id", {"a": rule, "b": rule})
    assert sum(found.column("decided").to_pylist()) == most


def test_a_rule_comes_back_from_json_as_it_was() -> None:
    truth, prediction = np.array([0.0, 1.0, 1.0]), np.array([0.1 + 0.2, 0.7, 1 / 3])
    threshold, chosen = cheapest_threshold(COSTS, truth, prediction, windows=2, time_ordered=False)
    rule = DecisionRule(threshold=threshold, costs=COSTS, chosen=chosen)
    assert from_json(DecisionRule, as_json(rule)) == rule


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.2, 0.4, 0.6, 1.0])), min_size=1, max_size=15))
def test_no_threshold_is_cheaper(rows: list[tuple[bool, float]]) -> None:
    truth, prediction = (np.array(each, dtype=np.float64) for each in zip(*rows, strict=True))
    threshold, chosen = cheapest_threshold(COSTS, truth, prediction)

    def cost(at: float) -> float:
        return float(row_costs(COSTS, truth, (prediction >= at).astype(np.float64)).mean())

    assert cost(threshold) == pytest.approx(chosen.cost)
    assert chosen.cost <= min(cost(each) for each in (*prediction, 0.0, 2.0)) + 1e-9
    assert (cost(math.inf), cost(0.0)) == pytest.approx((chosen.never, chosen.always))
    assert (prediction >= threshold).mean() == pytest.approx(chosen.share)


def test_with_right_probabilities_it_is_near_the_break_even() -> None:
    random = np.random.default_rng(2)
    prediction = random.random(200_000)
    truth = (random.random(200_000) < prediction).astype(np.float64)
    threshold, chosen = cheapest_threshold(COSTS, truth, prediction)
    assert threshold == pytest.approx(COSTS.break_even, abs=0.02)
    assert chosen.cost < min(chosen.never, chosen.always)
