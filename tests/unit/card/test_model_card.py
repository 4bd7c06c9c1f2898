"""The model card says what is on record, each statement with its source, and nothing else."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.card.told import statement, texts
from tests.unit.jobs.test_approval import answers, asked, deployed
from tests.unit.jobs.test_learning_path import retrained
from tests.unit.jobs.test_predict_path import predict
from tests.unit.jobs.world import SPEC, World, make_world
from tests.unit.review.lived import EXPECTED, Life, year

from perennial.card.facts import Facts, facts
from perennial.card.make import SECTIONS, card_of, model_card
from perennial.card.statements import NO_EVIDENCE, ModelCard, Source, Statement, sources
from perennial.encoding import as_json, from_json_text, json_bytes
from perennial.errors import NoModel, StoreUnavailable, UntrustedModel
from perennial.jobs.evaluate import collect_labels, measure
from perennial.jobs.retrain import rollback
from perennial.judgement.decisions import compare_decisions, decision_reasons
from perennial.judgement.fairness import FairnessJudged
from perennial.judgement.rows import Scored
from perennial.ledger.chain import content_digest
from perennial.ledger.entries import DecisionKind, DeployedRole, Intervention, InterventionKind
from perennial.modeling.decision import DECISION, DecisionRule
from perennial.modeling.reference import ModelReference
from perennial.spec.load import load_use_case

ASKED = "roc_auc\n  slices: {columns: [service]}\n"
RISK = (
    "risk: {purpose: 'Warn customers of late parcels.', impact: medium, likelihood: medium, autonomy: advises, "
    "personal_data: true}\n"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A version that was judged with slices, approved and deployed; its use case answered the questionnaire."""
    made = make_world(tmp_path_factory.mktemp("world"))
    (made.use_case.folder / "use_case.yaml").write_text(SPEC.replace("roc_auc\n", ASKED) + RISK)
    made = replace(made, use_case=load_use_case(made.use_case.folder))
    made.change(10, "weight", 500.0)  # day 10 is refused, and not learnt from
    found = asked(made)
    answers(made, "ben")
    deployed(made, found)
    for day in (30, 31):
        predict(made, day)
    for job in (collect_labels, measure):
        job.run(made.use_case, made.day(34).start, made.ports, "evaluated")
    return made


@pytest.fixture(scope="module")
def card(world: World) -> ModelCard:
    return made(world)


@pytest.fixture(scope="module")
def known(world: World) -> Facts:
    return facts(world.use_case.spec, None, world.day(40).start, world.ports)


def made(world: World) -> ModelCard:
    return model_card(world.use_case.spec, None, world.day(40).start, world.ports)


def statements(card: ModelCard) -> Iterator[Statement]:
    yield card.sentence
    for section in card.sections:
        yield from section.statements


def test_each_statement_names_its_source_or_says_that_there_is_no_evidence(card: ModelCard) -> None:
    all_of_them = list(statements(card))
    assert len(all_of_them) > 60
    for each in all_of_them:
        assert (each.source is None) == each.text.startswith(NO_EVIDENCE), each
    assert all(section.statements for section in card.sections)
    with pytest.raises(ValueError, match="not where that is known from"):
        Statement("Owner", "logistics", None)


def test_sources_can_be_followed_into_the_ledger_and_the_artefact_store(world: World, card: ModelCard) -> None:
    ledger, (deployment,) = world.ports.ledger, world.ports.ledger.deployments("parcels")
    (decision,) = ledger.decisions("parcels", DecisionKind.PROMOTE)
    named = {each.kind.value: each for each in sources(card)}
    assert named["deployment"].id == deployment.id
    assert named["deployment"].digest == content_digest(deployment)
    link = ledger.link_with("parcels", content=str(named["decision"].digest))
    assert link is not None
    assert link.entry_id == decision.id == named["decision"].id
    for each in sources(card):
        if each.kind.value == "artefact":
            assert world.ports.artifacts.get(str(each.digest))
        if each.id is not None:
            assert each.recorded_at is not None
            assert each.run_id


