"""`make compose-test`: the stack for a team is built, started, used, broken, saved and restored, and asked what holds.

Any Docker engine with Compose v2 will do. Everything that was made is removed again, but the images. A step that fails
is named at the end; what it left is cleared away, so that the steps after it are about themselves.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

from tests.compose import faults, rotation, speed, store, story
from tests.compose.stack import ROOT, Stack, variables
from tests.compose.steps import Steps
from tests.ports import free_port

WINDOWS, AFTER_A_FAULT = 14, 4


def main() -> int:
    """0 when all that must hold holds."""
    parser = argparse.ArgumentParser(prog="make compose-test", description=__doc__)
    parser.add_argument(
        "--faults", default=",".join(each.__name__ for each in faults.FAULTS), help="which, with commas"
    )
    parser.add_argument("--speed", action="store_true", help="also measure 1, 2 and 4 workers, and a LocalExecutor")
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
    folder = Path(mkdtemp(prefix="perennial-compose-"))
    folder.chmod(0o755)
    try:
        stack = Stack(variables(folder, story.use_cases(folder), free_port))
        stack.compose("down", "--volumes", "--timeout", "5", check=False)
        steps = Steps(stack)
        try:
            with steps.memory_watched():
                _run(steps, folder, [each for each in faults.FAULTS if each.__name__ in arguments.faults.split(",")],
                     arguments.speed)  # fmt: skip
        except BaseException:
            print(stack.compose("ps", "--all", check=False))
            print(stack.compose("logs", "--tail=25", check=False))
            raise
        finally:
            print(steps.summary(), flush=True)
            if arguments.keep:  # with the folder, from which the services read
                print(f"Left running: {stack.url}, with what it was told in {folder}/env")
            else:
                stack.compose("down", "--volumes", "--timeout", "5", check=False)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)
    return 1 if steps.failed else 0


def _run(steps: Steps, folder: Path, chosen: list[faults.Fault], measured: bool) -> None:
    stack = steps.stack
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}", flush=True)
    steps.must("the images are built", stack.build)
    steps.must("started, and healthy", stack.up)
    print(f"         at rest, MiB: {steps.now()}", flush=True)
    steps.may("weak secrets are refused", lambda: story.weak_secrets_are_refused(stack))
    steps.must("the source is loaded", lambda: story.load_source(stack))
    steps.must("people of each role are made", lambda: story.make_users(stack))
    steps.may("nobody gets in without a login", lambda: story.logins_are_needed(stack))
    steps.must("the DAGs are there", lambda: story.unpause(stack))
    steps.may("the store asks for keys", lambda: store.keys_are_needed(stack))
    steps.may("rights end where they should", lambda: story.rights_end_where_they_should(stack))
    steps.may("the doctor finds nothing", lambda: story.the_doctor_finds_nothing(stack))
    steps.must("a model is trained, approved and deployed", lambda: story.deploy(stack))
    steps.must(f"{WINDOWS} windows are filled by two workers", lambda: steps.fill(story.FIRST, WINDOWS))
    print(f"         tasks by worker: {story.tasks_by_worker(stack)}", flush=True)
    steps.check()
    steps.may("a viewer looks", lambda: story.look(stack))
    steps.may("the gauges are scraped", lambda: story.gauges_are_scraped(stack))
    for fault in chosen:
        steps.survive(fault, AFTER_A_FAULT)
        steps.check()
    steps.may("secrets are changed", lambda: rotation.secrets_changed(stack, folder / "env"))
    steps.may("windows with new secrets", lambda: steps.fill(steps.next_window, 2))
    steps.check()
    steps.must("saved, destroyed and restored", lambda: faults.lost_and_restored(stack, str(folder / "backup")))
    steps.check()
    steps.may("windows after the restore", lambda: steps.fill(steps.next_window, 2))
    steps.check()
    if measured:
        for executor in speed.EXECUTORS:
            steps.may(f"the speed of {executor}", lambda executor=executor: speed.measure(steps, executor))  # type: ignore[misc]
            steps.check()


if __name__ == "__main__":
    sys.exit(main())
