"""Temporary folders go with the process that has them, and those of killed processes by whoever needs one next."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from perennial import scratch
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


def left_by_a_killed_process(root: Path, name: str) -> Path:
    """A folder whose lock nobody holds, as far as this host can tell."""
    folder = root / name
    folder.mkdir()
    (folder / "in_use").touch()
    return folder


def test_those_of_other_hosts_stay_and_those_of_this_one_go_after_it_was_booted_again(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boot = root / "boot_id"
    boot.write_text("0a0a0a0a-1111-2222-3333-444444444444\n")
    monkeypatch.setattr(scratch, "_BOOT", boot)
    monkeypatch.setattr(scratch.socket, "gethostname", lambda: "web")
    ours = [
        left_by_a_killed_process(root, name)
        for name in (
            "perennial-web-0a0a0a0a-one",
            "perennial-web-0b0b0b0b-before",
            "perennial-another-1-0a0a0a0a-beside",
        )
    ]
    theirs = [
        left_by_a_killed_process(root, name)
        for name in ("perennial-web-1-0b0b0b0b-x", "perennial-other-0b0b0b0b-x", "perennial-x", "perennial-other--x")
    ]
    with scratch_folder() as folder:
        assert folder.name.startswith("perennial-web-0a0a0a0a-")
        assert [path.exists() for path in (*ours, *theirs)] == [False] * 3 + [True] * 4


def test_where_the_system_names_no_boot_the_host_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_BOOT", root / "none")
    monkeypatch.setattr(scratch.socket, "gethostname", lambda: "mac")
    ours = left_by_a_killed_process(root, "perennial-mac--one")
    theirs = left_by_a_killed_process(root, "perennial-other--one")
    with scratch_folder() as folder:
        assert folder.name.startswith("perennial-mac--")
        assert (ours.exists(), theirs.exists()) == (False, True)
