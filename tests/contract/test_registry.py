"""One suite for every model registry, and what only the real one can show."""

import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import urllib3.util.connection
from mlflow import MlflowClient
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder

from perennial import clock
from perennial.encoding import bytes_digest
from perennial.errors import (
    LibrariesChanged,
    NoModel,
    NothingKept,
    StoreUnavailable,
    UntrustedModel,
    VersionArchived,
)
from perennial.modeling import libraries
from perennial.modeling.artifact import dump
from perennial.modeling.predict import predict
from perennial.modeling.trial import EXAMPLE, PREDICTION, as_file
from perennial.registry.memory import MemoryRegistry
from perennial.registry.mlflow import MlflowRegistry
from perennial.registry.mlflow_model import TRAINING_FILE
from perennial.registry.port import (
    MODEL_FILE,
    REFERENCE_FILE,
    ModelCandidate,
    ModelRegistry,
    RegisteredModel,
)
from perennial.registry.retraining import CandidateRun, RetrainingRun
from perennial.spec.names import Task

AS_OF = datetime(2013, 4, 1, tzinfo=UTC)


def frame(rows: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(0)
    carrier = pd.Series(random.choice(["UA", "AA"], rows), dtype=object)
    carrier[0] = float("nan")
    return pd.DataFrame({"distance": random.normal(size=rows), "carrier": carrier})


def pipeline(seed: int) -> Pipeline:
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-1)
    encode = ColumnTransformer([("categorical", ordinal, ["carrier"]), ("numeric", "passthrough", ["distance"])])
    estimator = HistGradientBoostingClassifier(max_iter=3, max_features=0.5, random_state=seed)
    rows = frame()
    return Pipeline([("encode", encode), ("estimator", estimator)]).fit(rows, rows["distance"] > 0)


CONTENTS = [dump(pipeline(seed)) for seed in range(2)]


def candidate(use_case: str, which: int = 0) -> ModelCandidate:
    content = CONTENTS[which]
    return ModelCandidate(
        use_case=use_case,
        name="gradient_boosting",
        pipeline_bytes=content,
        digest=bytes_digest(content),
        parameters={"estimator": "hist_gradient_boosting", "max_iter": 3},
        metrics={"roc_auc": 0.7 + which / 10, "brier": 0.2},
        reference={"columns": {"distance": {"edges": [-1.5, 0.25, 1e300]}}, "which": which},
        training={"table": f"training/{use_case}", "version": 4, "digest": "ab" * 32, "rows": 200},
        input_example=frame(5),
        as_of=AS_OF,
        tags={"run_id": "manual__1", "training_id": "cd" * 32},
    )


