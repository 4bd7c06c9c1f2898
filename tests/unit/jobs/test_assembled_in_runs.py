"""A training set that is put in order outside of memory, in several runs, is the one that is sorted in memory."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.jobs.test_learning_path import judged_now
from tests.unit.jobs.world import make_world

from perennial import ordered
from perennial.jobs.retrain import assemble
from perennial.jobs.retrain.assembling import rows as rows_of_set
from perennial.records.training_set import read_manifest, read_rows


def test_it_has_the_same_rows_digest_and_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = []
    for name in ("whole", "runs"):
        (tmp_path / name).mkdir()
        worlds.append(make_world(tmp_path / name))
    day = worlds[0].day(25).start
    whole = assemble.run(worlds[0].use_case, day, worlds[0].ports, "test")
    verdict = judged_now(worlds[0], 25)

    merged: list[int] = []
    merge = ordered._merged

    def counting(runs: Sequence[Any], *others: Any) -> Any:
        merged.append(len(runs))
        return merge(runs, *others)

    monkeypatch.setattr(ordered, "_merged", counting)
    monkeypatch.setattr(rows_of_set, "ROWS_AT_ONCE", 200)
    monkeypatch.setattr(ordered, "RUN_BYTES", 20_000)
    monkeypatch.setattr(ordered, "CHUNK_ROWS", 50)
    monkeypatch.setattr(ordered, "BLOCK_ROWS", 7)
    runs = assemble.run(worlds[1].use_case, day, worlds[1].ports, "test")

    assert max(merged) > 1
    assert runs == whole
    rows, expected = (
        read_rows(read_manifest(each.training_id, world.ports), world.ports)
        for each, world in ((runs, worlds[1]), (whole, worlds[0]))
    )
    assert rows.combine_chunks().equals(expected.combine_chunks())
    again = judged_now(worlds[1], 25)
    assert verdict.winner is not None
    assert again.winner is not None
    assert again.winner.digest == verdict.winner.digest
    assert replace(again, winner=None) == replace(verdict, winner=None)  # a winner says how many seconds it took
