"""A window scored by two models: each row by its own, one revision, and the champion where the challenger fails."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from tests.unit.jobs.rollout_world import ROWS, RolloutWorld, make

from perennial.digest import table_digest
from perennial.errors import DeploymentMoved, UntrustedModel
from perennial.jobs.predict import score
from perennial.ledger.entries import Batch, Deployment
from perennial.policy.assignment import is_challengers, place
from perennial.records.model_choice import ModelChoice
from perennial.records.scorers import parts_of, texts
from perennial.registry.port import LoadedModel
from perennial.review import preview, reproduce
from perennial.review.comparison import revisions


@pytest.fixture
def rolling(tmp_path: Path) -> RolloutWorld:
    made = make(tmp_path, days=8)
    made.champion("fair")
    return made


def live(rolling: RolloutWorld, day: int) -> Batch:
    found = rolling.ports.ledger.latest_batch("parcels", rolling.world.day(day))
    assert found is not None
    return found


def assigned(rolling: RolloutWorld, day: int, share: int) -> dict[int, str]:
    """The version that each row of a day should have."""
    champion, challenger = rolling.models["fair"].version, rolling.models["true"].version
    keys = range(day * ROWS, (day + 1) * ROWS)
    return {key: challenger if is_challengers(place("pinch", "parcels", str(key)), share) else champion for key in keys}


@pytest.mark.parametrize("share", [5, 25])
def test_i3_every_row_is_by_the_model_that_its_key_is_assigned_to(rolling: RolloutWorld, share: int) -> None:
    stage = rolling.stage("true", share, 3)
    scored = rolling.scored(3)
    found = rolling.predictions(3)
    expected = assigned(rolling, 3, share)
    assert {key: version for key, (version, _) in found.items()} == expected
    batch = live(rolling, 3)
    champion, challenger = parts_of(batch)
    theirs = list(expected.values()).count(stage.model_version)
    assert 0 < theirs < ROWS
    assert (champion.role, champion.rows, challenger.rows) == ("champion", ROWS - theirs, theirs)
    assert (challenger.share, challenger.salt, challenger.deployment) == (share, "pinch", stage.id)
    assert (batch.model_version, scored.challenger, scored.challenger_rows) == ("3", "1", theirs)
    lake = rolling.ports.lake.read("predictions/parcels", rolling.world.day(3).key)
    assert table_digest(lake) == rolling.ports.published.digest("parcels", rolling.world.day(3))


def test_each_models_predictions_are_those_that_it_makes_alone(rolling: RolloutWorld) -> None:
    rolling.stage("true", 25, 3)
    rolling.scored(3)
    mixed = rolling.predictions(3)
    alone = {}
    for version in ("1", "3"):
        if version == "1":
            rolling.ports.ledger.deploy(
                replace(rolling.entry("true"), supersedes=rolling.ports.ledger.deployments("parcels")[0].id)
            )
        rolling.scored(3, ModelChoice.parse(f"pinned:{version}"))
        alone[version] = {key: value for key, (_, value) in rolling.predictions(3).items()}
    assert mixed == {key: (version, alone[version][key]) for key, (version, _) in mixed.items()}


def test_in_the_shadow_nothing_that_is_published_is_the_challengers(rolling: RolloutWorld) -> None:
    rolling.stage("true", 0, 3)
    scored = rolling.scored(3)
    assert {version for version, _ in rolling.predictions(3).values()} == {"3"}
    assert (live(rolling, 3).parts, scored.challenger) == ((), None)


def test_i4_scoring_again_makes_no_new_revision_and_a_ramp_makes_one_only_for_windows_of_its_own(
    rolling: RolloutWorld,
) -> None:
    first = rolling.stage("true", 5, 3)
    rolling.scored(3)
    assert not rolling.scored(3).changed
    rolling.stage("true", 25, 4, first)
    assert not rolling.scored(3).changed  # as it was
    assert rolling.scored(4).challenger_rows > 0
    assert rolling.scored(2).challenger is None  # before the roll-out


def test_rows_of_the_smaller_share_stay_with_the_challenger(rolling: RolloutWorld) -> None:
    small, large = (
        {key for key, version in assigned(rolling, 3, share).items() if version == "1"} for share in (5, 25)
    )
    assert small < large


def test_i7_as_now_and_pinned_are_of_one_model_and_as_known_is_as_it_was_known(rolling: RolloutWorld) -> None:
    stage = rolling.stage("true", 25, 3)
    rolling.scored(3)
    before = rolling.predictions(3)
    for choice in ("as_now", "pinned:3"):
        rolling.scored(3, ModelChoice.parse(choice))
        assert {version for version, _ in rolling.predictions(3).values()} == {"3"}
        assert live(rolling, 3).parts == ()
    for choice in ("as_known", "as_was"):
        rolling.scored(3, ModelChoice.parse(choice))
        assert rolling.predictions(3) == before
    assert live(rolling, 3).revision == 3  # pinned is the same as as_now, and as_was as as_known
    assert stage.in_rollout
    told = revisions.run(rolling.world.use_case, rolling.world.day(3), 2, 3, rolling.ports).differences
    assert "Challenger in roll-out: version 1 at 25% after none." in [each.said for each in told]


def test_a_mixed_revision_is_made_again_with_the_same_bytes(rolling: RolloutWorld) -> None:
    rolling.stage("true", 25, 3)
    rolling.scored(3)
    (again,) = reproduce.run(rolling.world.use_case, rolling.world.day(3), rolling.ports)
    assert again.same


def test_a_preview_knows_that_nothing_would_change_and_that_a_stage_would(rolling: RolloutWorld) -> None:
    rolling.scored(3)
    rolling.prepared(4)
    (same,) = preview.run(rolling.world.use_case, [rolling.world.day(3)], rolling.ports, model=ModelChoice())
    assert same.would_be == "unchanged"
    rolling.stage("true", 25, 4)
    (new,) = preview.run(rolling.world.use_case, [rolling.world.day(4)], rolling.ports, model=ModelChoice())
    assert (new.would_be, new.model) == ("revision 1", "3")


def broken(rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on the challenger's file can't be trusted."""
    load = rolling.ports.registry.load

    def refused(use_case: str, version: str, digest: str) -> LoadedModel:
        if version == "1":
            raise UntrustedModel("version 1 has other bytes than were signed for")
        return load(use_case, version, digest)

    monkeypatch.setattr(rolling.ports.registry, "load", refused)


