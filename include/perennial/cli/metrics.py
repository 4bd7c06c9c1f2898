"""`perennial metrics`: the gauges for Prometheus, without Airflow."""

import os
from pathlib import Path
from typing import Annotated

import typer

from perennial import clock
from perennial.cli.session import Session


def metrics(
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Write to this file instead, in one step, so that nobody reads a half-written file: for "
            "node_exporter's textfile collector. Its name must end in .prom.",
        ),
    ] = None,
) -> None:
    """Print the gauges of all use cases in Prometheus' text format; what only Airflow knows is left out."""
    from perennial.errors import InvalidSettings, InvalidSpec
    from perennial.spec.load import load_use_case, use_case_names
    from perennial.telemetry import gauges
    from perennial.telemetry.samples import as_text

    session = Session()
    specs, broken = [], 0
    for name in use_case_names(session.settings.use_cases):
        try:
            loaded = load_use_case(session.settings.use_cases / name)
        except InvalidSpec:
            broken += 1
            continue
        if loaded.ended is None:
            specs.append(loaded.spec)
    text = as_text(gauges.run(specs, clock.now(), session.ledger, broken=broken))
    if output is None:
        print(text.decode(), end="")
        return
    if output.suffix != ".prom":
        raise typer.BadParameter("node_exporter reads files whose name ends in .prom only", param_hint="--output")
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(text)
        unfinished.replace(output)
    except OSError as error:
        raise InvalidSettings(f"{output} could not be written: {error}. The file is as it was before.") from error
