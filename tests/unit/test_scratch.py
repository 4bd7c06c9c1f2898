"""Temporary folders go with the process that has them, and those of killed processes by whoever needs one next."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perennial.scratch import scratch_folder

HOLD = """
import sys, tempfile
from perennial.scratch import scratch_folder
tempfile.tempdir = sys.argv[1]
with scratch_folder() as folder:
    (folder / "rows.arrow").write_bytes(b"many")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@contextmanager
def held_elsewhere(root: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that has a folder, and the folder."""
    command = [sys.executable, "-c", HOLD, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_it_is_gone_at_the_end(root: Path) -> None:
    with scratch_folder() as folder:
        assert folder.parent == root
    assert list(root.iterdir()) == []


def test_those_of_living_processes_stay_and_those_of_killed_ones_go(root: Path) -> None:
    foreign = root / "perennial-of-somebody"
    foreign.mkdir()
    with held_elsewhere(root) as (process, theirs):
        with scratch_folder() as one, scratch_folder() as other:
            assert {path for path in root.iterdir() if path.is_dir()} == {foreign, theirs, one, other}
        process.kill()
        process.wait()
        assert (theirs / "rows.arrow").exists()
        with scratch_folder() as folder:
            assert set(root.iterdir()) == {foreign, folder}