def test_a_challenger_whose_file_is_broken_leaves_all_rows_to_the_champion_and_the_reason_is_recorded(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rolling.stage("true", 25, 3)
    broken(rolling, monkeypatch)
    scored = rolling.scored(3)
    assert {version for version, _ in rolling.predictions(3).values()} == {"3"}
    champion, challenger = parts_of(live(rolling, 3))
    assert (champion.rows, challenger.rows) == (ROWS, 0)
    assert challenger.failed == "UntrustedModel: version 1 has other bytes than were signed for"
    assert (scored.challenger, scored.failed) == ("1", challenger.failed)
    assert "the champion predicts all rows: UntrustedModel" in caplog.text
    assert not rolling.scored(3).changed
    (again,) = reproduce.run(rolling.world.use_case, rolling.world.day(3), rolling.ports)
    assert again.same


@pytest.mark.parametrize(("value", "told"), [(float("nan"), "infinite or NaN"), (None, "ValueError: singular")])
def test_a_challenger_that_can_not_compute_leaves_all_rows_to_the_champion(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch, value: float | None, told: str
) -> None:
    load = rolling.ports.registry.load

    def loaded(use_case: str, version: str, digest: str) -> LoadedModel:
        found = load(use_case, version, digest)
        if version == "1":
            if value is None:
                monkeypatch.setattr(found.pipeline.named_steps["encode"], "transform", _singular)
            else:
                found.pipeline.named_steps["estimator"].coef_[:] = value
        return found

    rolling.stage("true", 25, 3)
    monkeypatch.setattr(rolling.ports.registry, "load", loaded)
    rolling.scored(3)
    assert {version for version, _ in rolling.predictions(3).values()} == {"3"}
    assert told in parts_of(live(rolling, 3))[1].failed


def _singular(rows: object) -> None:
    raise ValueError("singular")


def test_a_ramp_while_a_window_is_scored_is_noticed_and_nothing_is_published(
    rolling: RolloutWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = rolling.stage("true", 5, 3)
    rolling.prepared(3)
    replace_rows = rolling.ports.lake.replace

    def ramped(*args: object, **kwargs: object) -> object:
        rolling.stage("true", 25, 3, first)
        monkeypatch.undo()
        return replace_rows(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(rolling.ports.lake, "replace", ramped)
    with pytest.raises(DeploymentMoved, match="at 5%, but now version 1 in roll-out at 25%"):
        score.run(rolling.world.use_case, rolling.world.day(3), rolling.ports, "test", model=ModelChoice())
    assert rolling.ports.published.read("parcels", rolling.world.day(3)).num_rows == 0
    rolling.scored(3)  # the retry
    assert {key: version for key, (version, _) in rolling.predictions(3).items()} == assigned(rolling, 3, 25)


def test_a_number_is_assigned_by_its_text() -> None:
    assert list(texts(pa.chunked_array([pa.array([7, 8])]))) == list(texts(pa.chunked_array([pa.array(["7", "8"])])))


def test_a_stage_of_the_champions_own_model_predicts_nothing_apart(rolling: RolloutWorld) -> None:
    stage: Deployment = rolling.stage("fair", 25, 3)
    assert stage.in_rollout
    assert rolling.scored(3).challenger is None
