"""One module reads the process's variables, and one of the plugins' reads Airflow's configuration."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.architecture.test_layers import LOCAL, MODULES, PLUGINS, ROOT, imports, label

READERS = {"include/perennial/settings/environment.py"}
# They set variables that MLflow's client and onnxruntime read, and look at none.
SETTERS = {
    "include/perennial/modeling/exports/__init__.py": {"setdefault"},
    "include/perennial/registry/__init__.py": {"setdefault"},
    "include/perennial/registry/mlflow.py": {"update"},
}
CONFIGURATION = {"plugins/perennial_airflow/configuration.py"}
OURS = [
    *MODULES,
    *sorted(PLUGINS.rglob("*.py")),
    *sorted((ROOT / "dags").glob("*.py")),
    ROOT / "plugins/perennial_plugin.py",
]


def uses(text: str) -> Iterator[str]:
    """What is done with the variables of the process: the method called of them, or "read"."""
    tree = ast.parse(text)
    methods = {id(node.value): node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "environb"}:
            yield methods.get(id(node), "read")
        elif isinstance(node, ast.Attribute) and node.attr in {"getenv", "getenvb"}:
            yield "read"
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from ("read" for alias in node.names if alias.name in {"environ", "environb", "getenv", "getenvb"})


@pytest.mark.parametrize(
    "text", ["os.environ['A']", "os.getenv('A')", "x = os.environ", "from os import environ", "dict(os.environ)"]
)
def test_each_way_of_reading_is_noticed(text: str) -> None:
    assert list(uses(text)) == ["read"]


@pytest.mark.parametrize("module", OURS, ids=label)
def test_one_module_reads_the_environment(module: Path) -> None:
    if label(module) in READERS:
        return
    assert set(uses(module.read_text())) <= SETTERS.get(label(module), set()), (
        "let perennial.settings read it: a setting has its row in docs/settings.md"
    )


def test_those_who_may_are_there() -> None:
    found = {label(module): set(uses(module.read_text())) for module in OURS}
    assert {name for name, used in found.items() if used} == READERS | set(SETTERS)


@pytest.mark.parametrize("module", [m for m in OURS if label(m) not in CONFIGURATION], ids=label)
def test_one_module_reads_the_configuration_of_airflow(module: Path) -> None:
    assert not [name for name in imports(module) if name.startswith("airflow.configuration")]


def test_the_local_system_reads_it_only_to_hand_it_on() -> None:
    found = {label(module): list(uses(module.read_text())) for module in sorted(LOCAL.rglob("*.py"))}
    assert {name: used for name, used in found.items() if used} == {"include/perennial_local/services.py": ["read"]}
