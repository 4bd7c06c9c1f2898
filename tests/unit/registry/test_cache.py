"""Models that are kept on local disk."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

from perennial.errors import StoreUnavailable
from perennial.registry.cache import ModelCache, StoredModel


def test_what_can_not_be_kept_leaves_nothing_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"could not be kept in .*No space left.*Free space there"):
            ModelCache(tmp_path).put("flights", "1", "d" * 64, StoredModel(b"model", {}))
    assert list(tmp_path.iterdir()) == []
