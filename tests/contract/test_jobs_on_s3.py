"""The same jobs with the lake and MLflow's artefacts on S3: predict, evaluate, retrain, and two writers at once.

Nothing but variables differs from a lake in a folder.
"""

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import pytest
from tests.commands import invoke
from tests.contract.forked_steps import fork_context, start
from tests.contract.test_jobs_on_real_stores import Shop, open_shop
from tests.faults.proxies import S3Proxy
from tests.servers import S3_KEYS, Run, WatchedPostgres, mlflow_on_s3, new_bucket
from tests.unit.jobs.world import ROWS, SPEC
from tests.waiting import PATIENCE

from perennial.digest import table_digest
from perennial.registry.port import MODEL_FILE
from perennial.window import Window

MEETING_SECONDS = 5.0
# Fewer windows than elsewhere: each costs some fifty requests.
SHORT = SPEC.replace("history: 22d", "history: 7d").replace("holdout: 7d", "holdout: 2d")


def connection(endpoint: str) -> str:
    return f"aws://key:secret@/?endpoint_url={quote(endpoint, safe='')}&region_name=us-east-1"


@pytest.fixture
def proxy(s3_endpoint: str) -> Iterator[S3Proxy]:
    parts = urlsplit(s3_endpoint)
    assert parts.hostname
    assert parts.port
    opened = S3Proxy(parts.hostname, parts.port)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bucket(s3_endpoint: str) -> str:
    return new_bucket(s3_endpoint, "team")


@pytest.fixture(scope="module")
def mlflow(run: Run, postgres: WatchedPostgres, s3_endpoint: str) -> str:
    return mlflow_on_s3(run, postgres, s3_endpoint)


@pytest.fixture(scope="module")
def shop(
    postgres: WatchedPostgres, mlflow: str, s3_endpoint: str, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> Shop:
    root = tmp_path_factory.mktemp("on-s3")
    secret = root / "lake"  # as /run/secrets/lake
    secret.write_text(connection(s3_endpoint) + "\n")
    return open_shop(
        root,
        postgres.url(postgres.new_database("on_s3")),
        mlflow,
        SHORT,
        PERENNIAL_LAKE_URL=f"s3://{bucket}/lake",
        PERENNIAL_LAKE_CONNECTION="team_lake",
        AIRFLOW_CONN_TEAM_LAKE_FILE=str(secret),
    )


@pytest.fixture(scope="module")
def command(shop: Shop) -> Callable[..., list[dict[str, Any]]]:
    """The command line in this process: the JSON that it printed."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        result = invoke([*arguments, "--json"], shop.environment)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    return run


Command = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def first_model(command: Command) -> dict[str, Any]:
    return command("retrain", "parcels", "--as-of", "2024-01-31", "--reason", "first")[-1]


@pytest.fixture(scope="module")
def after_drift(command: Command, first_model: dict[str, Any]) -> list[dict[str, Any]]:
    """What judging and deploying said after days on which the data had changed, and the model was wrong."""
    command("run", "parcels", "--from", "2024-02-10", "--to", "2024-02-12")
    (evaluated,) = command("evaluate", "parcels", "--as-of", "2024-02-14")
    assert evaluated["final"] == 2
    return command("retrain", "parcels", "--as-of", "2024-02-19", "--reason", "drift")


def keys(endpoint: str, bucket: str, prefix: str) -> list[str]:
    pages = boto3.client("s3", endpoint_url=endpoint, **S3_KEYS).get_paginator("list_objects_v2")
    found = pages.paginate(Bucket=bucket, Prefix=prefix)
    return [each["Key"] for page in found for each in page.get("Contents", ())]


def holds_the_same_everywhere(shop: Shop, window: Window) -> None:
    lake = shop.ports.lake.read("predictions/parcels", window.key)
    assert lake.num_rows == ROWS
    assert table_digest(lake) == shop.ports.published.digest("parcels", window)


def test_the_chain_from_files_to_a_new_champion(
    shop: Shop, command: Command, first_model: dict[str, Any], after_drift: list[dict[str, Any]]
) -> None:
    judged, deployed = after_drift
    assert (first_model["model_version"], judged["action"], deployed["model_version"]) == ("1", "promote", "2")
    (scored,) = command("run", "parcels", "--window", "2024-02-19")
    assert scored["scored"]["model_version"] == "2"
    holds_the_same_everywhere(shop, shop.window(49))
    (again,) = command("reproduce", "parcels", "--window", "2024-02-19")[:1]
    assert again["same"]


def test_everything_lies_in_the_buckets(
    shop: Shop, after_drift: list[dict[str, Any]], s3_endpoint: str, bucket: str
) -> None:
    tables = {key.split("/_delta_log")[0] for key in keys(s3_endpoint, bucket, "lake/") if "/_delta_log/" in key}
    assert {"lake/raw/parcels", "lake/predictions/parcels", "lake/labels/parcels"} <= tables
    assert keys(s3_endpoint, bucket, "lake/artifacts/")
    (store,) = [
        each["Name"]
        for each in boto3.client("s3", endpoint_url=s3_endpoint, **S3_KEYS).list_buckets()["Buckets"]
        if each["Name"].startswith("mlflow-")
    ]
    assert any(key.endswith(MODEL_FILE) for key in keys(s3_endpoint, store, "artifacts/"))
    assert not (shop.folder.parents[1] / "home" / "lake").exists()


def test_i4_two_writers_whose_commits_meet_lose_no_row(
    shop: Shop, proxy: S3Proxy, after_drift: list[dict[str, Any]]
) -> None:
    """Both put the same commit of one table at once, each for its own window: one is refused, and tries the next."""
    meetings: dict[str, threading.Barrier] = {}
    lock = threading.Lock()

    def meet(method: str, path: str) -> None:
        if method == "PUT" and "/predictions/parcels/_delta_log/" in path:
            with lock:
                barrier = meetings.setdefault(path, threading.Barrier(2))
            try:
                barrier.wait(MEETING_SECONDS)
            except threading.BrokenBarrierError:
                """The other writer is done."""

    windows = shop.window(46), shop.window(47)
    proxy.choose = meet
    through_the_proxy = {
        **shop.environment,
        "PERENNIAL_LAKE_CONNECTION": "proxied",
        "AIRFLOW_CONN_PROXIED": connection(proxy.url),
    }
    context = fork_context()
    rivals = [start(context, through_the_proxy, window, f"rival {window.key}") for window in windows]
    for rival in rivals:
        rival.join(PATIENCE)
    assert [rival.exitcode for rival in rivals] == [0, 0]
    assert proxy.refused > 0
    for window in windows:
        (batch,) = shop.ports.ledger.batches("parcels", window)
        assert (batch.revision, batch.rows) == (1, ROWS)
        holds_the_same_everywhere(shop, window)


def test_the_doctor_finds_nothing_wrong_with_the_stores(shop: Shop) -> None:
    stores = ("lake", "conditional put", "archive", "anchors", "mlflow", "mlflow artefacts")
    chosen = [part for name in stores for part in ("--only", name)]
    result = invoke(["doctor", "--strict", *chosen], shop.environment)
    assert result.exit_code == 0, result.output
