"""`perennial settings`: every setting, its value here and where that is from."""

from typing import Annotated

import typer


def settings(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print docs/settings.md instead.")] = False,
) -> None:
    """Show every setting with its value here, where that is from, and the default. Secrets are not shown.

    A wrong value is an error that says what is allowed.
    """
    from perennial.cli.session import Session
    from perennial.cli.tables import print_table
    from perennial.settings.document import markdown_table
    from perennial.settings.table import SETTINGS

    if markdown:
        print(markdown_table(), end="")
        return
    environment = Session().settings.environment
    rows = []
    for each in SETTINGS.values():
        value = each.read(environment)
        shown = "(secret)" if each.is_secret and value is not None else each.text(value)
        rows.append((each.name, shown, environment.origin(each.name), each.default))
    print_table(("setting", "value", "from", "default"), rows)
