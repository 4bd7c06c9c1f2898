"""Roles from compose/access.yaml: what each may do, and that it ends at its team's use cases."""

from pathlib import Path

import pytest
import yaml

from perennial.errors import InvalidSettings
from perennial_airflow import access

OWNERS = {"late_flights": "network", "air_time": "network", "churn": "sales"}


@pytest.fixture(scope="module")
def rights(repository: Path) -> dict[str, frozenset[access.Right]]:
    found = access.roles(access.load(repository / "compose" / "access.yaml"), OWNERS)
    return {role.name: role.rights for role in found}


def test_each_team_has_a_role_of_each_kind(rights: dict[str, frozenset[access.Right]]) -> None:
    kinds = ("viewer", "data scientist", "approver")
    assert set(rights) == {"Approver"} | {f"{kind}: {team}" for kind in kinds for team in ("network", "sales")}


def test_no_role_reaches_every_dag_or_another_teams(rights: dict[str, frozenset[access.Right]]) -> None:
    for name, given in rights.items():
        resources = {resource for action, resource in given if action != "menu_access"}
        assert not {"DAGs", "Connections", "Variables", "Users", "Roles", "Configurations"} & resources, name
        named = {resource.partition(":")[2].partition(".")[0] for resource in resources if ":" in resource}
        team = name.partition(": ")[2]
        assert named == {use_case for use_case, owner in OWNERS.items() if owner == team}, name


def test_a_viewer_changes_nothing(rights: dict[str, frozenset[access.Right]]) -> None:
    changing = {right for right in rights["viewer: sales"] if right[0] in ("can_edit", "can_create", "can_delete")}
    assert changing == {("can_edit", "My Profile"), ("can_edit", "My Password")}
    assert ("can_read", "DAG:churn.predict") in rights["viewer: sales"]


def test_a_data_scientist_runs_and_does_not_approve(rights: dict[str, frozenset[access.Right]]) -> None:
    given = rights["data scientist: sales"]
    assert given > rights["viewer: sales"]
    assert ("can_create", "DAG Run:churn.predict") in given
    assert ("can_create", "DAG Runs") not in given
    assert ("can_edit", "HITL Detail") not in given


def test_an_approver_approves_and_does_not_run(rights: dict[str, frozenset[access.Right]]) -> None:
    given = rights["approver: sales"]
    assert {("can_edit", "HITL Detail"), ("can_edit", "DAG:churn.retrain")} <= given
    assert not {resource for action, resource in given if action == "can_create"}
    assert rights["Approver"] == frozenset()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"mark": "Approver"}, "kinds"),
        ({"mark": "Approver", "kinds": {"viewer": {"also": "watcher"}}}, "`also` names watcher"),
        ({"mark": "Approver", "kinds": {"viewer": {"right": []}}}, "right"),
        ("text", "can't be used"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: object, said: str) -> None:
    file = tmp_path / "access.yaml"
    file.write_text(yaml.safe_dump(content))
    with pytest.raises(InvalidSettings, match=said):
        access.load(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="can't be used"):
        access.load(tmp_path / "access.yaml")


class Named:
    def __init__(self, name: str) -> None:
        self.name = name


class Permission:
    def __init__(self, action: str, resource: str) -> None:
        self.action, self.resource = Named(action), Named(resource)


class FabRole:
    def __init__(self, name: str) -> None:
        self.name = name
        self.permissions: list[Permission] = []


class Manager:
    """As far as FAB's security manager is used here."""

    def __init__(self) -> None:
        self.roles: dict[str, FabRole] = {}

    def find_role(self, name: str) -> FabRole | None:
        return self.roles.get(name)

    def add_role(self, name: str) -> FabRole:
        return self.roles.setdefault(name, FabRole(name))

    def create_permission(self, action: str, resource: str) -> Permission:
        return Permission(action, resource)

    def add_permission_to_role(self, role: FabRole, permission: Permission) -> None:
        role.permissions.append(permission)

    def remove_permission_from_role(self, role: FabRole, permission: Permission) -> None:
        role.permissions.remove(permission)


def test_roles_become_what_the_file_says_also_when_it_says_less() -> None:
    manager = Manager()
    access.apply(manager, [access.Role("viewer: a", frozenset({("can_read", "DAG:a.predict"), ("can_read", "XComs")}))])
    kept = manager.roles["viewer: a"].permissions[:]
    access.apply(manager, [access.Role("viewer: a", frozenset({("can_read", "XComs"), ("can_read", "Website")}))])
    found = {(each.action.name, each.resource.name) for each in manager.roles["viewer: a"].permissions}
    assert found == {("can_read", "XComs"), ("can_read", "Website")}
    assert len(set(kept) & set(manager.roles["viewer: a"].permissions)) == 1
