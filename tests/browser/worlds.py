"""What the pages are about: a world with windows in every state, and one that means harm; and where each view is."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from tests.unit.jobs.rollout_world import RolloutWorld, make
from tests.unit.jobs.test_predict_path import first_model, ingest_and_validate, predict
from tests.unit.jobs.test_standby import keep_example
from tests.unit.jobs.world import EXPECTATIONS, RECORDED, SPEC, World, make_world
from tests.unit.pages.asking import live, settings_of

from perennial.alerting import outbox
from perennial.alerting.alert import Alert
from perennial.alerting.words import seen
from perennial.errors import NotDelivered, ValidationFailed
from perennial.jobs.evaluate import collect_labels, measure, measure_by_people, rescore, rollout
from perennial.jobs.predict import ingest, monitor, score, select_for_review, shadow, validate
from perennial.jobs.retrain import chain as retrain
from perennial.jobs.retrain import rollback
from perennial.jobs.upkeep import standby
from perennial.ledger.entries import (
    Approval,
    ApprovalRequest,
    DecisionKind,
    Intervention,
    InterventionKind,
    RecordedDecision,
)
from perennial.pages.change import ChangeAsked, change
from perennial.records import human_labels
from perennial.records.model_choice import ModelChoice
from perennial.spec.alerts import Severity
from perennial.spec.load import load_use_case
from perennial.verdict import ApprovalAnswer

PREDICT, EVALUATE, RETRAIN = "parcels.predict", "parcels.evaluate", "parcels.retrain"
EVALUATED, RETRAINED, ONE_WINDOW, SEVERAL_WINDOWS = "evaluated", "retrained", "one_window", "several_windows"

PAYLOADS = (
    "<script>window.__pwned=1</script>",
    '"><img src=x onerror=window.__pwned=1>',
    "'><svg onload=window.__pwned=1>",
    "</title><script>window.__pwned=1</script>",
    "</textarea><script>window.__pwned=1</script>",
    "</style><script>window.__pwned=1</script>",
    "--><script>window.__pwned=1</script>",
    "]]><script>window.__pwned=1</script>",
    "<img src=x:x onerror=window.__pwned=1>",
    "<svg><script>window.__pwned=1</script></svg>",
    "<details open ontoggle=window.__pwned=1>",
    "<input autofocus onfocus=window.__pwned=1>",
    '" autofocus tabindex=0 onfocus="window.__pwned=1',
    "<iframe srcdoc='<script>parent.__pwned=1</script>'></iframe>",
    '<iframe src="javascript:parent.__pwned=1"></iframe>',
    "<video><source onerror=window.__pwned=1></video>",
    "<math><mtext><table><mglyph><style><!--</style><img src=x onerror=window.__pwned=1>",
    "<style>*{background:url(//evil.example/)}</style>",
    "javascript:window.__pwned=1//<i>",
    "{{ 7 * 7 }}{% raw %}<b>bold</b>",
)
ALL = " ".join(PAYLOADS)


def addresses(world: World) -> dict[str, tuple[str, ...]]:
    """The addresses of each view, one for each state that looks different."""
    of_use_case = f"/dags/{PREDICT}"

    def window(day: int) -> str:
        return f"{of_use_case}/windows/{world.day(day).key}"

    key = world.parcels.table.column("parcel")[world.rows_of(30)[0]].as_py()
    aside = world.parcels.table.column("parcel")[world.rows_of(31)[3]].as_py()  # see `live`
    first, last = (f"{world.day(day).start:%Y-%m-%d}" for day in (30, 36))
    return {
        "home": ("/home", "/home?owner=nobody"),
        "use_case": (of_use_case,),
        "window": (
            *(window(day) for day in (30, 31, 32, 38, 45, 46)),  # see `live`; 46 is to come
            f"{window(45)}?only=failed&column=weight",
        ),
        "interval": tuple(f"{of_use_case}/runs/{run}" for run in (ONE_WINDOW, SEVERAL_WINDOWS)),
        "alerts": (f"{of_use_case}/alerts",),
        "review": (f"{of_use_case}/review", f"{of_use_case}/review?until={first}"),
        "card": (f"{of_use_case}/card", f"{of_use_case}/card?version=1"),
        "retraining": (f"/dags/{RETRAIN}/runs/{RETRAINED}",),
        "evaluation": (f"/dags/{EVALUATE}/runs/{EVALUATED}",),
        "preview": (f"{of_use_case}/preview", f"{of_use_case}/preview?{urlencode({'from': first, 'to': last})}"),
        "quarantine": (f"{window(31)}/quarantine", f"{window(30)}/quarantine"),
        "compare": (
            f"{of_use_case}/compare",
            f"{of_use_case}/compare?{urlencode({'window': world.day(30).key, 'with': world.day(31).key})}",
            f"{of_use_case}/compare?{urlencode({'model': '1', 'with': '1'})}",
        ),
        "quarantined": (f"{of_use_case}/quarantined?{urlencode({'window': world.day(31).key, 'entity': str(aside)})}",),
        "suggestions": (f"{of_use_case}/suggestions",),
        "evidence": (
            f"{of_use_case}/evidence?{urlencode({'entity': str(key), 'window': world.day(30).key})}",
            f"{of_use_case}/evidence",
        ),
    }


def attacks(world: World) -> list[str]:
    """Addresses with a payload in each place of each address that a reader may fill in."""
    of_use_case, window = f"/dags/{PREDICT}", world.day(30).key
    dates = {"from": "2024-01-31", "to": "2024-02-02"}
    return [
        address
        for text in PAYLOADS
        for address in (
            f"/home?{urlencode({'owner': text, 'tag': text, 'state': text})}",
            f"{of_use_case}/windows/{quote(text, safe='')}",
            f"{of_use_case}/runs/{quote(text, safe='')}",
            f"{of_use_case}/windows/{window}?{urlencode({'column': text, 'only': text, 'page': text})}",
            f"{of_use_case}/preview?{urlencode({'from': text, 'to': text})}",
            f"{of_use_case}/preview?{urlencode({**dates, 'model': text})}",
            f"{of_use_case}/preview?{urlencode({**dates, 'model': 'pinned', 'version': text})}",
            f"{of_use_case}/evidence?{urlencode({'entity': text})}",
            f"{of_use_case}/evidence?{urlencode({'entity': text, 'window': window})}",
            f"{of_use_case}/{quote(text, safe='')}",
            f"{of_use_case}?{urlencode({'until': text, 'show': text})}",
            f"{of_use_case}/compare?{urlencode({'window': text, 'with': text})}",
            f"{of_use_case}/compare?{urlencode({'model': text, 'with': text})}",
            f"{of_use_case}/compare?{urlencode({'window': window, 'revision': text, 'with': text})}",
            f"{of_use_case}/quarantined?{urlencode({'window': window, 'entity': text})}",
            f"{of_use_case}/quarantined?{urlencode({'window': window, 'row': text})}",
            f"{of_use_case}/card?{urlencode({'version': text})}",
            f"{of_use_case}/suggestions?{urlencode({'from': text, 'to': text})}",
            f"{of_use_case}/review?{urlencode({'until': text})}",
        )
    ]


def a_lived_world(folder: Path) -> World:
    """Beside what `live` has: labels that came, a retraining that was judged, and an alert that one of two was told."""
    world = live(make_world(folder))
    _evaluate(world)
    start = world.day(33).start
    _decide(world)
    retrain.run(world.use_case, start, world.ports, f"{RETRAIN}/{RETRAINED}", actor="ada", reason="the weights drifted")
    _answer(world, "ann", ["It is better in every slice.", "I want to see the holiday week first."])
    return _ask(_tell(world, "Day 32 was refused."), "bob")


def _decide(world: World) -> None:
    """From now on a new version comes with a decision, and may not treat services more differently."""
    spec = world.use_case.folder / "use_case.yaml"
    decision = "decision: {threshold: auto, costs: {false_positive: 2, false_negative: 3}}\n"
    fairness = "  fairness: {columns: [service], margin: 0.05}\n"
    spec.write_text(spec.read_text().replace("  metric: roc_auc\n", f"  metric: roc_auc\n{fairness}") + f"\n{decision}")
    world.use_case = load_use_case(world.use_case.folder)


def a_world_in_rollout(folder: Path) -> World:
    """A canary that waits for a person, after a rollback by hand; who stands by was tried.

    `true` was the first champion, then `fair`; `bad` served days 34 to 36, and windows from day 35 on were scored again
    by `fair`. Since day 37 `as fair` predicts a quarter of the rows, and nobody can tell whether it is better.
    """
    rolling = make(folder, 46, "rollout: {shadow: 2d, canary: [25, 50], patience: 4d, standby: true}\n")
    world, ports, moments = rolling.world, rolling.ports, count()
    ports.ledger._clock = lambda: RECORDED + timedelta(seconds=next(moments))  # type: ignore[attr-defined]
    before = None
    for name, days in (("true", range(31, 32)), ("fair", range(32, 34)), ("bad", range(34, 37))):
        before = ports.ledger.deploy(rolling.entry(name, days[0], before))
        for day in days:
            _scored_for_certain(rolling, day)
    rollback.run(
        world.use_case, None, ports, "parcels.rollback/manual__1", actor="ada",
        reason="The depots say that every parcel is called late.", rescore_from=world.day(35).start,
    )  # fmt: skip
    rescore.run(world.use_case, ports, "parcels.rollback/manual__1", actor="ada")
    rolling.stage("as fair", 25, 37, rolling.stage("as fair", 0, 37))
    for day in range(37, 46):
        _scored_for_certain(rolling, day)
        shadow.run(world.use_case, world.day(day), ports, f"{PREDICT}/scheduled__{day}")
        rolling.measured(day)
        if day < 44:  # the evaluations of the last two are to come
            rollout.run(world.use_case, world.day(day).end, ports, f"{EVALUATE}/{day}", actor="airflow")
    keep_example(rolling, "true")
    standby.run(world.use_case, world.day(46).start, ports, "platform.maintenance/scheduled__1")
    return world


def _scored_for_certain(rolling: RolloutWorld, day: int) -> None:
    """Score a window that really passed the suite, as its page shows."""
    ours = (rolling.world.use_case, rolling.world.day(day), rolling.ports, f"{PREDICT}/scheduled__{day}")
    ingest.run(*ours)
    validate.run(*ours)
    score.run(*ours, model=ModelChoice())
    monitor.run(*ours)


def addresses_in_rollout(world: World) -> dict[str, tuple[str, ...]]:
    """The addresses that look different there: a window before, one that was scored again, and one of the canary."""
    of_use_case = f"/dags/{PREDICT}"
    again = {"window": world.day(35).key, "revision": "1", "with": "2"}
    return {
        "home": ("/home",),
        "use_case": (of_use_case,),
        "window": tuple(f"{of_use_case}/windows/{world.day(day).key}" for day in (34, 35, 44)),
        "compare": (
            f"{of_use_case}/compare?{urlencode(again)}",
            f"{of_use_case}/compare?{urlencode({'window': world.day(33).key, 'with': world.day(44).key})}",
        ),
    }


def a_hostile_world(folder: Path) -> World:
    """Attacks in the spec, in keys, values and names of columns, in run ids, reasons, notes and actors."""
    world = make_world(folder)
    _write_spec(world)
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    parcels, outcomes = world.parcels.table, world.outcomes.table
    keys = [str(key) for key in parcels.column("parcel").to_pylist()]
    for day in (30, 31, 32, 45):
        for position, text in zip(world.rows_of(day), PAYLOADS, strict=False):
            keys[position] = f"{text}{position}"
    world.outcomes.table = outcomes.set_column(0, "parcel", [keys])
    services = parcels.column("service").to_pylist()
    for day, mark in ((20, ""), (30, ""), (31, ""), (31, "!"), (32, "?"), (45, "")):  # see the expectations
        places = [each for each in world.rows_of(day) if services[each] in ("road", "air", "rail")]
        for position, text in zip(places, PAYLOADS, strict=False):
            services[position] = f"{mark}{text}"
    world.put("service", dict(enumerate(services)))
    world.parcels.table = world.parcels.table.set_column(0, "parcel", [keys])

    first_model(world)
    for day in (30, 31, 45):
        predict(world, day, run_id=ALL)
        monitor.run(world.use_case, world.day(day), world.ports, ALL)
    with pytest.raises(ValidationFailed):
        ingest_and_validate(world, 32)
    _evaluate(world)
    retrain.run(world.use_case, world.day(33).start, world.ports, f"{RETRAIN}/{RETRAINED}", actor=ALL, reason=ALL)
    _answer(world, ALL, [ALL, ALL])
    for day in (30, 31, 45):
        _spoil(world, day)
    return _ask(_tell(world, ALL), ALL)


def _ask(world: World, actor: str) -> World:
    """People are asked about rows of days 30 and 45, and somebody answered some of them."""
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(f"{spec.read_text()}\nreview: {{band: [0.35, 0.65], random_share: 0.1, limit: 40}}\n")
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    for day in (30, 45):
        select_for_review.run(world.use_case, world.day(day), world.ports, actor)
        (chosen,) = world.ports.ledger.selections_between("parcels", world.day(day).start, world.day(day).end)
        for question in chosen.questions[:3]:
            human_labels.answer(
                world.use_case, world.day(day), question["entity"], 1, world.ports, actor,
                author=actor, answered_at=world.day(day).end, origin="page",
            )  # fmt: skip
    measure_by_people.run(world.use_case, world.day(46).start, world.ports, actor)
    return world


def _tell(world: World, text: str) -> World:
    """Somebody was told of an alert with that text, somebody else could not be reached, and one acknowledged it."""
    spec = world.use_case.folder / "use_case.yaml"
    spec.write_text(
        f"{spec.read_text()}\nalerts: [{{connection: hook}}, {{connection: mail, recipients: [o@example.org]}}]\n"
    )
    world = replace(world, use_case=load_use_case(world.use_case.folder))
    alert = Alert(
        "parcels", "windows_refused", Severity.CRITICAL, text, text, world.day(32).start, text, text,
        f"perennial/dags/{PREDICT}/windows/{world.day(32).key}", (world.day(32).key,),
    )  # fmt: skip

    def send(route: Any, _: Any) -> None:
        if route.connection == "mail":
            raise NotDelivered(text)

    outbox.run(world.use_case.spec, [alert], world.day(46).start, world.ports.ledger, send, "run", airflow="")
    given = {"key": alert.key, "seen": seen(alert), "reason": text[:900]}
    settings = settings_of(world)
    assert change(ChangeAsked("acknowledged", "parcels", "", text, given), settings, world.ports).status == 200
    return world


def _evaluate(world: World) -> None:
    for job in (collect_labels, measure):
        job.run(world.use_case, world.day(34).start, world.ports, f"{EVALUATE}/{EVALUATED}")


def _write_spec(world: World) -> None:
    text, tags = json.dumps(ALL), json.dumps(PAYLOADS)
    spec = SPEC.replace("Parcels that come late", text).replace("owner: logistics", f"owner: {text}\ntags: {tags}")
    spec = spec.replace("parcel: {kind: integer", "parcel: {kind: categorical").replace("0.05}", "0.5}", 1)
    (world.use_case.folder / "use_case.yaml").write_text(spec)
    (world.use_case.folder / "expectations.yaml").write_text(
        f"{EXPECTATIONS}"
        "  - type: expect_column_values_to_match_regex\n"
        "    kwargs: {column: service, regex: '^[^!]'}\n"
        "    quarantine: true\n"
        "  - type: expect_column_values_to_not_match_regex\n"
        "    kwargs: {column: service, regex: '^[?]'}\n"
        "  - type: expect_column_values_to_be_in_set\n"
        f"    kwargs: {{column: service, value_set: {tags}}}\n"
        "    severity: warning\n"
    )


def _spoil(world: World, day: int) -> None:
    """Newer entries about a day, as someone with a grudge and a hand in the ledger would write them."""
    ledger, window = world.ports.ledger, world.day(day)
    drift = ledger.drift_of("parcels", window)[-1]
    ledger.record_drift(
        replace(
            drift,
            report=_renamed(drift.report),
            columns=_renamed(drift.columns),
            missing=PAYLOADS,
            reasons=PAYLOADS,
            run_id=ALL,
            number=drift.number + 1,
            basis_digest="spoilt",
            id=None,
        )
    )
    for found in ledger.performance_of("parcels", window)[-1:]:
        label_drift = {"verdict": ALL, "p_value": 0.5, "reasons": list(PAYLOADS)}
        later = found.as_of + timedelta(minutes=1)
        ledger.record_performance(
            replace(
                found,
                as_of=later,
                metrics={**found.metrics, ALL: 0.5},
                intervals=_renamed(found.intervals),
                label_drift=label_drift,
                run_id=ALL,
                id=None,
            )
        )
    following = world.day(day + 1)
    snapshot = ledger.latest_snapshot("parcels", window)
    if snapshot is not None and ledger.latest_snapshot("parcels", following) is None:
        ledger.record_snapshot(
            replace(
                snapshot,
                window=following,
                table=ALL,
                digest=ALL,
                columns=_renamed(snapshot.columns),
                query=ALL,
                run_id=ALL,
                remarks=PAYLOADS,
                id=None,
            )
        )
    for kind in DecisionKind:
        ledger.record_decision(
            RecordedDecision("parcels", kind, window.key, window.end, ALL, PAYLOADS, {ALL: ALL}, ALL)
        )
    for kind in InterventionKind:
        details = {"snapshot_digest": ALL, "rule": ALL, ALL: ALL}
        ledger.record_intervention(Intervention("parcels", kind, window.key, ALL, ALL, details, ALL))


def _renamed(found: Any) -> Any:
    """The same JSON, where the columns are called otherwise."""
    text = json.dumps(found)
    for name in ("weight", "service", "roc_auc"):
        text = text.replace(f'"{name}"', json.dumps(f"{ALL} {name}"))
    return json.loads(text)


def _answer(world: World, requester: str, reasons: list[str]) -> None:
    """The retraining asked two people; one agreed, the other did not."""
    run, at = f"{RETRAIN}/{RETRAINED}", world.day(34).start
    asked = ApprovalRequest("parcels", "5" * 64, "t", "m" * 64, "e", None, "high", 2, requester, {}, run)
    world.ports.ledger.record_approval_request(asked)
    for number, (answer, reason) in enumerate(zip(("approved", "rejected"), reasons, strict=True)):
        world.ports.ledger.record_approval(
            Approval(
                "parcels",
                "5" * 64,
                "t",
                "m" * 64,
                "e",
                None,
                ApprovalAnswer(answer),
                str(number),
                requester if reason == requester else ("ben", "carla")[number],
                "Approver",
                reason,
                requester,
                at,
                f"{run}/approve",
                "page__1",
            )
        )