def test_the_judgement_comes_first_and_is_the_decisions_own(world: World, card: ModelCard) -> None:
    (decision,) = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)
    numbers = decision.numbers
    assert card.sentence.text.startswith("Judged better, against a prediction without skill: +")
    gain = statement(card, "judgement", "Gain")
    assert (gain.value, gain.low, gain.high) == (numbers["gain"], numbers["low"], numbers["high"])
    assert statement(card, "judgement", "Rows compared").value == numbers["rows_compared"]
    (table,) = card.section("judgement").tables
    assert dict(table.rows)["method"] == numbers["method"]
    assert set(decision.reasons) <= set(texts(card, "judgement"))


def test_metrics_have_intervals_that_hold_them(world: World, card: ModelCard) -> None:
    (deployment,) = world.ports.ledger.deployments("parcels")
    found = {each.value: each for each in card.section("metrics").statements}
    assert set(found) == set(deployment.metrics.values())
    for value, each in found.items():
        assert each.low is not None
        assert each.high is not None
        assert isinstance(value, float)
        assert each.low < value < each.high
    assert "less is better" in statement(card, "metrics", "log loss").text


def test_purpose_owner_and_risk_are_those_of_the_deployment_whatever_the_file_says_today(
    world: World, card: ModelCard
) -> None:
    assert statement(card, "purpose", "Owner").text == "logistics"
    assert statement(card, "purpose", "Purpose").text == "Warn customers of late parcels."
    assert (statement(card, "risk", "Tier").text, statement(card, "risk", "Score").value) == ("medium", 4)
    assert statement(card, "risk", "Personal data").value is True
    today = world.use_case.spec.model_copy(update={"owner": "somebody else", "title": "Other", "risk": None})
    again = model_card(today, None, world.day(40).start, world.ports)
    assert json_bytes(again) == json_bytes(card)


def test_slices_and_calibration_are_the_evidences(card: ModelCard) -> None:
    (table,) = card.section("slices").tables
    assert {row[0] for row in table.rows} == {"service air", "service rail", "service road"}
    assert table.source.kind.value == "artefact"
    (table,) = card.section("calibration").tables
    assert {row[0] for row in table.rows} == {"logistic", "a prediction without skill"}


def test_windows_that_were_left_out_stand_among_the_data_and_the_limits(world: World, card: ModelCard) -> None:
    left_out = next(each for each in card.section("data").tables if each.name == "Windows left out")
    assert [row[0] for row in left_out.rows] == [world.day(10).key]
    assert "weight" in str(left_out.rows[0][1])
    assert f"1 window left out: {world.day(10).key}" in texts(card, "limits")


def test_columns_by_importance_and_what_is_unusual(world: World, card: ModelCard) -> None:
    (table,) = card.section("drift").tables
    assert [row[0] for row in table.rows] == ["weight", "service"]
    assert statement(card, "drift", "Relies most on").text.startswith("weight (")
    assert statement(card, "drift", "Unusual").value == pytest.approx(0.05)


def test_limits_name_slices_that_were_not_judged_and_columns_without_values(known: Facts) -> None:
    assert known.evidence is not None
    assert known.evidence.slices is not None
    assert known.reference is not None
    first, *others = known.evidence.slices.slices
    lacking = replace(first, standing=type(first.standing)("not judged"), comparison=None, reason="too few rows.")
    unclear = replace(others[0], standing=type(first.standing)("unclear"), reason="it may be worse.")
    slices = replace(known.evidence.slices, slices=(lacking, unclear))
    column = replace(known.reference.inputs.columns[0], bins=None, pooled=None, packed="")
    inputs = replace(known.reference.inputs, columns=(column,), packed="")
    never = ModelReference(inputs, None, None)
    found = card_of(replace(known, evidence=replace(known.evidence, slices=slices), reference=never))
    said = {each.name: each.text for each in found.section("limits").statements}
    assert (said["Slice not judged"], said["Slice unclear"]) == ("too few rows.", "it may be worse.")
    assert said["Columns without values"] == f"Nothing was ever seen in {column.name}."
    assert "Labels not compared" in said


def test_a_column_that_was_added_since_is_one_that_the_version_does_not_know(world: World, known: Facts) -> None:
    columns = {**known.spec.columns, "price": known.spec.columns["weight"]}
    found = card_of(replace(known, spec=known.spec.model_copy(update={"columns": columns})))
    told = statement(found, "limits", "Columns it does not know")
    assert told.text == "price: added after it was deployed"
    assert told.source is not None
    assert told.source.kind.value == "use_case.yaml"


