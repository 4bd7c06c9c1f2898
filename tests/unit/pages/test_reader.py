"""The process that writes the pages: it answers line by line, and the first answer is what it warms up with."""

import gc
import io
import json
from dataclasses import asdict
from pathlib import Path

from tests.unit.jobs.world import make_world

from perennial.pages.asked import Asked
from perennial.pages.reader import serve
from perennial.settings import Settings


def test_what_is_loaded_with_the_first_page_is_searched_for_garbage_no_more(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    settings = Settings.from_environment({"PERENNIAL_USE_CASES": str(world.use_case.folder.parent)})
    line = json.dumps(asdict(Asked("home", {}, ("parcels",), "/base", ""))).encode() + b"\n"
    answers = io.BytesIO()
    assert gc.get_freeze_count() == 0
    try:
        serve(settings, lambda: world.ports, io.BytesIO(line * 2), answers)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    first = json.loads(answers.getvalue().split(b"\n", 1)[0])
    assert (first["status"], answers.getvalue().count(b'"status": 200')) == (200, 2)
