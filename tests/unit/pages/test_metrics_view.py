"""The gauges as the API server's reader writes them: of the use cases that may be seen, and of no other."""

from dataclasses import replace

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.jobs.world import World
from tests.unit.pages.asking import NOW, ask

from perennial.errors import StoreUnavailable
from perennial.review.airflow_state import DagState
from perennial.spec.ended import ENDED_FILE, write_ended

PREDICT = DagState("parcels.predict", paused=True)


def use_cases_in(body: bytes) -> set[str]:
    families = text_string_to_metric_families(body.decode())
    return {
        sample.labels["use_case"] for family in families for sample in family.samples if "use_case" in sample.labels
    }


def test_the_use_cases_that_may_be_seen(lived: World) -> None:
    answer = ask(lived, "metrics", dags=(PREDICT,))
    assert (answer.status, answer.media_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert use_cases_in(answer.body) == {"parcels"}
    assert b'perennial_airflow_dag_paused{dag="predict",use_case="parcels"} 1.0' in answer.body
    assert not use_cases_in(ask(lived, "metrics", may_see=("others",)).body)


def test_a_spec_that_is_wrong_is_counted_and_takes_no_other_with_it(lived: World) -> None:
    broken = lived.use_case.folder.parent / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "use_case.yaml").write_text("name: broken\n")
    answer = ask(lived, "metrics", may_see=("broken", "parcels"))
    assert b"perennial_specs_broken 1.0" in answer.body
    assert use_cases_in(answer.body) == {"parcels"}
    assert b"perennial_specs_broken 0.0" in ask(lived, "metrics").body


def test_a_use_case_that_has_ended_is_told_of_no_more(lived: World) -> None:
    write_ended(lived.use_case.folder, NOW, "ann", "replaced")
    try:
        answer = ask(lived, "metrics")
    finally:
        (lived.use_case.folder / ENDED_FILE).unlink()
    assert not use_cases_in(answer.body)
    assert b"perennial_specs_broken 0.0" in answer.body


def test_a_ledger_that_is_away_is_a_problem_and_no_empty_answer(lived: World) -> None:
    class Away:
        def __getattr__(self, name: str) -> object:
            def refuse(*_: object) -> None:
                raise StoreUnavailable("the ledger does not answer")

            return refuse

    away = replace(lived, ports=replace(lived.ports, ledger=Away()))  # type: ignore[arg-type]
    answer = ask(away, "metrics", as_json=True)
    assert (answer.status, answer.media_type) == (503, "application/json")
    assert b"the ledger does not answer" in answer.body
