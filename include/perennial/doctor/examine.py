"""Running the checks: all at once, each with its time, and none can hide another."""

import threading
import time
from collections.abc import Iterable, Mapping

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Finding, Found, Report, Status, fail
from perennial.doctor.registry import NEEDS, Check
from perennial.errors import PerennialError

LONGEST = 90.0  # seconds for all checks together


def examine(checks: Mapping[str, Check], deployment: Deployment, seconds: float = LONGEST) -> list[Finding]:
    """What each check found, in their order. One that goes wrong, or is not done in time, has failed.

    A check that hangs is left to itself, in a thread that does not keep the process alive.
    """
    found: dict[str, Found] = {}

    def run(name: str, check: Check) -> None:
        found[name] = _guarded(check, deployment)

    threads = {name: threading.Thread(target=run, args=each, daemon=True) for name, each in _by_name(checks)}
    for thread in threads.values():
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads.values():
        thread.join(max(0.0, end - time.monotonic()))
    late = fail(
        f"the check was not done within {seconds:g} s", "A server that it asked does not answer; see the other lines."
    )
    known = {name: found.get(name, late) for name in checks}
    return [Finding(name, *_parts(_told(name, known))) for name in checks]


def report(findings: Iterable[Finding]) -> Report:
    """All findings together."""
    every = tuple(findings)
    return Report(every, all(each.status is not Status.FAIL for each in every))


def _told(name: str, known: Mapping[str, Found]) -> Found:
    """What a check found, or that it could find nothing because of another one."""
    needed = NEEDS.get(name, "")
    failed = [each in known and known[each].status is Status.FAIL for each in (name, needed)]
    return fail(f"could not be checked while `{needed}` fails", "") if all(failed) else known[name]


def _by_name(checks: Mapping[str, Check]) -> Iterable[tuple[str, tuple[str, Check]]]:
    return ((name, (name, check)) for name, check in checks.items())


def _guarded(check: Check, deployment: Deployment) -> Found:
    try:
        return check(deployment)
    except PerennialError as error:
        return fail(str(error), "")  # it says what to do
    except Exception as error:  # noqa: BLE001 - told in the report, beside what the others found
        return fail(
            f"the check itself failed: {type(error).__name__}: {' '.join(str(error).split())[:300]}",
            "This is a mistake in Perennial; please report it with this line.",
        )


def _parts(found: Found) -> tuple[Status, str, str]:
    return found.status, found.found, found.todo
