"""Imports point one way, modules stay small, and only one module knows what time it is."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "include" / "perennial"
LOCAL = ROOT / "include" / "perennial_local"  # `make run`; not part of what users install on their own Airflow
STACK = ROOT / "include" / "perennial_stack"  # the team's stack around the product: docker-compose.yaml
PLUGINS = ROOT / "plugins" / "perennial_airflow"
MODULES = sorted(PACKAGE.rglob("*.py"))

# A folder may import from the folders named; the words (window, errors, verdict, spec, …) are for everyone.
WORDS = {
    *("window", "errors", "verdict", "wording", "arrays", "spec", "digest", "encoding", "clock", "addresses", "lease"),
    *("ahead", "ordered", "scratch", "joining", "grouping", "stacked", "code_version", "progress", "log_context"),
}
PURE = {"features", "modeling", "performance", "judgement", "policy", "quality", "drift"}
PORTS = {"lake", "ledger", "registry", "published", "sources", "artifacts", "anchors"}
ROOMS = {"alerting", "card", "handover", "records", "jobs", "review", "backtest", "scaffold", "pages"}
ROOMS |= {"doctor", "telemetry"}
MAY_IMPORT = {
    "spec": {"window", "errors", "encoding", "wording"},
    **dict.fromkeys(PURE, WORDS | PURE),
    **{name: WORDS | {"modeling", "performance", name} for name in PORTS},
    "artifacts": WORDS | {"artifacts", "lake"},
    "anchors": WORDS | {"anchors", "lake"},
    "sources": WORDS | {"sources", "quality"},
    "records": WORDS | PURE | PORTS | {"ports"},
    "card": WORDS | PURE | PORTS | {"ports", "records"},
    "jobs": WORDS | PURE | PORTS | {"ports", "records", "card"},
    "review": WORDS | PURE | PORTS | {"ports", "records", "jobs"},
    "alerting": WORDS | PURE | PORTS | {"ports", "records", "review", "jobs"},
    "telemetry": WORDS | PORTS | {"ports", "records", "review", "jobs", "alerting", "performance"},
    "handover": WORDS | PORTS | {"ports", "records", "review"},
    "pages": WORDS
    | PURE
    | PORTS
    | {"ports", "records", "card", "review", "settings", "wiring", "wiring_records", "jobs", "alerting"}
    | {"telemetry"},
    "backtest": WORDS | PURE | PORTS | {"ports", "records", "jobs"},
    "scaffold": WORDS | PURE | {"sources", "review"},
    "doctor": WORDS | PORTS | {"settings"},
    "settings": {"errors", "sources"},
    "cli": WORDS
    | PORTS
    | {"ports", "records", "card", "jobs", "review", "backtest", "scaffold", "handover", "settings", "wiring"}
    | {"doctor", "telemetry"},
}
ADAPTER_ONLY = {
    "deltalake": {"lake"},
    "obstore": {"lake"},
    "sqlalchemy": {"ledger"},
    "alembic": {"ledger"},
    "mlflow": {"registry"},
    "boto3": {"sources", "lake", "artifacts"},
    "botocore": {"sources", "lake", "artifacts"},
    "psycopg2": {"published", "sources", "ledger"},
    "great_expectations": {"quality"},
}
MAX_LINES = 400


def imports(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def folder(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


def label(module: Path) -> str:
    return str(module.relative_to(ROOT))


@pytest.mark.parametrize("module", [*MODULES, *sorted(LOCAL.rglob("*.py")), *sorted(STACK.rglob("*.py"))], ids=label)
def test_nothing_below_include_imports_airflow(module: Path) -> None:
    assert not [name for name in imports(module) if name.split(".")[0] == "airflow"]


@pytest.mark.parametrize("module", [m for m in MODULES if folder(m) in MAY_IMPORT], ids=label)
def test_layers_import_one_way(module: Path) -> None:
    ours = [name.split(".") for name in imports(module) if name.startswith("perennial.")]
    allowed = MAY_IMPORT[folder(module)]
    wrong = {".".join(parts) for parts in ours if parts[1] not in allowed and parts[1] != folder(module)}
    assert not wrong, f"{label(module)} may import {sorted(allowed)}"


def test_profiles_of_windows_know_nothing_of_what_they_are_compared_with() -> None:
    room = sorted((PACKAGE / "drift" / "profiles").glob("*.py"))
    ours = {name for module in room for name in imports(module) if name.startswith("perennial.drift.")}
    assert ours
    assert not {name for name in ours if not name.startswith("perennial.drift.profiles")}


@pytest.mark.parametrize("module", [m for m in MODULES if folder(m) in PORTS | PURE | ROOMS], ids=label)
def test_third_parties_stay_behind_their_adapter(module: Path) -> None:
    for name in imports(module):
        homes = ADAPTER_ONLY.get(name.split(".")[0])
        assert homes is None or folder(module) in homes, f"{label(module)} imports {name}"


def test_pages_only_show_and_one_module_makes_the_changes() -> None:
    pages = [module for module in MODULES if folder(module) == "pages"]
    makers = [label(m) for m in pages if any(name.startswith("perennial.jobs") for name in imports(m))]
    assert makers == ["include/perennial/pages/change.py"]


def test_great_expectations_is_known_to_one_module() -> None:
    users = [label(m) for m in MODULES if any(name.split(".")[0] == "great_expectations" for name in imports(m))]
    assert users == ["include/perennial/quality/suite.py"]


@pytest.mark.parametrize("module", [m for m in MODULES if folder(m) != "clock"], ids=label)
def test_only_the_clock_reads_the_wall_clock(module: Path) -> None:
    calls = [
        node.func.attr
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    assert (
        not {"now", "utcnow", "today"} & set(calls)
        or "perennial.clock" in set(imports(module))
        or "clock" in {name.rsplit(".", 1)[-1] for name in imports(module)}
    )
    assert "time.time" not in module.read_text()


@pytest.mark.parametrize(
    "module", [*MODULES, *(each for room in (PLUGINS, LOCAL, STACK) for each in sorted(room.rglob("*.py")))], ids=label
)
def test_modules_hold_one_concept(module: Path) -> None:
    assert len(module.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("module", MODULES, ids=label)
def test_public_names_are_documented(module: Path) -> None:
    tree = ast.parse(module.read_text())
    public = [
        node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]
    undocumented = [node.name for node in public if ast.get_docstring(node) is None]
    assert not undocumented


@pytest.mark.parametrize("module", [*MODULES, *sorted(PLUGINS.rglob("*.py"))], ids=label)
def test_the_product_does_without_the_local_system(module: Path) -> None:
    assert not [name for name in imports(module) if name.split(".")[0] == "perennial_local"]
