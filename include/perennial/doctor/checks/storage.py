"""The stores of bytes: the lake, the archive and the anchors, in a folder or on S3."""

from perennial.anchors.store import AnchorStore
from perennial.doctor.deployment import Deployment
from perennial.doctor.finding import Found, fail, ok
from perennial.errors import StoreUnavailable
from perennial.lake.probe import Probed, probe, refuses_listing
from perennial.lake.storage import S3_SCHEME

_RIGHTS = {
    "write": "s3:PutObject",
    "read": "s3:GetObject",
    "list": "s3:ListBucket",
    "delete": "s3:DeleteObject",
    "conditional put": "s3:PutObject",
}


def lake_is_usable(deployment: Deployment) -> Found:
    """An object can be written, read, listed and deleted in the lake."""
    return _usable(deployment, deployment.settings.lake_url, "lake")


def archive_is_usable(deployment: Deployment) -> Found:
    """The same where archived models go."""
    return _usable(deployment, deployment.settings.archive_url, "archive")


def second_writer_loses(deployment: Deployment) -> Found:
    """Of two writers of one new object, the second is refused: commits can't overwrite each other."""
    url = deployment.settings.lake_url
    found = _probed(deployment, url, "rivals")
    if "write" in found.failed:
        return fail(f"not tried: nothing can be written to {url}", "First correct what the line `lake` says.")
    if "conditional put" in found.failed:
        return fail(
            f"{url} refuses a conditional put (If-None-Match): {found.failed['conditional put']}",
            "Use a store that has it, as S3 does since 2024; a proxy before it must let the header pass.",
        )
    if not found.second_was_refused:
        return fail(
            f"{url} took two puts of one new object, each with If-None-Match: *; the second overwrote the first",
            "Do not use this store, or the proxy before it: when two tasks commit at once, the rows of one would be "
            "lost silently. A store that does not know the header If-None-Match does this, and so does a proxy that "
            "drops it.",
        )
    return ok("the second of two puts of one new object was refused")


def anchors_are_readable(deployment: Deployment) -> Found:
    """The ledger's anchors can be listed. None is written: where they lie, nothing may be deletable."""
    url = deployment.settings.anchors_url
    if refused := refuses_listing(url, deployment.storage(), deployment.patience):
        return fail(
            f"{url} can't be listed: {refused}",
            "Are endpoint, bucket and keys right? The user needs s3:ListBucket, s3:GetObject and s3:PutObject there.",
        )
    newest = AnchorStore(url, dict(deployment.storage())).newest()
    when = f"the newest is of {newest.made_at:%Y-%m-%d %H:%M} UTC" if newest else "there is none yet"
    return ok(
        f"{url} can be read: {when}. Writing was not tried, because an object that is written there may stay for ever"
    )


def _usable(deployment: Deployment, url: str, what: str) -> Found:
    found = _probed(deployment, url, what)
    failed = {step: said for step, said in found.failed.items() if step != "conditional put"}
    if not failed:
        return ok(f"an object was written, read, listed and deleted in {url}")
    said = "; ".join(f"{step}: {why}" for step, why in failed.items())
    left = f" Delete by hand what the doctor could not: {', '.join(found.left)}." if found.left else ""
    if url.startswith(S3_SCHEME):
        rights = ", ".join(sorted({_RIGHTS[step] for step in failed}))
        todo = f"Are endpoint, bucket and keys right? The user needs {rights} below {url}.{left}"
    else:
        todo = f"Let the user that runs this write to the folder, and see that its disk has room.{left}"
    return fail(f"{url} can't be used: {said}", todo)


def _probed(deployment: Deployment, url: str, name: str) -> Probed:
    try:
        return probe(url, deployment.storage(), f"{deployment.probe}-{name}", deployment.patience)
    except ValueError as error:  # boto3's word for an endpoint that is no address
        raise StoreUnavailable(f"{url} can't be asked: {error}") from error