def test_decisions_and_differences_between_groups_are_told_as_they_were_judged(known: Facts) -> None:
    assert known.evidence is not None
    truth, champion, challenger = np.array([1.0, 0, 1, 0]), np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 1, 1])
    keys = [known.manifest.windows[number].window.key for number in (0, 0, 1, 1)] if known.manifest else []
    decisions = compare_decisions(Scored.of_keys(truth, champion, challenger, keys))
    fairness = FairnessJudged((), ("No difference is wider.",))
    evidence = replace(known.evidence, decisions=decisions, fairness=fairness)
    first = replace(known.first, training={**known.first.training, DECISION: as_json(DecisionRule(threshold=0.3))})
    told = card_of(replace(known, first=first, evidence=evidence)).section("more").statements
    assert [each.text for each in told] == [
        "predictions from 0.3 on",
        *decision_reasons(decisions, known.evidence.tested, known.evidence.rival),
        "No difference is wider.",
    ]
    without = replace(known, evidence=replace(known.evidence, decisions=None))
    assert texts(card_of(without), "more") == [f"{NO_EVIDENCE}: none was asked for"]


def test_performance_in_service_is_that_of_final_windows_of_this_version(tmp_path: Path) -> None:
    life = year(tmp_path, days=150)
    second, first = (model_card(life.spec, version, life.now, life.ports) for version in ("2", "1"))
    (table,) = second.section("service").tables
    assert {row[0] for row in table.rows} <= {life.window(number).key for number in range(120, 147)}
    (table,) = first.section("service").tables
    assert len(table.rows) == 30
    assert table.rows[-1][0] == life.window(119).key
    judged = statement(first, "service", "ROC AUC when it was judged")
    assert judged.value == EXPECTED


def test_performance_in_service_has_one_interval_over_the_windows(card: ModelCard, world: World) -> None:
    (table,) = card.section("service").tables
    assert [row[0] for row in table.rows] == [world.day(30).key, world.day(31).key]
    told = statement(card, "service", "ROC AUC")
    assert told.low is not None
    assert told.high is not None
    assert isinstance(told.value, float)
    assert told.low < told.value < told.high


def test_who_approved_the_version_is_told_with_the_answers_own_entry(card: ModelCard, world: World) -> None:
    (given,) = world.ports.ledger.approvals("parcels")
    answer, entry = card.section("approvals").statements
    assert answer.text.startswith("ben approved it as Approver at ")
    assert answer.text.endswith("asked by ann: I looked at the slices.")
    assert answer.source is not None
    assert (answer.source.id, answer.source.digest) == (given.id, content_digest(given))
    assert entry.text.endswith("approved by ben.")


def test_roles_approvals_and_rollbacks_are_the_deployments(tmp_path: Path) -> None:
    life = year(tmp_path)
    card = model_card(life.spec, "2", life.now, life.ports)
    assert card.role is None
    assert [each.split(" for ")[0] for each in texts(card, "roles")] == ["champion", "champion"]
    assert "rolled back to: the model of May was worse" in texts(card, "roles")[1]
    assert [each.value for each in card.section("approvals").statements] == [None, "ada"]
    assert "nobody was asked: the policy decided alone" in texts(card, "approvals")[0]
    assert texts(card, "interventions") == ["Version 2 took the role again, by policy: the model of May was worse"]
    assert model_card(life.spec, None, life.now, life.ports).role == "champion"


