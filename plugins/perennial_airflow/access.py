"""The roles of Airflow's FAB auth manager, from a file: one for each kind of work and each team.

A team is the `owner` of use cases. What its roles may see and do ends at the DAGs of its use cases.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from perennial.errors import InvalidSettings
from perennial_airflow.dag_kind import DagKind

Right = tuple[str, str]  # an action and a resource


class Kind(BaseModel):
    """What a kind of work may do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    also: str | None = None
    general: tuple[Right, ...] = ()
    dag: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


class Access(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: Mapping[str, Kind] = Field(min_length=1)
    mark: str


@dataclass(frozen=True)
class Role:
    """A role and all of its rights."""

    name: str
    rights: frozenset[Right]


def load(path: Path) -> Access:
    """The file's content. Errors: `InvalidSettings` with what is wrong in it."""
    try:
        access = Access.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InvalidSettings(f"{path} can't be used: {error}") from error
    unknown = sorted({kind.also for kind in access.kinds.values() if kind.also} - set(access.kinds))
    if unknown:
        raise InvalidSettings(f"{path}: `also` names {', '.join(unknown)}, which is no kind in this file.")
    return access


def roles(access: Access, owners: Mapping[str, str]) -> list[Role]:
    """The roles for the use cases; `owners` tells the owner of each."""
    teams: dict[str, list[str]] = {}
    for use_case, owner in sorted(owners.items()):
        teams.setdefault(owner, []).extend(f"{use_case}.{kind}" for kind in DagKind)
    made = [
        Role(f"{kind}: {team}", frozenset(_rights(access, kind, dag_ids)))
        for team, dag_ids in teams.items()
        for kind in access.kinds
    ]
    return [Role(access.mark, frozenset()), *made]


def _rights(access: Access, name: str, dag_ids: Iterable[str]) -> set[Right]:
    kind = access.kinds[name]
    dag_ids = list(dag_ids)
    own = set(kind.general)
    own |= {(action, f"DAG:{dag_id}") for action in kind.dag for dag_id in dag_ids}
    own |= {(action, f"DAG Run:{dag_id}") for action in kind.runs for dag_id in dag_ids}
    return own | (_rights(access, kind.also, dag_ids) if kind.also else set())


def apply(manager: Any, wanted: Iterable[Role]) -> None:
    """Bring the roles into Airflow's database: rights that they have and should not have are taken away.

    `manager` is FAB's security manager.
    """
    for role in wanted:
        made = manager.find_role(role.name) or manager.add_role(role.name)
        has = {(each.action.name, each.resource.name): each for each in made.permissions}
        for right in role.rights - set(has):
            manager.add_permission_to_role(made, manager.create_permission(*right))
        for right in set(has) - role.rights:
            manager.remove_permission_from_role(made, has[right])


def prepare(wanted: Iterable[Role], first: str, password: str) -> None:
    """Bring Airflow's own roles and these up to date, and make the first administrator where that user is not there.

    Errors: `InvalidSettings` when Airflow does not take the user.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    with get_application_builder() as builder:
        manager = builder.sm
        manager.sync_roles()
        apply(manager, wanted)
        if manager.find_user(first) is None:
            role = manager.find_role("Admin")
            if not manager.add_user(first, "First", "Administrator", "admin@localhost.invalid", role, password):
                raise InvalidSettings(f"Airflow did not take the user {first!r}; see its message above.")
