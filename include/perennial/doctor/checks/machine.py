"""This host: its disks and its clock."""

from pathlib import Path

from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok, warn
from perennial.lake.storage import S3_SCHEME, local_path
from perennial.ledger.postgres.schema import probe
from perennial.settings import LEDGER_CONNECTION

NOTABLE_SKEW, FORBIDDEN_SKEW = (
    1.0,
    10.0,
)  # seconds; Airflow takes tokens that are wrong by up to 10 ([api_auth] jwt_leeway)


def disk_is_free(deployment: Deployment) -> Found:
    """The disks of PERENNIAL_HOME and of a lake in a folder have room."""
    settings, least = deployment.settings, deployment.settings.least_free_disk
    folders = {"PERENNIAL_HOME": settings.home}
    if not settings.lake_url.startswith(S3_SCHEME):
        folders["the lake"] = Path(local_path(settings.lake_url))
    free = {name: deployment.free(path) for name, path in folders.items()}
    said = ", ".join(f"{left:.1f} GB are free for {name} ({folders[name]})" for name, left in free.items())
    todo = (
        f"Free some, or give it a larger disk. `perennial maintain` lists what retention may remove. {least:g} "
        "GB are required (PERENNIAL_LEAST_FREE_DISK)."
    )
    if min(free.values()) < least:
        return fail(said, todo)
    return warn(said, todo) if min(free.values()) < 2 * least else ok(said)


def clock_is_right(deployment: Deployment) -> Found:
    """This host's clock and the ledger's server agree."""
    url = deployment.connections.url(LEDGER_CONNECTION)
    seen = probe.server(url, deployment.clock, deployment.patience)
    uncertain = (seen.after - seen.before).total_seconds() / 2
    skew = (seen.before + (seen.after - seen.before) / 2 - seen.clock).total_seconds()
    ahead = "ahead of" if skew > 0 else "behind"
    said = f"this host is {abs(skew):.2f} s {ahead} the ledger's server, give or take {uncertain:.2f} s"
    todo = (
        "Let both take their time from the same servers (NTP). Windows become due by this host's clock, entries are "
        f"ordered by it, and Airflow refuses tokens that are wrong by more than {FORBIDDEN_SKEW:g} s."
    )
    sure = abs(skew) - uncertain
    if sure > FORBIDDEN_SKEW:
        return fail(said, todo)
    return warn(said, todo) if sure > NOTABLE_SKEW else ok(said)
