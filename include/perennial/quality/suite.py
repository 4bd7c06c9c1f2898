"""Expectations, judged by Great Expectations: the only module that imports it.

Importing it takes seconds, so whoever calls this module imports it where it is needed. Nothing is written to disk and
nothing leaves the process: the context is ephemeral, and its reports are not used (they put values into HTML as they
are; what is returned here is plain JSON).
"""

import json
import warnings
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from perennial.quality.frame import comparable_arguments
from perennial.quality.outcome import (
    MOST_SAMPLES,
    MOST_VALUES,
    OBSERVE_NO_VALUES,
    ExpectationOutcome,
    ValueCount,
    json_safe,
)
from perennial.spec.expectations import Expectation

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports modules that Python has deprecated
    import great_expectations as gx
    from great_expectations.constants import MAX_RESULT_RECORDS
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    from great_expectations.expectations.expectation import Expectation as NativeExpectation
    from great_expectations.expectations.registry import get_expectation_impl
    from great_expectations.validator import validation_graph

# No thread that watches over progress bars: none is shown.
validation_graph.tqdm.monitor_interval = 0  # type: ignore[attr-defined]

_LONGEST_ERROR = 300
_COUNTED = 10_000  # of the unexpected values that many are counted; the first few different ones are samples


# Each value, or pair of values, meets or breaks these by itself, so that what was found in parts of the rows adds up.
# Of the others, a sum of floats depends on where it begins, and distinct values or quantiles are those of all rows.
ADDITIVE = (
    "expect_column_pair_values_a_to_be_greater_than_b",
    "expect_column_pair_values_to_be_equal",
    "expect_column_value_lengths_to_be_between",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_be_null",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_be_null",
    "expect_column_values_to_not_match_regex",
)


@dataclass(frozen=True)
class Found:
    """What Great Expectations found out about one expectation, in its own words; `error` says why it could not."""

    met: bool
    facts: Mapping[str, Any]
    error: str | None


def run_suite(
    expectations: Sequence[Expectation], frame: pd.DataFrame, private: Collection[str] = ()
) -> tuple[ExpectationOutcome, ...]:
    """What each expectation says about the frame, in the order given.

    No value of a column in `private` appears in any outcome. An expectation that can't be built or that raises is not
    met, and says why.
    """
    found = found_in(frame, expectations)
    return tuple(outcome_of(*each, private) for each in zip(expectations, found, strict=True))


def found_in(frame: pd.DataFrame, expectations: Sequence[Expectation]) -> list[Found]:
    """What was found out about each expectation."""
    built: dict[int, NativeExpectation] = {}
    errors: dict[int, str] = {}
    for position, expectation in enumerate(expectations):
        try:
            built[position] = _native(expectation, frame, position)
        except (TypeError, ValueError) as error:
            errors[position] = str(error)
    results: dict[int, Found] = {}
    if built:
        try:
            results = dict(_validate(built.values(), frame))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong inside an expectation is a failure, not a crash
            errors.update(dict.fromkeys(built, f"{type(error).__name__}: {error}"))
    return [
        results.get(position) or Found(met=False, facts={}, error=errors.get(position) or "it gave no result")
        for position in range(len(expectations))
    ]


def together(expectation: Expectation, parts: Sequence[Found]) -> Found:
    """What is found out in all rows, of what was found in parts of them without errors; the expectation is additive."""
    facts: dict[str, Any] = {
        name: sum(part.facts[name] for part in parts)
        for name in ("element_count", "missing_count", "unexpected_count")
        if name in parts[0].facts
    }
    unexpected = [value for part in parts for value in part.facts["partial_unexpected_list"]]
    present = facts["element_count"] - facts.get("missing_count", 0)
    share = (present - facts["unexpected_count"]) / present if present else 1.0
    met = share >= expectation.kwargs.get("mostly", 1)
    return Found(met, {**facts, "partial_unexpected_list": unexpected[: min(_COUNTED, MAX_RESULT_RECORDS)]}, None)


def all_met(values: int, missing: int) -> Found:
    """What is found out in so many values of a column, some of them missing, that meet what is asked of each."""
    facts = {"element_count": values, "missing_count": missing, "unexpected_count": 0, "partial_unexpected_list": []}
    return Found(met=True, facts=facts, error=None)


@cache
def _batches() -> BatchDefinition[Any]:
    no_files = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=no_files))
    context.enable_analytics(enable=False)
    context.variables.progress_bars = {"globally": False}  # type: ignore[assignment]
    return (
        context.data_sources.add_pandas("rows").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("rows")
    )


def _native(expectation: Expectation, frame: pd.DataFrame, position: int) -> NativeExpectation:
    column = expectation.kwargs.get("column")
    dtype = frame[column].dtype if column in frame.columns else None
    arguments = comparable_arguments(expectation.kwargs, dtype)
    return get_expectation_impl(expectation.type)(**arguments, meta={"position": position})


def _validate(expectations: Collection[NativeExpectation], frame: pd.DataFrame) -> Iterator[tuple[int, Found]]:
    suite = gx.ExpectationSuite(name="rows", expectations=list(expectations))
    batch = _batches().get_batch({"dataframe": frame})
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This pattern is interpreted as a regular expression, and has match groups")
        report = batch.validate(suite, result_format={"result_format": "BASIC", "partial_unexpected_count": _COUNTED})
    for result in report.results:
        assert result.expectation_config is not None
        meta = result.expectation_config.meta
        assert meta is not None
        error = _raised(result.exception_info)
        yield meta["position"], Found(error is None and bool(result.success), result.result, error)


def outcome_of(expectation: Expectation, found: Found, private: Collection[str]) -> ExpectationOutcome:
    """What is told of it: no value of a column in `private`."""
    is_private = not expectation.columns.isdisjoint(private)
    facts, error = found.facts, found.error
    about_values = "element_count" in facts
    observed = facts.get("observed_value")
    if observed is None:
        observed = facts.get("partial_missing_list")
    unexpected = [] if is_private else facts.get("partial_unexpected_list") or []
    values = _counted(unexpected)
    if is_private and error:
        error = "it raised an exception whose message may hold values of this column; check that it suits the column"
    return ExpectationOutcome(
        type=expectation.type,
        kwargs={name: json_safe(value) for name, value in expectation.kwargs.items()},
        severity=expectation.severity,
        met=found.met,
        checked=facts.get("element_count"),
        missing=facts.get("missing_count") if about_values else None,
        unexpected=facts.get("unexpected_count"),
        observed=None if is_private and expectation.type not in OBSERVE_NO_VALUES else json_safe(observed, 20),
        samples=tuple(each.value for each in values[:MOST_SAMPLES]),
        error=error[:_LONGEST_ERROR] if error else None,
        values=tuple(sorted(values, key=lambda each: -each.count)[:MOST_VALUES]),
        values_counted=sum(each.count for each in values),
        values_different=len(values),
    )


def _counted(unexpected: Sequence[Any]) -> list[ValueCount]:
    """The different values in their order, without missing ones: how many are missing is said by a count."""
    texts = (json.dumps(json_safe(value, MOST_SAMPLES)) for value in unexpected)
    return [ValueCount(json.loads(text), count) for text, count in Counter(texts).items() if text != "null"]


def _raised(information: Mapping[str, Any]) -> str | None:
    """The messages of the exceptions, None without any. There is one record, or one for each metric that failed."""
    records = [information] if "raised_exception" in information else list(information.values())
    messages = dict.fromkeys(str(record["exception_message"]) for record in records if record["raised_exception"])
    return "; ".join(messages) or None
