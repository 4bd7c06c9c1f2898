"""`make compose-test`: the stack for a team is built, started, used, broken, saved and restored, and asked what holds.

Any Docker engine with Compose v2 will do. Everything that was made is removed again, but the images.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.compose import checks, faults, story
from tests.compose.stack import ROOT, Stack, variables
from tests.ports import free_port

WINDOWS, AFTER_A_FAULT = 14, 6


def main() -> int:
    """0 when all that must hold holds."""
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__)
    parser.add_argument(
        "--faults", default=",".join(each.__name__ for each in faults.FAULTS), help="which, with commas"
    )
    parser.add_argument("--keep", action="store_true", help="leave the stack running, to be looked at")
    arguments = parser.parse_args()
    engine = subprocess.run(["docker", "compose", "version"], check=False, capture_output=True, text=True)
    if engine.returncode or subprocess.run(["docker", "info"], check=False, capture_output=True).returncode:
        print("There is no Docker engine with Compose v2 that answers. Start one, or point DOCKER_HOST at one.")
        return 2
    subprocess.run(
        ["docker", "build", "--quiet", "--network=host", "--tag=perennial-test/base", "tests/compose/images/base"],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    with TemporaryDirectory(prefix="perennial-compose-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        stack = Stack(variables(folder, story.use_cases(folder), free_port))
        stack.compose("down", "--volumes", "--timeout", "5", check=False)
        try:
            _run(stack, folder, [each for each in faults.FAULTS if each.__name__ in arguments.faults.split(",")])
        except BaseException:
            print(stack.compose("ps", "--all", check=False))
            print(stack.compose("logs", "--tail=25", check=False))
            raise
        finally:
            if arguments.keep:
                print(f"Left running: {stack.url}")
            else:
                stack.compose("down", "--volumes", "--timeout", "5", check=False)
    return 0


def _run(stack: Stack, folder: Path, chosen: list[Callable[[Stack, datetime, int], None]]) -> None:
    _step("built, started, and healthy", stack.up)
    print("memory at rest: " + ", ".join(f"{name} {used}" for name, used in sorted(stack.memory().items())))
    _step("weak secrets are refused", lambda: story.weak_secrets_are_refused(stack))
    _step("the source is loaded", lambda: story.load_source(stack))
    story.make_users(stack)
    _step("nobody gets in without a login", lambda: story.logins_are_needed(stack))
    _step("rights end where they should", lambda: story.rights_end_where_they_should(stack))
    _step("a model is trained, approved and deployed", lambda: story.deploy(stack))
    first = story.FIRST
    seconds = _step(
        f"{WINDOWS} windows are filled by two workers",
        lambda: story.finish(stack, story.begin(stack, "dana", first, WINDOWS)),
    )
    print(f"{WINDOWS * 60 / seconds:.1f} windows a minute; tasks by worker: {story.tasks_by_worker(stack)}")
    wanted = story.windows(first, WINDOWS)
    _check(stack, wanted)
    _step("a viewer looks", lambda: story.look(stack))
    for fault in chosen:
        begin = wanted[-1] + timedelta(days=1)
        _step(fault.__name__, lambda fault=fault, begin=begin: fault(stack, begin, AFTER_A_FAULT))  # type: ignore[misc]
        wanted += story.windows(begin, AFTER_A_FAULT)
        _check(stack, wanted)
    print("memory afterwards: " + ", ".join(f"{name} {used}" for name, used in sorted(stack.memory().items())))
    _step("saved, destroyed and restored", lambda: faults.lost_and_restored(stack, str(folder / "backup")))
    _check(stack, wanted)
    begin = wanted[-1] + timedelta(days=1)
    _step("windows after the restore", lambda: story.finish(stack, story.begin(stack, "dana", begin, 2)))
    _check(stack, [*wanted, *story.windows(begin, 2)])


def _step(what: str, action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    seconds = time.monotonic() - started
    print(f"{datetime.now():%H:%M:%S} {what}: {seconds:.0f} s", flush=True)  # noqa: DTZ005 - for people who watch
    return seconds


def _check(stack: Stack, wanted: list[datetime]) -> None:
    found = checks.broken(stack.sql, "flight_delays", story.KEY, wanted)
    assert not found, "\n".join(found)
    print(f"         I1 to I5 and I9 hold over {len(wanted)} windows", flush=True)


if __name__ == "__main__":
    sys.exit(main())
