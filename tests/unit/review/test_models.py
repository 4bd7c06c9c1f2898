"""The family of models: parents, services, rollbacks, and whom each had to beat."""

from dataclasses import replace
from pathlib import Path

from tests.unit.review.lived import EXPECTED, Life

from perennial.encoding import as_json
from perennial.ledger.entries import DecisionKind, DeployedRole, RecordedDecision
from perennial.modeling.exports.parity import Certificate
from perennial.pages.rendering import _environment
from perennial.policy.promotion import WITHOUT_SKILL
from perennial.review import models
from perennial.verdict import REJECT


def test_a_use_case_without_a_model_has_no_family(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert models.run(life.spec, life.ports) == models.ModelFamily((), ())


def test_a_family_with_a_rollback(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", "the first")
    life.deploy(60, "2", "drift")
    life.deploy(70, "1", "version 2 was worse", approved_by="ada")
    life.deploy(90, "3", "age")
    family = models.run(life.spec, life.ports)
    assert [(each.version, each.parent, each.champion) for each in family.versions] == [
        ("3", "1", True),
        ("2", "1", False),
        ("1", None, False),
    ]
    third, second, first = family.versions
    starts = [life.window(number).start for number in (30, 60, 70, 90)]
    assert [(each.since, each.until, each.again) for each in first.services] == [
        (starts[0], starts[1], False),
        (starts[2], starts[3], True),
    ]
    assert (first.services[1].approved_by, first.services[1].reason) == ("ada", "version 2 was worse")
    assert [(each.since, each.until) for each in second.services] == [(starts[1], starts[2])]
    assert third.services[0].until is None
    assert (third.first_window, third.last_window) == (life.window(62), life.window(89))
    assert (third.trained_as_of, third.windows, third.rows) == (starts[3], 28, 25_200)
    assert third.address == "https://models.example/parcels/3"


def test_each_version_is_shown_with_the_one_it_had_to_beat_on_the_same_rows(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", "the first")
    life.deploy(60, "2", "drift")
    second, first = models.run(life.spec, life.ports).versions
    assert (first.rival, first.rival_value, first.value) == (WITHOUT_SKILL, 0.5, EXPECTED)
    assert (second.rival, second.rival_value, second.holdout_rows) == ("champion version 1", EXPECTED - 0.02, 1_250)


def test_exports_are_shown_with_their_certificate_or_why_they_were_refused(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", "the first")
    life.deploy(60, "2", "drift")
    certificate = Certificate("onnxruntime", 1_250, 3e-16, 1.0, 0.0, 0, 0.5, ())
    for version, form, action, given in (("2", "onnx", "exported", certificate), ("2", "pmml", "refused", None)):
        life.ledger.record_decision(
            RecordedDecision(
                use_case=life.spec.name,
                kind=DecisionKind.EXPORT,
                subject=f"version {version} to {form}",
                as_of=life.window(60).start,
                action=action,
                reasons=("nothing is installed <that> writes it",),
                numbers={
                    "version": version,
                    "format": form,
                    "digest": "ab" if given else None,
                    "path": f"exports/model.{form}" if given else None,
                    "certificate": as_json(given) if given else None,
                },
                run_id="test",
            )
        )
    second, first = models.run(life.spec, life.ports).versions
    assert first.exports == ()
    assert [(each.format, each.action, each.certificate) for each in second.exports] == [
        ("onnx", "exported", certificate),
        ("pmml", "refused", None),
    ]
    parts = _environment().get_template("use_case/parts.html").module
    shown = parts.version_table([second], "roc_auc", "UTC", lambda run_id: None, "/card")  # type: ignore[attr-defined]
    assert "ONNX exported: on 1,250 judged rows, predictions differ by at most 3.0e-16" in shown
    assert "0 decisions flip at 0.5 (onnxruntime)" in shown
    assert "PMML refused: nothing is installed &lt;that&gt; writes it" in shown


def test_what_an_old_deployment_does_not_say_is_not_made_up(tmp_path: Path) -> None:
    life = Life(tmp_path)
    made = life.deploy(30, "1", "the first")
    life.ledger.deploy(
        replace(
            made, model_version="0", model_digest="other", supersedes=made.id, training={}, metrics={}, run_id="cli__1"
        )
    )
    found = models.run(life.spec, life.ports).versions[0]
    assert (found.version, found.parent) == ("0", "1")
    assert (found.first_window, found.windows, found.rows, found.value, found.rival) == (None, None, None, None, None)


def test_a_challenger_has_a_service_of_its_own_and_is_not_the_champion(tmp_path: Path) -> None:
    life = Life(tmp_path)
    made = life.deploy(30, "1", "the first")
    life.ledger.deploy(
        replace(made, role=DeployedRole.CHALLENGER, model_version="2", model_digest="m2", supersedes=None, run_id="b")
    )
    challenger, champion = models.run(life.spec, life.ports).versions
    assert (challenger.version, challenger.champion, challenger.services[0].role) == ("2", False, "challenger")
    assert (champion.champion, champion.services[0].until) == (True, None)


def test_rejected_candidates_are_told_the_newest_first(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for number in (3, 5):
        life.decide(number, DecisionKind.PROMOTE, REJECT, f"no better on day {number}")
    found = models.run(life.spec, life.ports).rejected
    assert [each.reasons for each in found] == [("no better on day 5",), ("no better on day 3",)]