@pytest.fixture(params=["memory", "mlflow"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> ModelRegistry:
    if request.param == "memory":
        return MemoryRegistry()
    return MlflowRegistry(request.getfixturevalue("mlflow_url"), tmp_path / "cache")


@pytest.fixture
def use_case() -> str:
    return f"trips_{uuid4().hex[:8]}"


def test_what_was_registered_is_what_is_loaded(registry: ModelRegistry, use_case: str) -> None:
    given = candidate(use_case)
    registered = registry.register(given)
    loaded = registry.load(use_case, registered.version, registered.digest)
    assert (registered.use_case, registered.digest) == (use_case, given.digest)
    assert (loaded.version, loaded.digest) == (registered.version, given.digest)
    assert loaded.reference == given.reference
    expected = pipeline(0).predict_proba(frame())
    assert loaded.pipeline.predict_proba(frame()).tobytes() == expected.tobytes()


def test_registering_again_returns_the_same_version(registry: ModelRegistry, use_case: str) -> None:
    first, other, again = (registry.register(candidate(use_case, which)) for which in (0, 1, 0))
    assert again == first
    assert other.version != first.version
    assert registry.versions(use_case) == [first, other]


def test_use_cases_do_not_see_each_other(registry: ModelRegistry, use_case: str) -> None:
    registry.register(candidate(use_case))
    assert registry.versions(f"{use_case}_b") == []
    assert registry.register(candidate(f"{use_case}_b", 1)).version == "1"
    assert len(registry.versions(use_case)) == 1


def test_bytes_that_are_not_those_of_the_digest_are_not_registered(registry: ModelRegistry, use_case: str) -> None:
    with pytest.raises(UntrustedModel, match="changed or damaged"):
        registry.register(replace(candidate(use_case), pipeline_bytes=CONTENTS[1]))
    assert registry.versions(use_case) == []


def test_the_reference_alone_is_read_without_the_model(
    registry: ModelRegistry, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = candidate(use_case)
    registered = registry.register(given)
    monkeypatch.setattr("skops.io.loads", lambda *_args, **_more: pytest.fail("the model was constructed"))
    for _ in range(2):  # from the registry, then from what was kept of it
        assert registry.reference(use_case, registered.version, registered.digest) == given.reference
    with pytest.raises(UntrustedModel, match="changed or damaged"):
        registry.reference(use_case, registered.version, bytes_digest(CONTENTS[1]))
    with pytest.raises(NoModel, match="registered are 1"):
        registry.reference(use_case, "7", registered.digest)


def test_parameters_are_those_of_the_version_as_text(registry: ModelRegistry, use_case: str) -> None:
    versions = [
        registry.register(replace(candidate(use_case, which), parameters={"max_iter": 3 + which, "layers": [8, 4]}))
        for which in (0, 1)
    ]
    found = [registry.parameters(use_case, each.version) for each in versions]
    assert found == [{"max_iter": "3", "layers": "[8, 4]"}, {"max_iter": "4", "layers": "[8, 4]"}]
    found[0].clear()
    assert registry.parameters(use_case, versions[0].version)["max_iter"] == "3"


def test_files_are_attached_and_replaced_beside_the_model(registry: ModelRegistry, use_case: str) -> None:
    version = registry.register(candidate(use_case)).version
    assert registry.attached(use_case, version, "exports/model.onnx") is None
    registry.attach(use_case, version, {"exports/model.onnx": b"\x00one", "exports/onnx.json": b"{}"})
    registry.attach(use_case, version, {"exports/model.onnx": b"\x00two"})
    assert registry.attached(use_case, version, "exports/model.onnx") == b"\x00two"
    assert registry.attached(use_case, version, "exports/onnx.json") == b"{}"
    assert registry.attached(use_case, version, "model.onnx") is None
    assert registry.content(use_case, version, candidate(use_case).digest) == CONTENTS[0]  # untouched
    for lacking in (
        lambda: registry.attach(use_case, "7", {"a": b""}),
        lambda: registry.attached(use_case, "7", "a"),
        lambda: registry.content(use_case, "7", candidate(use_case).digest),
    ):
        with pytest.raises(NoModel, match="registered are 1"):
            lacking()
    with pytest.raises(UntrustedModel, match="changed or damaged"):
        registry.content(use_case, version, bytes_digest(CONTENTS[1]))


def test_files_are_listed_with_their_sizes_removed_and_put_back(registry: ModelRegistry, use_case: str) -> None:
    version = registry.register(candidate(use_case)).version
    registry.attach(use_case, version, {"exports/model.onnx": b"12345", "trial/example.arrow": b"1"})
    files = registry.files(use_case, version)
    assert (files[MODEL_FILE], files["exports/model.onnx"]) == (len(CONTENTS[0]), 5)
    assert registry.attached(use_case, version, MODEL_FILE) == CONTENTS[0]
    for _ in range(2):  # what is gone is none to remove
        registry.remove(use_case, version, [MODEL_FILE, "exports/model.onnx"])
    assert files.keys() - registry.files(use_case, version).keys() == {MODEL_FILE, "exports/model.onnx"}
    with pytest.raises(UntrustedModel, match=f"incomplete: {MODEL_FILE} is not there"):
        registry.content(use_case, version, candidate(use_case).digest)
    registry.attach(use_case, version, {MODEL_FILE: CONTENTS[0]})
    assert registry.content(use_case, version, candidate(use_case).digest) == CONTENTS[0]
    for lacking in (lambda: registry.files(use_case, "7"), lambda: registry.remove(use_case, "7", ["a"])):
        with pytest.raises(NoModel, match="registered are 1"):
            lacking()


def test_an_archived_version_loses_its_aliases_and_says_how_it_comes_back(
    registry: ModelRegistry, use_case: str
) -> None:
    first, second = (registry.register(candidate(use_case, which)) for which in (0, 1))
    for alias in ("champion", "of_the_shop"):
        registry.set_alias(use_case, alias, first.version)
    registry.set_alias(use_case, "challenger", second.version)
    for _ in range(2):
        registry.mark_archived(use_case, first.version, archived=True)
    assert [registry.alias(use_case, name) for name in ("champion", "of_the_shop", "challenger")] == [None, None, "2"]
    assert [each.archived for each in registry.versions(use_case)] == [True, False]
    assert registry.content(use_case, "1", first.digest) == CONTENTS[0]  # it was kept
    registry.remove(use_case, "1", [MODEL_FILE, REFERENCE_FILE])
    for ask in (registry.load, registry.reference, registry.content):
        with pytest.raises(VersionArchived, match=f"`perennial restore-version {use_case} 1 --reason"):
            ask(use_case, "1", first.digest)
    for _ in range(2):
        registry.mark_archived(use_case, first.version, archived=False)
    assert registry.versions(use_case) == [first, second]
    with pytest.raises(NoModel, match="registered are 1, 2"):
        registry.mark_archived(use_case, "7", archived=True)


@pytest.mark.parametrize("version", ["2", "latest"])
def test_a_version_that_is_not_there_has_no_parameters(registry: ModelRegistry, use_case: str, version: str) -> None:
    registry.register(candidate(use_case))
    with pytest.raises(NoModel, match="registered are 1"):
        registry.parameters(use_case, version)


def test_a_version_under_another_digest_is_not_loaded(registry: ModelRegistry, use_case: str) -> None:
    registered = registry.register(candidate(use_case))
    with pytest.raises(UntrustedModel, match=registered.digest):
        registry.load(use_case, registered.version, bytes_digest(CONTENTS[1]))


@pytest.mark.parametrize("version", ["2", "0", "latest"])
def test_a_version_that_is_not_there(registry: ModelRegistry, use_case: str, version: str) -> None:
    registered = registry.register(candidate(use_case))
    with pytest.raises(NoModel, match=f"no model version '{version}'.*registered are 1"):
        registry.load(use_case, version, registered.digest)
    with pytest.raises(NoModel, match="registered are 1"):
        registry.set_alias(use_case, "champion", version)


def test_a_use_case_that_is_not_there(registry: ModelRegistry, use_case: str) -> None:
    assert registry.versions(use_case) == []
    assert registry.alias(use_case, "champion") is None
    with pytest.raises(NoModel, match="registered are none"):
        registry.load(use_case, "1", "ab" * 32)


def test_aliases_move(registry: ModelRegistry, use_case: str) -> None:
    first, second = (registry.register(candidate(use_case, which)) for which in (0, 1))
    assert registry.alias(use_case, "champion") is None
    registry.set_alias(use_case, "champion", first.version)
    registry.set_alias(use_case, "champion", second.version)
    registry.set_alias(use_case, "challenger", first.version)
    assert registry.alias(use_case, "champion") == second.version
    assert registry.alias(use_case, "challenger") == first.version
    registry.set_alias(use_case, "challenger", None)
    registry.set_alias(use_case, "challenger", None)
    assert registry.alias(use_case, "challenger") is None
    assert registry.alias(use_case, "champion") == second.version


@pytest.fixture
def make_registry(mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., MlflowRegistry]:
    """MLflow registries, each with a cache of its own unless named alike."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # a registry leaves them set; here they are taken back

    def make(cache: str = "cache", url: str = mlflow_url) -> MlflowRegistry:
        return MlflowRegistry(url, tmp_path / cache)

    return make


def logged_model(mlflow_url: str, use_case: str) -> Any:
    """What MLflow calls the model of version 1."""
    client = MlflowClient(mlflow_url)
    run: Any = client.get_run(str(client.get_model_version(use_case, "1").run_id))
    return client.get_logged_model(run.outputs.model_outputs[0].model_id)


def test_mlflow_keeps_parameters_metrics_lineage_and_environment(
    make_registry: Any, mlflow_url: str, use_case: str
) -> None:
    given = candidate(use_case)
    version = make_registry().register(given).version
    client = MlflowClient(mlflow_url)
    model_version = client.get_model_version(use_case, version)
    run: Any = client.get_run(str(model_version.run_id))
    assert client.get_experiment(run.info.experiment_id).name == use_case
    assert run.info.status == "FINISHED"
    assert run.data.params == {"estimator": "hist_gradient_boosting", "max_iter": "3"}
    assert run.data.metrics == given.metrics
    expected = {"use_case": use_case, "as_of": AS_OF.isoformat(), "training_digest": "ab" * 32, **given.tags}
    for tags in (run.data.tags, model_version.tags):
        assert expected.items() <= tags.items()
    assert model_version.tags["digest"] == given.digest
    lineage = run.inputs.dataset_inputs[0]
    assert json.loads(lineage.dataset.source) == given.training
    assert (lineage.dataset.name, lineage.dataset.digest) == (f"training/{use_case}", ("ab" * 32)[:36])
    logged = logged_model(mlflow_url, use_case)
    assert logged.status == "READY"
    assert {metric.key: metric.value for metric in logged.metrics} == given.metrics


def test_others_can_load_the_model_with_mlflow_alone(
    make_registry: Any, mlflow_url: str, use_case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow.artifacts
    import mlflow.pyfunc
    import mlflow.sklearn

    make_registry().register(candidate(use_case))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_url)
    folder = Path(mlflow.artifacts.download_artifacts(f"models:/{use_case}/1", dst_path=str(tmp_path)))
    assert (folder / MODEL_FILE).read_bytes() == CONTENTS[0]
    assert json.loads((folder / REFERENCE_FILE).read_text())["which"] == 0
    assert json.loads((folder / TRAINING_FILE).read_text())["version"] == 4
    requirements = (folder / "requirements.txt").read_text()
    assert all(f"{name}==" in requirements for name in ("scikit-learn", "skops", "numpy", "pandas"))
    expected = pipeline(0).predict_proba(frame())
    as_sklearn = mlflow.sklearn.load_model(str(folder))
    as_function = mlflow.pyfunc.load_model(str(folder))
    assert as_sklearn.predict_proba(frame()).tobytes() == expected.tobytes()
    np.testing.assert_array_equal(as_function.predict(frame()), expected)
    assert as_function.metadata.signature.inputs.input_names() == ["distance", "carrier"]
    assert list(as_function.input_example.columns) == ["distance", "carrier"]


@pytest.fixture(scope="module")
def registered(mlflow_url: str, tmp_path_factory: pytest.TempPathFactory) -> RegisteredModel:
    """Version 1 of a use case, for tests that only read it."""
    registry = MlflowRegistry(mlflow_url, tmp_path_factory.mktemp("registering"))
    return registry.register(candidate("read_only"))


def test_the_second_load_does_not_ask_mlflow(make_registry: Any, registered: RegisteredModel) -> None:
    first = make_registry().load("read_only", "1", registered.digest)
    unreachable = make_registry(url="http://127.0.0.1:1")
    again = unreachable.load("read_only", "1", registered.digest)
    assert unreachable.load("read_only", "1", registered.digest) is again
    assert again.reference == first.reference
    assert again.pipeline.predict_proba(frame()).tobytes() == first.pipeline.predict_proba(frame()).tobytes()


def keep_example(registry: ModelRegistry, use_case: str, off_by: float = 0.0) -> None:
    """Attach what version 1 predicts of some rows, as a deployment does; or something else."""
    said = predict(pipeline(0), Task.BINARY_CLASSIFICATION, frame(5)) + off_by
    rows = pa.Table.from_pandas(frame(5), preserve_index=False).append_column(PREDICTION, pa.array(said))
    registry.attach(use_case, "1", {EXAMPLE: as_file(rows)})


def test_under_other_libraries_a_model_must_predict_as_it_did(
    registry: ModelRegistry, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered, pinned = registry.register(candidate(use_case)), libraries.installed()
    monkeypatch.setattr(libraries, "installed", lambda: {**pinned, "scikit-learn": "99.1"})
    with pytest.raises(NothingKept, match=rf"Version 1 of {use_case} .*{pinned['scikit-learn']} \(here: 99\.1\)"):
        registry.load(use_case, "1", registered.digest)
    keep_example(registry, use_case, off_by=1e-16)
    with pytest.raises(LibrariesChanged, match="rows differently"):
        registry.load(use_case, "1", registered.digest)
    keep_example(registry, use_case)
    assert registry.load(use_case, "1", registered.digest).version == "1"


def test_what_proves_a_model_is_kept_on_disk_as_the_model_is(
    make_registry: Any, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make_registry()
    registered, pinned = first.register(candidate(use_case)), libraries.installed()
    keep_example(first, use_case)
    first.load(use_case, "1", registered.digest)
    monkeypatch.setattr(libraries, "installed", lambda: {**pinned, "scikit-learn": "99.1"})
    assert make_registry(url="http://127.0.0.1:1").load(use_case, "1", registered.digest).digest == registered.digest


@pytest.mark.parametrize("suffix", ["skops", "json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "delete"])
def test_a_damaged_cache_is_fetched_anew(
    make_registry: Any, registered: RegisteredModel, tmp_path: Path, suffix: str, damage: str
) -> None:
    loaded = make_registry().load("read_only", "1", registered.digest)
    (path,) = (tmp_path / "cache").glob(f"*.{suffix}")
    whole = path.read_bytes()
    at = whole.index(b"0.25") if suffix == "json" else len(whole) // 2
    flipped = bytes([*whole[:at], whole[at] ^ 1, *whole[at + 1 :]])
    if damage == "delete":
        path.unlink()
    else:
        path.write_bytes({"flip": flipped, "cut": whole[:at], "empty": b""}[damage])
    assert make_registry().load("read_only", "1", registered.digest).reference == loaded.reference
    assert path.read_bytes() == whole
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_cached_version_does_not_vouch_for_another(make_registry: Any, registered: RegisteredModel) -> None:
    make_registry().load("read_only", "1", registered.digest)
    with pytest.raises(NoModel):
        make_registry().load("read_only", "2", registered.digest)


def test_a_cache_that_can_not_be_written_is_told(mlflow_url: str, registered: RegisteredModel, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    registry = MlflowRegistry(mlflow_url, blocked)
    with pytest.raises(StoreUnavailable, match="could not be kept"):
        registry.load("read_only", "1", registered.digest)


def stored_file(mlflow_artifacts: Path, mlflow_url: str, use_case: str, name: str) -> Path:
    """Where the test's server keeps a file of version 1: only a test may reach behind the server."""
    (found,) = mlflow_artifacts.rglob(f"{logged_model(mlflow_url, use_case).model_id}/artifacts/{name}")
    return found


def test_bytes_changed_behind_mlflow_are_not_trusted(
    make_registry: Any, mlflow_artifacts: Path, mlflow_url: str, use_case: str
) -> None:
    registered = make_registry().register(candidate(use_case))
    stored_file(mlflow_artifacts, mlflow_url, use_case, MODEL_FILE).write_bytes(CONTENTS[1])
    with pytest.raises(UntrustedModel, match=bytes_digest(CONTENTS[1])):
        make_registry().load(use_case, "1", registered.digest)
    assert make_registry("another").versions(use_case) == [registered]


@pytest.mark.parametrize("name", [MODEL_FILE, REFERENCE_FILE])
def test_artefacts_that_were_deleted_are_missed(
    make_registry: Any, mlflow_artifacts: Path, mlflow_url: str, use_case: str, name: str
) -> None:
    registered = make_registry().register(candidate(use_case))
    stored_file(mlflow_artifacts, mlflow_url, use_case, name).unlink()
    with pytest.raises(UntrustedModel, match=f"incomplete: {name} is not there"):
        make_registry().load(use_case, "1", registered.digest)


@pytest.mark.parametrize(
    "step",
    ["log_inputs", "log_model_artifacts", "create_model_version"],
)
def test_a_registration_that_was_cut_off_leaves_no_version(
    make_registry: Any, use_case: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = make_registry()

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(MlflowClient, step, killed)
        with pytest.raises(KeyboardInterrupt):
            registry.register(candidate(use_case))
    assert registry.versions(use_case) == []
    with pytest.raises(NoModel):
        registry.load(use_case, "1", bytes_digest(CONTENTS[0]))
    assert registry.register(candidate(use_case)).version == "1"
    assert registry.load(use_case, "1", bytes_digest(CONTENTS[0])).version == "1"


def test_two_that_register_one_model_at_once_get_one_version(make_registry: Any, use_case: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda cache: make_registry(cache).register(candidate(use_case)), ["one", "two"]))
    assert both[0] == both[1]
    assert make_registry().versions(use_case) == [both[0]]


def test_versions_that_others_made_by_hand_are_left_alone(make_registry: Any, mlflow_url: str, use_case: str) -> None:
    client = MlflowClient(mlflow_url)
    client.create_registered_model(use_case)
    client.create_model_version(use_case, "s3://somewhere/else")
    registered = make_registry().register(candidate(use_case))
    assert registered.version == "2"
    assert make_registry().versions(use_case) == [registered]


def test_more_versions_than_fit_on_a_page(make_registry: Any, mlflow_url: str, use_case: str, monkeypatch: Any) -> None:
    registry = make_registry()
    registered = [registry.register(candidate(use_case, which)) for which in (0, 1)]
    search = MlflowClient.search_model_versions
    monkeypatch.setattr(
        MlflowClient,
        "search_model_versions",
        lambda self, query, page_token=None: search(self, query, max_results=1, page_token=page_token),
    )
    assert registry.versions(use_case) == registered


def test_the_address_is_a_page_of_mlflow(make_registry: Any, mlflow_url: str) -> None:
    assert make_registry().address("trips", "3") == f"{mlflow_url}/#/models/trips/versions/3"
    assert make_registry(url="http://user:secret@host:5000/").address("trips", "3") == (
        "http://host:5000/#/models/trips/versions/3"
    )


@pytest.mark.parametrize("call", ["load", "register", "set_alias"])
def test_an_mlflow_that_is_down_is_named_after_few_tries_and_without_its_password(
    call: str, make_registry: Any, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[object] = []
    connect = urllib3.util.connection.create_connection

    def counted(address: Any, *arguments: Any, **named: Any) -> Any:
        tries.append(address)
        return connect(address, *arguments, **named)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", counted)
    registry = make_registry(url="http://user:secret@127.0.0.1:1")
    calls: dict[str, Callable[[], Any]] = {
        "load": lambda: registry.load(use_case, "1", "ab" * 32),
        "register": lambda: registry.register(candidate(use_case)),
        "set_alias": lambda: registry.set_alias(use_case, "champion", "1"),
    }
    before = dict(os.environ)
    with pytest.raises(StoreUnavailable, match=r"http://127\.0\.0\.1:1") as raised:
        calls[call]()
    assert tries == [("127.0.0.1", 1)] * 3  # MLflow's own default is to go on for minutes
    error: BaseException | None = raised.value
    while error is not None:
        assert "secret" not in str(error)
        error = error.__cause__
    assert dict(os.environ) == before


def a_retraining(use_case: str, *names: str, roc_auc: float = 0.7) -> RetrainingRun:
    return RetrainingRun(
        use_case=use_case,
        training_id="ef" * 32,
        run_id="trips.retrain/manual__it's 1",
        as_of=AS_OF,
        metrics={"no_skill.roc_auc": 0.5},
        tags={"action": "promote", "reason": "better " * 2_000},
        candidates=tuple(
            CandidateRun(
                name,
                {"estimator": "linear", "C": 0.5},
                {"roc_auc": roc_auc},
                {"outcome": "trained", "digest": f"digest of {name}"},
                {"plots/roc.png": b"picture of " + name.encode()},
            )
            for name in names
        ),
    )


def test_a_retraining_is_shown_with_its_candidates_once(registry: ModelRegistry, use_case: str) -> None:
    given = a_retraining(use_case, "trees", "linear")
    registry.record_retraining(given)
    registry.record_retraining(a_retraining(use_case, "trees", "linear", "late", roc_auc=0.1))
    shown = registry.shown_candidates(use_case, given.training_id, given.run_id)
    assert [(each.name, each.metrics) for each in shown] == [
        ("late", {"roc_auc": 0.1}),
        ("linear", {"roc_auc": 0.7}),
        ("trees", {"roc_auc": 0.7}),
    ]
    assert shown[1].parameters == {"estimator": "linear", "C": "0.5"}
    assert shown[1].tags["outcome"] == "trained"
    assert shown[1].files == ("plots/roc.png",)
    assert registry.shown_candidates(use_case, given.training_id, "another run") == []
    assert registry.versions(use_case) == [], "to be shown is not to be registered"


def test_a_retraining_that_is_forgotten_is_shown_no_more_and_the_others_are(
    registry: ModelRegistry, use_case: str
) -> None:
    given, other = a_retraining(use_case, "trees", "linear"), replace(a_retraining(use_case, "late"), run_id="other")
    for each in (given, other):
        registry.record_retraining(each)
    assert registry.retrainings(use_case, clock.now() - timedelta(days=1)) == []
    found = registry.retrainings(use_case, clock.now() + timedelta(seconds=1))
    assert [each.training_id for each in found] == [given.training_id] * 2
    assert [each.run_id.replace("'", "") for each in found] == ["trips.retrain/manual__its 1", "other"]
    assert found[0].digests == ("digest of linear", "digest of trees")
    pictures = len(b"picture of trees") + len(b"picture of linear")
    assert registry.retraining_size(use_case, given.training_id, given.run_id) == pictures
    for _ in range(2):
        registry.forget_retraining(use_case, given.training_id, given.run_id)
    assert registry.shown_candidates(use_case, given.training_id, given.run_id) == []
    (left,) = registry.retrainings(use_case, clock.now() + timedelta(seconds=1))
    assert left.run_id == "other"
    assert registry.retraining_size(use_case, given.training_id, given.run_id) == 0
    assert [each.name for each in registry.shown_candidates(use_case, other.training_id, "other")] == ["late"]


def test_many_retrainings_are_listed_by_two_questions(
    mlflow_url: str, tmp_path: Path, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = MlflowRegistry(mlflow_url, tmp_path)
    for number in range(4):
        registry.record_retraining(replace(a_retraining(use_case, "trees", "linear"), run_id=f"{number}"))
    asked: list[object] = []
    search_runs = MlflowClient.search_runs

    def counted(*given: Any, **named: Any) -> Any:
        asked.append(given)
        return search_runs(*given, **named)

    monkeypatch.setattr(MlflowClient, "search_runs", counted)
    monkeypatch.setattr(MlflowClient, "list_artifacts", lambda *_args: pytest.fail("files were looked at"))
    found = registry.retrainings(use_case, clock.now() + timedelta(seconds=1))
    assert [each.run_id for each in found] == ["0", "1", "2", "3"]
    assert {each.digests for each in found} == {("digest of linear", "digest of trees")}
    assert len(asked) == 2


def test_what_was_begun_and_not_finished_is_recorded_anew(
    mlflow_url: str, tmp_path: Path, use_case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, given = MlflowRegistry(mlflow_url, tmp_path), a_retraining(use_case, "trees", "linear")
    with monkeypatch.context() as killed:
        killed.setattr(MlflowClient, "log_artifacts", lambda *_args: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception):
            registry.record_retraining(given)
    assert registry.shown_candidates(use_case, given.training_id, given.run_id) == []
    registry.record_retraining(given)
    assert [each.name for each in registry.shown_candidates(use_case, given.training_id, given.run_id)] == [
        "linear",
        "trees",
    ]
    client = MlflowClient(mlflow_url)
    runs = client.search_runs([client.get_experiment_by_name(use_case).experiment_id])
    assert sorted(each.info.run_name for each in runs) == ["linear", "retraining 2013-04-01", "trees"]
    (parent,) = (each for each in runs if each.info.run_name.startswith("retraining"))
    nested = [each.data.tags.get("mlflow.parentRunId") for each in runs if each is not parent]
    assert nested == [parent.info.run_id] * 2
    assert parent.data.metrics == {"no_skill.roc_auc": 0.5}
