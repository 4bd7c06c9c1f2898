"""Installed versions against ranges and the lock."""

import pytest

from perennial.doctor.checks.versions import different, out_of_range


@pytest.mark.parametrize(
    ("installed", "allowed"),
    [
        ("2.3", True),
        ("2.3.0", True),
        ("2.10.1", True),
        ("2.2.9", False),
        ("3", False),
        ("3.0rc1", False),
        ("2.3.1+cu1", True),
    ],
)
def test_a_version_lies_in_a_range_or_not(installed: str, allowed: bool) -> None:
    wrong = out_of_range(["numpy>=2.3,<3"], {"numpy": installed}.get)
    assert wrong == ([] if allowed else [f"numpy is {installed}, allowed is <3,>=2.3"])


@pytest.mark.parametrize(
    ("range_", "installed", "allowed"),
    [
        ("~=2.3", "2.4", True),
        ("~=2.3", "3.0", False),
        (">=2,!=2.5.*", "2.5.1", False),
        ("==2.3.1", "2.3.1", True),
        ("==2.3.1", "2.3.2", False),
        (">2.3,<=2.5", "2.3", False),
        (">2.3,<=2.5", "2.5", True),
        (">=2.4", "2.4rc1", False),
    ],
)
def test_every_kind_of_range_counts(range_: str, installed: str, allowed: bool) -> None:
    assert (out_of_range([f"numpy{range_}"], {"numpy": installed}.get) == []) is allowed


def test_what_is_for_another_python_or_system_is_not_asked_for() -> None:
    required = ['pywin32>=300; sys_platform == "win32"', 'tomli>=2; python_version < "3"', "rich"]
    assert out_of_range(required, {"rich": "14"}.get) == []


def test_what_is_not_installed_is_named_unless_it_is_an_extra() -> None:
    required = ["rich>=14", 'moto[s3]>=5; extra == "dev"', "psycopg2-binary>=2.9.10,<3"]
    assert out_of_range(required, {"psycopg2-binary": "2.9.11"}.get) == ["rich is not installed, allowed is >=14"]


def test_the_lock_names_one_version_or_one_for_each_python() -> None:
    lock = "numpy==2.3.5 ; os_name == 'x' \\\n    --hash=sha256:0\nnumpy==2.4.1 \\\nrich[all]==14.0\nonly-there==1\n"
    assert different(lock, {"numpy": "2.4.1", "rich": "14.0"}.get) == []
    assert different(lock, {"numpy": "2.4.0", "rich": "14.0"}.get) == ["numpy is 2.4.0, locked is 2.3.5 or 2.4.1"]
