"""`perennial new`: a first use case from what its data look like, ready to be checked and run."""

import re
import shlex
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.conftest import Call
from tests.unit.cli.test_sample import ports
from tests.unit.jobs.world import World

from perennial.cli.session import Session
from perennial.jobs.predict import chain as predict
from perennial.jobs.retrain import chain as retrain
from perennial.records.model_choice import ModelChoice
from perennial.spec.columns import Kind, Role
from perennial.spec.load import LoadedUseCase, load_use_case
from perennial.verdict import Verdict
from perennial.window import Every

DAYS = 40
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Forty days of orders, and their outcomes beside them, by day."""
    random = np.random.default_rng(5)
    folder = tmp_path / "delivered"
    for kind in ("orders", "outcomes"):
        (folder / kind).mkdir(parents=True)
    for day in range(DAYS):
        rows, labels = ["order_id,ordered_at,amount,items,express,country,shop"], ["order_id,ordered_at,late,known_at"]
        for number in range(60):
            at = FIRST + timedelta(days=day, minutes=20 * number)
            amount = random.gamma(2.0, 30.0)
            late = random.random() < 1 / (1 + np.exp(2 - amount / 30))
            key = f"o{day:03}-{number:04}"
            rows.append(
                f"{key},{at:%Y-%m-%dT%H:%M:%SZ},{amount:.2f},{random.integers(1, 9)},"
                f"{'true' if random.random() < 0.3 else 'false'},{random.choice(['DE', 'FR', 'PL'])},web"
            )
            labels.append(f"{key},{at:%Y-%m-%dT%H:%M:%SZ},{int(late)},{at + timedelta(hours=30):%Y-%m-%dT%H:%M:%SZ}")
        name = f"{FIRST + timedelta(days=day):%Y-%m-%d}.csv"
        (folder / "orders" / name).write_text("\n".join([*rows, ""]))
        (folder / "outcomes" / name).write_text("\n".join([*labels, ""]))
    return folder


def made(world: World, name: str) -> LoadedUseCase:
    return load_use_case(world.use_case.folder.parent / name)


def arguments(files: Path) -> tuple[str, ...]:
    orders, outcomes = (f"{files}/{kind}/*.csv" for kind in ("orders", "outcomes"))
    return ("new", "orders", "--from", orders, "--labels-from", outcomes, "--label", "late")


def test_a_folder_of_files_becomes_a_use_case_that_scores(
    world: World, perennial: Call, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = perennial(*arguments(files))
    assert code == 0, out
    use_case = made(world, "orders")
    spec = use_case.spec
    assert {name: (column.kind, column.role) for name, column in spec.columns.items()} == {
        "order_id": (Kind.CATEGORICAL, Role.KEY),
        "ordered_at": (Kind.TIMESTAMP, Role.EVENT_TIME),
        "amount": (Kind.NUMERIC, Role.FEATURE),
        "items": (Kind.INTEGER, Role.FEATURE),
        "express": (Kind.BOOLEAN, Role.FEATURE),
        "country": (Kind.CATEGORICAL, Role.FEATURE),
        "shop": (Kind.CATEGORICAL, Role.CARRY),
    }
    assert spec.source.pattern == "%Y-%m-%d.csv"  # type: ignore[union-attr]
    assert (spec.start, spec.schedule.every) == (FIRST, Every.DAY)
    assert (spec.labels.column, spec.labels.arrival_time) == ("late", "known_at")
    assert spec.labels.mature_after == timedelta(days=2)
    assert "guess: order_id is taken for the key" in out
    assert "guess: shop is carried along, not a feature: the same in every row seen" in out
    monkeypatch.setattr(Session, "source", staticmethod(ports().source))
    assert perennial("check", "orders", "--sample", "2024-02-05")[0] == 0
    there = ports()
    retrain.run(use_case, FIRST + timedelta(days=38), there, "test", actor="test", reason="first")
    (found,) = predict.run(
        use_case,
        [spec.grid.starting_at("2024-02-08")],
        there,
        "test",
        model=ModelChoice(),
        on_step=lambda step, each: None,
    )
    assert found.scored is not None
    assert (found.scored.rows, found.scored.model_version) == (60, "1")
    assert found.validated is not None
    assert found.validated.verdict is Verdict.PASS


def test_outcomes_without_event_time_are_dated_by_their_arrival(
    world: World, perennial: Call, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcomes = [row.split(",") for file in sorted((files / "outcomes").iterdir()) for row in file.read_text().split()]
    for file in (files / "outcomes").iterdir():
        file.unlink()
    (_, _, *others), by_day = outcomes[0], {}
    for row in outcomes:
        if row[0] != outcomes[0][0]:
            by_day.setdefault(row[-1][:10], []).append(",".join((row[0], *row[2:])))
    for day, rows in by_day.items():
        (files / "outcomes" / f"{day}.csv").write_text("\n".join([",".join(("Order ID", *others)), *rows, ""]))
    for file in (files / "orders").iterdir():
        file.write_text(file.read_text().replace("order_id", "Order ID", 1))
    assert perennial(*arguments(files))[0] == 0
    spec = made(world, "orders").spec
    assert (spec.labels.dated_by, spec.labels.mature_after) == ("arrival_time", timedelta(days=2))
    monkeypatch.setattr(Session, "source", staticmethod(ports().source))
    code, out, _ = perennial("check", "orders", "--sample", "2024-02-05")
    assert code == 0, out


def test_what_was_guessed_is_marked_in_the_spec(world: World, perennial: Call, files: Path) -> None:
    perennial(*arguments(files))
    text = (world.use_case.folder.parent / "orders" / "use_case.yaml").read_text()
    for marked in (
        "order_id: {kind: categorical, role: key}  # guess",
        "  every: day  # guess: --every",
        "  mature_after: 2d  # guess: 99 in 100 outcomes come within this time",
        "#   - known_at is taken for when the outcome became known (--arrival)",
    ):
        assert marked in text


def test_ranges_come_from_quantiles_and_only_warn(world: World, perennial: Call, files: Path) -> None:
    perennial(*arguments(files))
    expectations = {each.kwargs.get("column", "rows"): each for each in made(world, "orders").expectations}
    assert {str(each.severity) for each in expectations.values()} == {"warning"}
    assert expectations["amount"].kwargs["min_value"] == 0
    assert 300 < expectations["amount"].kwargs["max_value"] < 2_000
    assert expectations["country"].kwargs["value_set"] == ["DE", "FR", "PL"]
    assert expectations["rows"].kwargs == {"min_value": 20, "max_value": 180}


def test_what_is_there_already_is_never_overwritten(world: World, perennial: Call, files: Path) -> None:
    before = (world.use_case.folder / "use_case.yaml").read_text()
    code, _, err = perennial("new", "parcels", *arguments(files)[2:])
    assert code == 3
    assert "is there already, and nothing in it was changed" in err
    assert (world.use_case.folder / "use_case.yaml").read_text() == before
    assert sorted(path.name for path in world.use_case.folder.parent.iterdir()) == ["parcels"]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (("--label", "lat"), "--label lat: there is no such column; did you mean late?"),
        (("--from", "/nowhere/*.csv"), "there is no folder /nowhere"),
        (("--from", "postgres://ann:secret@db/orders"), "takes the name of an Airflow connection, not an address"),
        (("--from", "postgres://shop:orders"), "write postgres://<name>/<table>"),
        (("--from", "s3://bucket/orders"), "say with --connection which Airflow connection"),
        (("--from", "ftp://host/orders"), "give files, s3://bucket/prefix, postgres:"),
        (("--from", "orders.sql"), "say with --connection"),
        (("--key", "order"), "--key order: there is no such column; did you mean order_id?"),
    ],
)
def test_what_can_not_be_guessed_says_what_to_add(
    world: World, perennial: Call, files: Path, changed: tuple[str, str], said: str
) -> None:
    code, _, err = perennial(*arguments(files), *changed)
    assert code == 3
    assert said in " ".join(err.split())
    assert "secret" not in err


def test_without_a_label_the_candidates_are_named(world: World, perennial: Call, files: Path) -> None:
    code, _, err = perennial(*arguments(files)[:-2])
    assert code == 3
    assert "Say --label: the column that holds the outcome. It could be late." in " ".join(err.split())


def test_a_name_that_no_spec_takes_is_wrong_usage(world: World, perennial: Call, files: Path) -> None:
    code, _, err = perennial("new", "Orders!", *arguments(files)[2:])
    assert code == 2
    assert "lower-case letters" in err


def test_the_dialect_and_odd_names_are_written_down(world: World, perennial: Call, files: Path) -> None:
    path = files / "orders" / "2024-01-01.csv"
    for other in (files / "orders").glob("2024-0[12]-*.csv"):
        if other != path:
            other.unlink()
    text = path.read_text().replace(",", ";").replace("amount", "Order Amount").replace("Z;", ";")
    path.write_text("\n".join(line.replace(".", ",") for line in text.splitlines()) + "\n")
    perennial(*arguments(files))
    spec = (world.use_case.folder.parent / "orders" / "use_case.yaml").read_text()
    assert '  csv: {delimiter: ";", decimal: ","}' in spec
    assert '  order_amount: {kind: numeric, from: "Order Amount"}' in spec
    assert "  timezone: UTC  # guess: the zone of times without an offset (--timezone)" in spec


def test_questions_for_names_become_names_that_a_spec_takes(world: World, perennial: Call, files: Path) -> None:
    question = "How satisfied are you with the delivery of the orders that we sent to you in "

    def asked(text: str) -> str:
        return (
            text.replace("amount", f"{question}2023?")
            .replace("items", f"{question}2024?")
            .replace("shop", f"2024: {question}")
        )

    rewritten(files, "orders", asked)
    code, out, _ = perennial(*arguments(files))
    assert (code, "must be letters" in out) == (0, False), out
    assert perennial("check", "orders")[0] == 0
    assert {len(name) for name in made(world, "orders").spec.columns if "satisfied" in name} == {63}


def rewritten(files: Path, kind: str, change: Callable[[str], str], encoding: str = "utf-8") -> None:
    for file in (files / kind).iterdir():
        file.write_bytes(change(file.read_text()).encode(encoding))


@pytest.mark.parametrize("every", list(Every))
def test_windows_of_every_length_are_ready_to_be_checked(
    world: World, perennial: Call, files: Path, every: Every
) -> None:
    code, out, _ = perennial(*arguments(files), "--every", str(every))
    assert code == 0, out
    assert made(world, "orders").spec.schedule.every is every
    code, out, _ = perennial("check", "orders")
    assert (code, "warning" in out) == (0, False), out
    spec_file = world.use_case.folder.parent / "orders" / "use_case.yaml"
    spec_file.write_text(spec_file.read_text().replace("# end: ", "end: "))  # as somebody does whose data have ended
    spec = made(world, "orders").spec
    assert spec.end is not None
    assert spec.end >= spec.grid.containing(FIRST + timedelta(days=DAYS, hours=-1)).end


def test_an_outcome_beside_the_rows_is_not_called_undeclared(
    world: World, perennial: Call, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def european(text: str) -> str:
        text = text.replace("express", "Late?").replace("true", "1").replace("false", "0").replace(",", ";")
        return re.sub(r"(\d)\.(\d)", r"\1,\2", text)

    rewritten(files, "orders", european)
    code, out, _ = perennial("new", "orders", "--from", f"{files}/orders/*.csv", "--label", "Late?")
    assert code == 0, out
    assert made(world, "orders").spec.source == made(world, "orders").spec.labels.source
    monkeypatch.setattr(Session, "source", staticmethod(ports().source))
    code, out, _ = perennial("check", "orders", "--sample", "2024-02-05")
    assert (code, "not declared" in out, "labels: 60 rows" in out) == (0, False, True), out


def test_outcomes_of_two_numbers_are_asked_about(world: World, perennial: Call, files: Path) -> None:
    rewritten(files, "outcomes", lambda text: text.replace(",1,", ",2,").replace(",0,", ",1,"))
    code, out, _ = perennial(*arguments(files))
    assert code == 0
    assert "late holds only 1 and 2, and is taken for a number (task: regression)" in out
    assert "late = 2 AS outcome in a query, or 0 and 1 in files" in out


def test_outcomes_in_words_are_refused_with_what_to_write_in_files(world: World, perennial: Call, files: Path) -> None:
    rewritten(files, "outcomes", lambda text: text.replace(",1,", ",ja,").replace(",0,", ",nein,"))
    code, _, err = perennial(*arguments(files))
    assert code == 3
    assert "In files, write 1 and 0 for them. In a query, make one, such as late = 'nein' AS outcome" in err


def test_what_is_odd_in_every_file_is_told_once_and_times_that_no_step_reads_are_named(
    world: World, perennial: Call, files: Path
) -> None:
    def german(text: str) -> str:
        return re.sub(r"(\d{4})-(\d\d)-(\d\d)T([\d:]+)Z", r"\3.\2.\1 \4", text.replace("amount", "Größe"))

    rewritten(files, "orders", german, "cp1252")
    code, out, _ = perennial(*arguments(files))
    assert code == 0
    assert out.count("not UTF-8, and read as cp1252") == 1
    assert "2024-01-01.csv, line 1 and 39 more like it: not UTF-8" in out
    assert "ordered_at holds times that are not ISO 8601, such as '01.01.2024 00:00:00' in row 1" in out
    assert "perennial check orders --sample 2024-02-07T00:00Z" in out
    assert "gro_e" in (text := (world.use_case.folder.parent / "orders" / "use_case.yaml").read_text())
    assert 'from: "Größe"' in text


def test_the_sample_that_comes_next_is_of_a_window_whose_outcomes_have_come(
    world: World, perennial: Call, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = perennial(*arguments(files))
    assert "  perennial run orders --window 2024-02-07T00:00Z" in out  # the rows end on the 9th, mature_after is 2d
    monkeypatch.setattr(Session, "source", staticmethod(ports().source))
    code, out, _ = perennial("check", "orders", "--sample", "2024-02-07")
    assert (code, "labels: 60 rows" in out) == (0, True)


def test_columns_that_would_have_the_same_name_are_kept_apart(world: World, perennial: Call, files: Path) -> None:
    rewritten(files, "orders", lambda text: text.replace("items", "Amount").replace("shop\n", "amount!\n"))
    code, out, _ = perennial(*arguments(files))
    assert code == 0, out
    columns = made(world, "orders").spec.columns
    assert {name: column.from_ for name, column in columns.items() if "mount" in name} == {
        "amount": None,
        "Amount_2": "Amount",
        "amount_3": "amount!",
    }


def test_the_commands_of_the_readme_work_as_they_stand_there(
    world: World, perennial: Call, files: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "orders").rename(files / "data")
    rewritten(files, "outcomes", lambda text: text.replace("late", "cancelled"))
    monkeypatch.chdir(files)
    monkeypatch.setattr(Session, "ports", ports())
    monkeypatch.setattr(Session, "source", staticmethod(ports().source))
    section = (repository / "README.md").read_text().partition("## A use case of your own")[2].partition("\n1. ")[0]
    commands = [shlex.split(line, comments=True)[2:] for line in section.splitlines() if line.startswith("$ ")]
    assert [command[0] for command in commands] == ["new", "check", "retrain", "run", "validation"]
    for command in commands:
        code, out, err = perennial(*command)
        assert code == 0, f"{command}: {out}{err}"


def test_nothing_is_left_behind_when_it_fails(world: World, perennial: Call, files: Path) -> None:
    shutil.rmtree(files / "outcomes")
    assert perennial(*arguments(files))[0] == 3
    assert sorted(path.name for path in world.use_case.folder.parent.iterdir()) == ["parcels"]
