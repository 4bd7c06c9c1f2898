"""The quick half of the calibration on a year of real flights (`tests/bench/drift_calibration.py`)."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def bench(repository: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("drift_calibration", repository / "tests/bench/drift_calibration.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def test_the_seasons_are_noticed_and_ordinary_days_left_in_peace(bench: ModuleType) -> None:
    days = bench.load_days()
    known = [day for day in days if day[0].month <= 2]
    by_month = bench.alarms_by_month(bench.fit(known), days, [3, 6, 7, 8])
    assert by_month[3] <= 0.15
    assert min(by_month[month] for month in (6, 7, 8)) >= 0.8
    held_out = bench.held_out(known, splits=4)
    assert [len(split) for split in held_out] == [19] * 4
    assert bench.share_below(held_out, 0.05) <= 0.12
