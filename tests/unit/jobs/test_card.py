"""A deployment leaves its model card beside the version; one that can't be written undoes nothing and is repaired."""

import json

import pytest
from tests.unit.jobs.test_learning_path import judged, retrained
from tests.unit.jobs.test_predict_path import predict
from tests.unit.jobs.world import World

from perennial.card.as_file import as_html
from perennial.card.make import model_card
from perennial.encoding import json_bytes
from perennial.errors import NoModel, StoreUnavailable
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.retrain import card, deploy
from perennial.jobs.upkeep import reconcile

FILES = (card.CARD, card.PAGE, card.BILL)


def attached(world: World, version: str = "1") -> dict[str, bytes | None]:
    return {path: world.ports.registry.attached("parcels", version, path) for path in FILES}


def reconciled(world: World, day: int = 40) -> reconcile.Reconciled:
    return reconcile.run(world.use_case, world.day(day).start, world.ports, "nightly", actor="maintenance")


def test_a_deployment_attaches_card_page_and_bill(world: World) -> None:
    retrained(world, 30)
    found = attached(world)
    made = model_card(world.use_case.spec, "1", world.day(30).start, world.ports)
    assert found[card.CARD] == json_bytes(made)
    assert found[card.PAGE] == as_html(made).encode()
    assert json.loads(found[card.BILL] or b"")["bomFormat"] == "CycloneDX"


def test_deploying_again_writes_nothing_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    won = judged(world, 30)
    deploy.run(world.use_case, won, world.ports, "test", actor="ann", reason="test")

    def never(*_: object) -> None:
        raise AssertionError("it is there already")

    monkeypatch.setattr(world.ports.registry, "attach", never)
    deploy.run(world.use_case, won, world.ports, "test", actor="ann", reason="test")
    assert card.write(world.use_case.spec, "1", world.day(30).start, world.ports) == card.Written("1", (), ())


def test_a_card_that_can_not_be_written_is_told_and_the_version_serves(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    attach = world.ports.registry.attach

    def away(use_case: str, version: str, files: dict[str, bytes]) -> None:
        if card.CARD in files:
            raise StoreUnavailable("MLflow does not answer")
        attach(use_case, version, files)

    with monkeypatch.context() as patch:
        patch.setattr(world.ports.registry, "attach", away)
        done = retrained(world, 30).deployed
    assert done is not None
    assert "version 1 is deployed, and its model card could not be written" in caplog.text
    assert "perennial reconcile parcels" in caplog.text
    assert attached(world) == dict.fromkeys(FILES)
    assert reconciled(world).restored == ("the model card of version 1 was missing; it was attached",)
    assert None not in attached(world).values()
    assert reconciled(world).restored == ()


def test_maintenance_keeps_the_card_up_to_date_and_the_bill_as_it_was(world: World) -> None:
    retrained(world, 30)
    before = attached(world)
    predict(world, 31)
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(36).start, world.ports, "evaluated")
    assert reconciled(world).restored == ()  # nothing was wrong: there is more to tell
    after = attached(world)
    assert after[card.BILL] == before[card.BILL]
    assert world.day(31).key in (after[card.CARD] or b"").decode()
    assert world.day(31).key not in (before[card.CARD] or b"").decode()


def test_a_version_that_takes_no_files_does_not_stop_maintenance(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    retrained(world, 30)
    world.ports.registry.remove("parcels", "1", [card.CARD, card.PAGE, card.BILL])

    def by_hand(*_: object) -> None:
        raise NoModel("Perennial did not register it.")

    monkeypatch.setattr(world.ports.registry, "attach", by_hand)
    assert reconciled(world).restored == ()
    assert "version 1 has no model card: Perennial did not register it." in caplog.text


def test_what_a_deployment_keeps_for_its_card_is_the_same_each_time(world: World) -> None:
    retrained(world, 30)
    (entry,) = world.ports.ledger.deployments("parcels")
    kept = entry.training["use_case"]
    assert (kept["owner"], kept["risk_tier"], kept["risk"]) == ("logistics", "low", None)
    assert world.ports.artifacts.get(kept["packages_digest"])
    assert set(entry.training["metric_intervals"]) == set(entry.metrics)
