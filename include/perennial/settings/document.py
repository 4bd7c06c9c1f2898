"""The table of all settings as a page of the documentation."""

from typing import Any

from perennial.settings.setting import Setting
from perennial.settings.table import GROUPS

_BEGINNING = """\
# Settings

This page is written by `perennial settings --markdown`. `perennial settings` shows the values here, where each is from,
and what is wrong with it; `perennial doctor` tries them ([doctor.md](doctor.md)).

Each setting is a variable of the environment. A value comes from the first of these that has one:

1. the variable itself, such as `PERENNIAL_LAKE_URL`;
2. the file whose path is in the variable of the same name with `_FILE` at its end, such as
   `PERENNIAL_MLFLOW_URL_FILE=/run/secrets/mlflow_url`. So Docker and Kubernetes mount secrets. Line breaks at the
   end of the file do not count. It is an error to set both. A process reads only the files of what it uses;
3. `local.env` in `PERENNIAL_HOME`, which `make run` writes.

Connections (`AIRFLOW_CONN_<NAME>`, also those that `use_case.yaml` names) are looked for inside Airflow in
`AIRFLOW_CONN_<NAME>_FILE` first, and then wherever Airflow keeps them: its secrets backend, the variable, its database.
At the command line the variable or its file count, and then the Airflow that is set up there is asked. Airflow itself
does not know `_FILE`: its own options take a command instead, such as
`AIRFLOW__CORE__FERNET_KEY_CMD=cat /run/secrets/fernet_key`.

A secret is never printed, not even when it is wrong.
"""


def markdown_table() -> str:
    """The text of docs/settings.md."""
    parts = [_BEGINNING]
    for group in GROUPS:
        parts.append(f"\n## {group.title}\n")
        if group.introduction:
            parts.append(f"\n{group.introduction}\n")
        parts.append("\n| setting | what it means | must be | default | secret |\n| --- | --- | --- | --- | --- |\n")
        parts.extend(_row(each) for each in group.settings)
    return "".join(parts)


def _row(setting: Setting[Any]) -> str:
    name = f"`{setting.name}`" + (f"; in Airflow: {setting.airflow}" if setting.airflow else "")
    unit = f" ({setting.unit})" if setting.unit else ""
    secret = "yes" if setting.is_secret else ""
    default = f"{setting.default}{_unit(setting)}"
    return f"| {name} | {setting.meaning} | {setting.kind.allowed}{unit} | {default} | {secret} |\n"


def _unit(setting: Setting[Any]) -> str:
    return f" {setting.unit}" if setting.unit and setting.default[:1].isdigit() else ""
