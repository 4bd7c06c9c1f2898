"""Commands about the ledger's chains: verify, anchor."""

import json as jsonlib
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated

import typer

from perennial import clock
from perennial.cli.inspect import AsJson
from perennial.cli.progress import progress_of
from perennial.cli.session import Session
from perennial.cli.tables import print_line
from perennial.encoding import as_json
from perennial.wording import counted

if TYPE_CHECKING:
    from perennial.jobs.upkeep.verify import VerifiedLedger

EXIT_ALTERED = 7

app = typer.Typer(help="Prove that nobody changed what the ledger recorded.", no_args_is_help=True)


@app.command()
def verify(
    use_case: Annotated[str | None, typer.Argument(help="Name of one use case. Default: all.")] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option("--anchor", metavar="FILE", help="Compare with this anchor, too: a file or an s3:// URL."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Read all deployments, decisions, interventions and approvals, and say which were changed, removed or reordered.

    Entries that somebody put in are named, too, and so are changes to the questions that approvals answer. All are
    compared with every stored anchor, and with those that --anchor names.
    """
    from perennial.anchors.store import anchor_at
    from perennial.jobs.upkeep import verify as job

    session = Session()
    given = [anchor_at(each, session.lake_options) for each in anchor or ()]
    made_at = attrgetter("made_at")
    anchors = merge(sorted(given, key=made_at), session.anchors.all(), key=made_at)
    with progress_of("entries") as on_entries:
        verified = job.run(session.ledger, anchors, use_case, on_entries=on_entries)
    if json:
        print(jsonlib.dumps(as_json(verified), default=str))
    else:
        _tell(verified, session.settings.anchors_url)
    if verified.alterations:
        raise typer.Exit(EXIT_ALTERED)


@app.command()
def anchor(
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="FILE", help="A file or an s3:// URL. Default: where the nightly ones are kept."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Write an anchor: where the ledger's chains end now. Keep it where nobody who can write to the database can."""
    from perennial.anchors.store import write_anchor
    from perennial.jobs.upkeep import anchor as job

    session = Session()
    made = job.anchor_of(session.ledger, clock.now())
    where = session.anchors.put(made) if to is None else write_anchor(to, made, session.lake_options)
    if json:
        print(jsonlib.dumps(as_json(made), default=str))
        return
    entries = sum(end.position for end in made.chains)
    print_line(f"{counted(len(made.chains), 'chain')} of {_entries(entries)}: {where}")
    print_line("Nothing was verified. To verify the ledger: perennial ledger verify")


def _tell(verified: "VerifiedLedger", kept_at: str) -> None:
    from perennial.jobs.upkeep.anchor import NEXT

    for read in verified.chains:
        older = f"; the first {read.adopted:,} are older than the chain, which proves them only since it was made"
        print_line(f"{read.use_case}: {_entries(read.entries)} read{older if read.adopted else ''}")
    if not verified.chains:
        print_line("Nothing is recorded yet.")
    for each in verified.named:
        print_line(str(each), "red")
    if verified.alterations > len(verified.named):
        print_line(f"and {verified.alterations - len(verified.named):,} more", "red")
    if verified.anchored_at is None:
        print_line(
            f"There is no anchor in {kept_at}, and none was given. Without one, a user with all rights in the database "
            "could make the chain anew or remove its newest entries, and this command would not notice. "
            "Make an anchor: perennial ledger anchor --to FILE",
            "yellow",
        )
    else:
        newest = f"{verified.anchored_at:%Y-%m-%d %H:%M:%SZ}"
        print_line(
            f"Compared with {counted(verified.anchors, 'anchor')}, the newest of {newest}. Entries recorded after it "
            "are proved by the chain alone."
        )
    if verified.alterations:
        print_line(f"{counted(verified.alterations, 'alteration')}. {NEXT}", "red")
    else:
        print_line("No entry was changed, removed, put in or reordered.", "green")


def _entries(number: int) -> str:
    return f"{number:,} {'entry' if number == 1 else 'entries'}"
