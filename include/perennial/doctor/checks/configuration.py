"""The settings, and the use cases."""

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok, warn
from perennial.errors import InvalidSettings, InvalidSpec
from perennial.settings.table import SETTINGS
from perennial.spec.load import load_use_case, use_case_names


def settings_are_allowed(deployment: Deployment) -> Found:
    """Every setting that has a value has one that is allowed, and each file that is named can be read."""
    environment, wrong = deployment.settings.environment, []
    given = 0
    for setting in SETTINGS.values():
        try:
            given += setting.read(environment) is not None
        except InvalidSettings as error:
            wrong.append(str(error))
    if wrong:
        return fail(f"{len(wrong)} of {len(SETTINGS)} settings are wrong", " ".join(wrong))
    return ok(f"{given} of {len(SETTINGS)} are set here, and all are allowed; `perennial settings` shows them")


def specs_are_valid(deployment: Deployment) -> Found:
    """Every use case can be loaded."""
    folder = deployment.settings.use_cases
    names, wrong = use_case_names(folder), []
    for name in names:
        try:
            load_use_case(folder / name)
        except InvalidSpec as error:
            wrong.append(f"{name}: {' '.join(str(error).split())[:200]}")
    if wrong:
        return fail(
            f"{len(wrong)} of {len(names)} use cases are wrong: {'; '.join(wrong)}", "`perennial check` shows all."
        )
    if not names:
        return warn(f"there is no use case in {folder}", "Check PERENNIAL_USE_CASES, or make one with `perennial new`.")
    return ok(f"{len(names)} in {folder}: {', '.join(names)}")
