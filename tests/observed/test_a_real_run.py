"""Of DAGs that really ran: logs with their context, lineage, and Airflow's own metrics."""

import json
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.observed.conftest import Observed

WINDOW = "2024-01-31T00:00Z--2024-02-01T00:00Z"


def test_every_line_of_ours_says_what_it_is_about(observed: Observed) -> None:
    told = observed.of_tasks
    jobs = {each["logger"].removeprefix("perennial.jobs.") for each in told}
    assert jobs >= {
        *("predict.ingest", "predict.validate", "predict.score", "predict.monitor", "evaluate.collect_labels"),
        *("evaluate.measure", "retrain.assemble", "retrain.train", "retrain.judge", "retrain.deploy"),
    }
    for each in told:
        assert each["use_case"] == "parcels", each
        assert each["run"].startswith("parcels."), each
        assert each["timestamp"]
        assert each["level"]
        if each["run"].startswith("parcels.predict/"):
            assert each["window"] == WINDOW, each
    by_a_model = ("perennial.jobs.predict.score", "perennial.jobs.predict.monitor")
    assert {each["model"] for each in told if each["logger"] in by_a_model} == {deployed(observed)}
    before = ("perennial.jobs.predict.ingest", "perennial.jobs.predict.validate")
    assert not [each for each in told if each["logger"] in before and "model" in each]


def complete(observed: Observed, task: str) -> dict[str, Any]:
    """The event of the task's end."""
    (event,) = [
        each for each in observed.events if each["eventType"] == "COMPLETE" and each["job"]["name"] == f"parcels.{task}"
    ]
    return event


def sets(event: dict[str, Any], side: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["namespace"], each["name"]): each.get("facets") or {} for each in event[side]}


def version(facets: dict[str, Any]) -> str:
    return str(facets["version"]["datasetVersion"])


def deployed(observed: Observed) -> str:
    """The version that was deployed: the registry is shared with other tests, which may have registered some before."""
    model = f"mlflow://{observed.places['mlflow']}", "models/parcels"
    return version(sets(complete(observed, "retrain.deploy"), "outputs")[model])


def test_from_the_source_to_the_published_table(observed: Observed) -> None:
    places = observed.places
    source = ("file", f"{places['files']}/data/%Y-%m-%d.parquet")
    raw, predictions = (("file", f"{places['lake']}/{name}/parcels") for name in ("raw", "predictions"))
    published = (f"postgres://{places['server']}", f"{places['database']}.perennial.predictions_parcels")
    model = (f"mlflow://{places['mlflow']}", "models/parcels")

    ingest = complete(observed, "predict.ingest")
    assert set(sets(ingest, "inputs")) == {source}
    snapshot = sets(ingest, "outputs")[raw]
    assert snapshot["perennial"]["windows"] == [WINDOW]
    assert len(snapshot["perennial"]["digest"]) == 64
    assert {"name": "weight", "type": "numeric"}.items() <= snapshot["schema"]["fields"][2].items()
    (written,) = ingest["outputs"]
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 180

    score = complete(observed, "predict.score")
    read, wrote = sets(score, "inputs"), sets(score, "outputs")
    assert set(read) == {raw, model}
    assert set(wrote) == {predictions, published}
    assert version(read[raw]) == version(snapshot)  # the Delta version that was ingested is the one that was scored
    assert read[raw]["perennial"]["digest"] == snapshot["perennial"]["digest"]
    assert version(read[model]) == deployed(observed)
    assert int(version(wrote[predictions])) >= 0
    assert wrote[published]["perennial"] == wrote[predictions]["perennial"]
    assert version(sets(complete(observed, "predict.monitor"), "inputs")[predictions]) == version(wrote[predictions])


def test_from_the_training_set_to_the_model(observed: Observed) -> None:
    places = observed.places
    training = ("file", f"{places['lake']}/training/parcels")
    raw, labels = (("file", f"{places['lake']}/{name}/parcels") for name in ("raw", "labels"))
    assemble, deploy = complete(observed, "retrain.assemble"), complete(observed, "retrain.deploy")
    assert set(sets(assemble, "inputs")) == {raw, labels}
    assert int(version(sets(assemble, "inputs")[labels])) > 0
    made, used = sets(assemble, "outputs")[training], sets(deploy, "inputs")[training]
    assert version(made) == version(used)
    assert made["perennial"]["digest"] == used["perennial"]["digest"] != ""
    model = sets(deploy, "outputs")[f"mlflow://{places['mlflow']}", "models/parcels"]
    assert version(model).isdigit()
    scored = sets(complete(observed, "predict.score"), "inputs")[f"mlflow://{places['mlflow']}", "models/parcels"]
    assert scored["perennial"]["digest"] == model["perennial"]["digest"] != ""


def test_labels_come_from_their_source(observed: Observed) -> None:
    collect = complete(observed, "evaluate.collect_labels")
    assert set(sets(collect, "inputs")) == {("file", f"{observed.places['files']}/labels/%Y-%m-%d.parquet")}
    (labels,) = collect["outputs"]
    assert labels["name"] == f"{observed.places['lake']}/labels/parcels"
    assert labels["outputFacets"]["outputStatistics"]["rowCount"] == 180


def test_no_event_holds_a_password(observed: Observed) -> None:
    for event in observed.events:
        assert "password" not in json.dumps(event).lower().replace("passwords", "")


def test_airflows_own_metrics_arrive_by_opentelemetry(observed: Observed) -> None:
    names: set[str] = set()
    tasks: set[str] = set()
    for body in observed.received.at("/v1/metrics"):
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    names.add(metric.name)
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    tasks |= {a.value.string_value for p in points for a in p.attributes if a.key == "task_id"}
    assert any(name.startswith("airflow.") for name in names), sorted(names)
    assert {"score", "monitor"} <= tasks, (sorted(names), sorted(tasks))