def test_what_an_old_deployment_does_not_say_is_no_evidence(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.deploy(30, "1", "the first")
    card = model_card(life.spec, None, life.now, life.ports)
    for section in ("purpose", "risk", "slices", "calibration", "more", "drift"):
        assert all(each.startswith(NO_EVIDENCE) for each in texts(card, section)), section
    assert statement(card, "model", "Digest of the judged model").source is None
    assert "no interval is on record" in statement(card, "metrics", "ROC AUC").text
    assert "no model version '1'" in texts(card, "drift")[0]
    assert card.title == "parcels"


def test_a_deployment_that_no_decision_explains_says_so(tmp_path: Path) -> None:
    life = Life(tmp_path)
    made = life.deploy(30, "1", "the first")
    life.ledger.deploy(
        replace(made, model_version="0", model_digest="x", supersedes=made.id, training={}, metrics={}, run_id="cli__1")
    )
    card = model_card(life.spec, "0", life.now, life.ports)
    assert card.sentence.text == f"{NO_EVIDENCE}: no decision is on record by which this model was promoted"
    assert all(each.source is None for each in card.section("judgement").statements)
    assert texts(card, "metrics") == [NO_EVIDENCE]


def test_interventions_that_touch_the_version_are_named(tmp_path: Path) -> None:
    made = make_world(tmp_path)
    ledger = made.ports.ledger
    for number, day in enumerate((20, 50)):  # the second is no window that it learnt from
        details = {"window": made.day(day).key}
        ledger.record_intervention(
            Intervention("parcels", InterventionKind.ROWS_ACCEPTED, f"{number}", "ada", f"day {day}", details, "r")
        )
    retrained(made, 30)
    for found, kept in (("7", "8"), ("1", "2")):
        ledger.record_intervention(
            Intervention(
                "parcels", InterventionKind.ALIAS_RESTORED, "champion", "maintenance", f"was {found}",
                {"found": found, "ledger": kept}, f"night {found}",
            )
        )  # fmt: skip
    card = model_card(made.use_case.spec, "1", made.day(40).start, made.ports)
    assert texts(card, "interventions") == ["0, by ada: day 20", "champion, by maintenance: was 1"]


def test_a_version_that_serves_again_keeps_what_was_said_of_it_first(tmp_path: Path) -> None:
    made = make_world(tmp_path)
    retrained(made, 30)
    before = model_card(made.use_case.spec, "1", made.day(40).start, made.ports)
    ledger = made.ports.ledger
    (first,) = ledger.deployments("parcels")
    ledger.deploy(replace(first, model_version="2", model_digest="y", supersedes=first.id, run_id="two"))
    rollback.run(made.use_case, "1", made.ports, "back", actor="ada", reason="2 was worse")
    after = model_card(made.use_case.spec, "1", made.day(40).start, made.ports)
    assert after.section("purpose") == before.section("purpose")
    assert len(after.section("roles").statements) == 2


def test_evidence_that_is_gone_is_told_and_a_store_that_is_away_is_an_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (decision,) = world.ports.ledger.decisions("parcels", DecisionKind.PROMOTE)
    lost = decision.numbers["judgement_digest"]

    def away(*_: object) -> dict[str, object]:
        raise StoreUnavailable("MLflow does not answer")

    class Empty:
        def get(self, digest: str) -> bytes:
            raise UntrustedModel(f"{digest} is gone")

        def put(self, content: bytes) -> str:
            raise AssertionError("a card stores nothing")

    ports = replace(world.ports, artifacts=Empty())
    card = model_card(world.use_case.spec, None, world.day(40).start, ports)
    assert texts(card, "slices")[0].startswith(f"{NO_EVIDENCE}: {lost} is gone")
    assert statement(card, "judgement", "Verdict").text == "better"
    monkeypatch.setattr(world.ports.registry, "reference", away)
    with pytest.raises(StoreUnavailable):
        made(world)


def test_a_version_that_was_never_deployed_has_no_card(world: World, tmp_path: Path) -> None:
    with pytest.raises(NoModel, match="never had version 9 in service; versions that were: 1"):
        model_card(world.use_case.spec, "9", world.day(40).start, world.ports)
    life = Life(tmp_path)
    with pytest.raises(NoModel, match=f"{life.spec.name} has no model in service yet"):
        model_card(life.spec, None, life.now, life.ports)


def test_a_card_is_the_same_from_its_json(card: ModelCard) -> None:
    assert from_json_text(ModelCard, json_bytes(card)) == card
    assert len({section.key for section in card.sections}) == len(SECTIONS)


def test_sources_are_each_named_once(card: ModelCard) -> None:
    found = sources(card)
    assert len(found) == len(set(found))
    assert all(isinstance(each, Source) for each in found)


def test_without_a_version_the_card_is_the_champions_whoever_took_another_role_since(tmp_path: Path) -> None:
    life = Life(tmp_path)
    made = life.deploy(30, "1", "the first")
    life.ledger.deploy(
        replace(made, role=DeployedRole.CHALLENGER, model_version="2", model_digest="m2", supersedes=None, run_id="b")
    )
    assert model_card(life.spec, None, life.now, life.ports).version == "1"
    other = model_card(life.spec, "2", life.now, life.ports)
    assert (other.role, texts(other, "roles")[0].split(" for ")[0]) == ("challenger", "challenger")
