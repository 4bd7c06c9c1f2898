"""A process that asks for the same spec again and again reads it once, until one of its files changes."""

import shutil
from pathlib import Path

import pytest

from perennial.errors import InvalidSpec, UnknownUseCase
from perennial.spec import load
from perennial.spec.load import load_again, load_use_case


@pytest.fixture
def folder(tmp_path: Path, repository: Path) -> Path:
    return Path(shutil.copytree(repository / "include" / "use_cases" / "flight_delays", tmp_path / "flight_delays"))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []

    def counting(folder: Path) -> load.LoadedUseCase:
        read.append(folder)
        return load_use_case(folder)

    monkeypatch.setattr(load, "load_use_case", counting)
    return read


def test_what_has_not_changed_is_not_read_again(folder: Path, reads: list[Path]) -> None:
    found = [load_again(folder) for _ in range(5)]
    assert len(reads) == 2
    assert all(each == load_use_case(folder) for each in found)


def test_a_change_of_any_of_its_files_is_seen(folder: Path) -> None:
    for _ in range(3):
        load_again(folder)
    for file in sorted(folder.iterdir()):
        if file.suffix == ".sql":
            file.write_text(f"{file.read_text()}\n-- changed\n")
            loaded = load_again(folder)
            if file.name in loaded.queries:
                assert "-- changed" in loaded.queries[file.name]
    suite = folder / "expectations.yaml"
    before = load_again(folder)
    suite.write_text(
        f"{suite.read_text()}  - type: expect_table_row_count_to_be_between\n    kwargs: {{min_value: 1}}\n"
    )
    assert len(load_again(folder).expectations) == len(before.expectations) + 1
    spec = folder / "use_case.yaml"
    spec.write_text(spec.read_text().replace("title: ", "title: New "))
    assert load_again(folder).spec.title.startswith("New ")


def test_a_mistake_is_told_each_time_and_mended_at_once(folder: Path) -> None:
    for _ in range(3):
        load_again(folder)
    spec = folder / "use_case.yaml"
    good = spec.read_text()
    spec.write_text(good.replace("owner:", "ovner:"))
    for _ in range(2):
        with pytest.raises(InvalidSpec, match="ovner"):
            load_again(folder)
    spec.write_text(good)
    assert load_again(folder) == load_use_case(folder)


def test_a_folder_that_is_gone_is_gone(folder: Path) -> None:
    for _ in range(3):
        load_again(folder)
    shutil.rmtree(folder)
    with pytest.raises(UnknownUseCase):
        load_again(folder)
