"""Which expectations past windows suggest, and which columns are better left alone.

What others do was looked at, and not copied where it cries wolf. Deequ suggests constraints from one data set (Schelter
et al., "Automating Large-Scale Data Quality Verification", VLDB 2018), TensorFlow Data Validation a schema with sets of
up to 100 texts (Breck et al., "Data Validation for Machine Learning", MLSys 2019), ydata-profiling the observed
extremes; Great Expectations' data assistants take many batches, and bound some twenty statistics of each column so that
5% of windows fail each of them. Here:

- A bound comes from how windows differ (see `perennial.quality.proposals.bounds`), never from the extremes of one.
- A set of values is proposed where it is closed. Good's estimate of the chance that the next window brings a value not
  seen before is the share of windows' values that only one window had (Good, "The Population Frequencies of Species and
  the Estimation of Population Parameters", Biometrika 1953): the number of such values by the number of windows.
- Means, medians and spreads get no bounds: whether a distribution has moved is decided by drift monitoring, which holds
  its rate of false alarms over all columns.
- Nothing is proposed that can't fail: that keys are unique and required values are there is checked for every window.

All of it is a `warning` at first. What is about structure becomes `critical` where none of `SURE` windows failed it:
after 60 the rate of failures is below 5%, with 95% confidence (the rule of three: Hanley and Lippman-Hand, "If nothing
goes wrong, is everything all right?", JAMA 1983).
"""

from collections.abc import Iterator, Sequence

from perennial.quality.proposals.missing import NOT_NULL, missing
from perennial.quality.proposals.numbers import row_count, value_range
from perennial.quality.proposals.proposal import LeftAlone, Looked, Proposal
from perennial.quality.proposals.seen import ColumnSeen
from perennial.quality.proposals.texts import IN_SET, MATCH, texts
from perennial.spec.columns import Column, Kind
from perennial.spec.models import UseCase

STRUCTURAL = (IN_SET, MATCH, NOT_NULL)
SURE = 60
NO_VALUES = {
    Kind.BOOLEAN: "true and false are all that it can hold; only missing values are looked at",
    Kind.TIMESTAMP: "times go on from window to window; only missing values are looked at",
}


def propose(spec: UseCase, looked: Looked) -> tuple[list[Proposal], list[LeftAlone]]:
    """What the windows suggest, by column in the spec's order, and what was left alone; one window at least."""
    found: list[Proposal | LeftAlone] = list(row_count(spec, looked))
    for name, column in spec.columns.items():
        if name == spec.event_time:
            found.append(LeftAlone(name, "the event time: in_window sets rows outside their window aside in any case"))
        elif name in spec.private_columns:
            found.append(LeftAlone(name, _why_private(spec, name)))
        else:
            seen = [window.columns[name] for window in looked.windows]
            found += [*_values(name, column, seen, looked), *missing(name, column, seen, looked)]
    return (
        [each for each in found if isinstance(each, Proposal)],
        [each for each in found if isinstance(each, LeftAlone)],
    )


def _why_private(spec: UseCase, name: str) -> str:
    if name == spec.key:
        return (
            "the key: unique_key and required set doubled and missing ones aside in any case, and values stay private"
        )
    return "its values are private"


def _values(name: str, column: Column, seen: Sequence[ColumnSeen], looked: Looked) -> Iterator[Proposal | LeftAlone]:
    if column.kind in NO_VALUES:
        yield LeftAlone(name, NO_VALUES[column.kind])
    elif not any(each.present for each in seen[: looked.derived]):
        yield LeftAlone(name, "no value was there in any window that was learnt from")
    elif column.kind is Kind.CATEGORICAL:
        yield texts(name, seen, looked)
    else:
        yield value_range(name, column, seen, looked)
