"""One failed preparation is one failed test.

What several tests share (a server, a step of a story) is prepared once, by a fixture of a module or of the session.
When that fails, the first test that needed it is reported as failed, with everything that is known. The others are
reported as errors of one line that names the fixture and that test; nothing is waited for again.
"""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class _Failed:
    error: BaseException
    fixture: str
    told_by: str | None = None


class FailedPreparations:
    """A plugin of pytest that tells a failed preparation once."""

    def __init__(self) -> None:
        self._failed: list[_Failed] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        """Remember which fixture an error comes from; pytest raises that very error again for every other test."""
        try:
            return (yield)
        except Exception as error:
            if fixturedef.scope != "function" and self._known(error) is None:
                self._failed.append(_Failed(error, fixturedef.argname))
            raise

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report the first test that meets the error as failed, and the others in one line."""
        report = yield
        failed = self._known(call.excinfo.value) if call.excinfo is not None and call.when == "setup" else None
        if failed is None or not report.failed:
            return report
        if failed.told_by is None:
            failed.told_by = item.nodeid
            report.when = "call"  # pytest counts what fails before as an error only
        else:
            report.longrepr = item.repr_failure(_in_one_line(failed))
            report.sections = []
        return report

    def _known(self, error: BaseException) -> _Failed | None:
        return next((each for each in self._failed if each.error is error), None)


def _in_one_line(failed: _Failed) -> pytest.ExceptionInfo[BaseException]:
    told = pytest.fail.Exception(f"{failed.fixture} failed before: see {failed.told_by}", pytrace=False)
    return pytest.ExceptionInfo.from_exc_info((type(told), told, failed.error.__traceback__))
