"""Rows go to Label Studio and answers come back, by what a real one answered (`tests/handover/record.py`)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from tests.handover.record import FILE, INTERFACE
from tests.unit.jobs.reviewed import asked, copied, lived, select
from tests.unit.jobs.world import World

from perennial.errors import InvalidSettings, SourceRejected, SourceUnavailable
from perennial.handover import label_studio
from perennial.handover.label_studio_api import LabelStudio
from perennial.ledger.entries import HumanLabel
from perennial.review import open_questions
from perennial.spec.names import Task
from perennial.window import parse_instant

RECORDED: dict[str, Any] = json.loads(FILE.read_text())
TOKEN = "0123456789abcdef0123456789abcdef01234567"
PERSONAL = "p" * RECORDED["personal token length"]
NOW = parse_instant("2027-01-01T00:00Z")


@dataclass
class Studio:
    """A server that answers as Label Studio did: before anybody answered, and then with answers."""

    entities: list[str] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=lambda: {"export": "export of nothing"})
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    fails: int = 0

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> tuple[int, bytes]:
        self.seen.append((method, path, authorization))
        if self.fails:
            return self.fails, b"<h1>no</h1>"
        if path == "/api/token/refresh":
            assert json.loads(body) == {"refresh": PERSONAL}
            return self._recorded("refresh")
        if authorization not in (f"Token {TOKEN}", "Bearer an-access-token"):
            return self._recorded("wrong token")
        if method == "POST":
            self.sent += json.loads(body)
        known = {
            ("GET", "/api/users/"): "users",
            ("POST", "/api/projects/1/import"): "import",
            ("GET", "/api/projects/1/export"): self.answers["export"],
        }
        return self._recorded(known.get((method, path), "no project"))

    def _recorded(self, name: str) -> tuple[int, bytes]:
        text = json.dumps(RECORDED[name]["body"])
        for number, entity in enumerate(self.entities):
            text = text.replace(f"ENTITY{number}", entity)
        return RECORDED[name]["status"], text.encode()


@contextmanager
def serving(studio: Studio) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def _go(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            path = self.path if "export" not in self.path else self.path.partition("?")[0]
            status, content = studio.answer(self.command, path, self.headers.get("Authorization", ""), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _go

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = lived(tmp_path_factory.mktemp("lived"))
    select(world, 30)
    return world


@pytest.fixture
def world(template: World, tmp_path: Path) -> World:
    return copied(template, tmp_path)


@pytest.fixture
def studio(world: World) -> Studio:
    return Studio([each.entity for each in asked(world, 30)[:4]])


def queue(world: World) -> open_questions.OpenQuestions:
    return open_questions.run(world.use_case, world.day(31).start, world.ports, most=label_studio.MOST)


def entries(world: World) -> list[HumanLabel]:
    return list(world.ports.ledger.human_labels_between("parcels", world.day(30).start, world.day(30).end))


def test_rows_are_sent_once_and_without_predictions(world: World, studio: Studio) -> None:
    found = queue(world)
    with serving(studio) as address:
        server = LabelStudio(address, TOKEN)
        sent = label_studio.push(found, server, 1)
        assert sent == label_studio.Pushed(len(asked(world, 30)), 0)
        studio.answers["export"] = "export before answers"  # which has the first four of them
        again = label_studio.push(found, server, 1)
    assert again == label_studio.Pushed(len(asked(world, 30)) - 4, 4)
    first = studio.sent[0]["data"]
    assert first["perennial"] == {
        "use_case": "parcels",
        "window": world.day(30).key,
        "entity": asked(world, 30)[0].entity,
    }
    assert first["row"].keys() == {"parcel", "sent_at", "weight", "service"}
    assert all(isinstance(value, str) for value in first["row"].values())
    assert "prediction" not in json.dumps(studio.sent)
    assert {authorization for _, _, authorization in studio.seen} == {f"Token {TOKEN}"}


def test_answers_are_taken_in_the_names_and_at_the_times_of_who_gave_them(world: World, studio: Studio) -> None:
    studio.answers["export"] = "export"
    with serving(studio) as address:
        server = LabelStudio(address, TOKEN)
        exported, people = label_studio.read(server.exported(1)), server.people()
    taken = label_studio.take(world.use_case, exported, people, world.ports, "run", NOW)
    assert taken == label_studio.Taken(new=3, known=0, skipped=1, others=1, refused=())
    found = entries(world)
    assert [each.value for each in found] == [1.0, 1.0, 1.0]  # of the second row somebody thought again
    assert {each.author for each in found} == {"ada@example.org"}
    assert {each.origin for each in found} == {"Label Studio"}
    annotation = RECORDED["export"]["body"][0]["annotations"][0]
    first = next(each for each in found if each.entity == studio.entities[0])
    assert first.answered_at == parse_instant(annotation["updated_at"])
    again = label_studio.take(world.use_case, exported, people, world.ports, "again", NOW)
    assert (again.new, again.known, len(entries(world))) == (0, 3, 3)


def test_a_file_does_the_same(world: World, studio: Studio) -> None:
    text = json.dumps(RECORDED["export"]["body"])
    for number, entity in enumerate(studio.entities):
        text = text.replace(f"ENTITY{number}", entity)
    taken = label_studio.take(world.use_case, label_studio.read(text.encode()), {}, world.ports, "run", NOW)
    assert taken.new == 3
    assert {each.author for each in entries(world)} == {"user 1"}


def test_answers_that_can_t_be_used_are_told_and_keep_no_other_back(world: World, studio: Studio) -> None:
    strange = Studio([studio.entities[0], "not asked about", *studio.entities[2:]], {"export": "export"})
    with serving(strange) as address:
        exported = label_studio.read(LabelStudio(address, TOKEN).exported(1))
    first, second, third, *rest = exported
    (given,) = third.annotations
    other = given.model_copy(update={"result": (given.result[0].model_copy(update={"from_name": "mood"}),)})
    maybe = given.result[0].model_copy(
        update={"value": given.result[0].value.model_copy(update={"choices": ("maybe",)})}
    )
    third = third.model_copy(update={"annotations": (other, given.model_copy(update={"result": (maybe,)}))})
    taken = label_studio.take(world.use_case, [first, second, third, *rest], {}, world.ports, "run", NOW)
    assert taken.new == 1
    said = " ".join(taken.refused)
    for part in ("Nobody is asked about parcel not asked about", "does not answer 'outcome'", "'maybe' is no outcome"):
        assert part in said
    early = label_studio.take(
        world.use_case, [exported[2]], {}, world.ports, "run", given.updated_at - timedelta(seconds=1)
    )
    assert "is in the future" in early.refused[0]


def test_a_personal_token_is_exchanged(studio: Studio) -> None:
    with serving(studio) as address:
        assert label_studio.read(LabelStudio(address, PERSONAL).exported(1)) == ()
    assert [path for _, path, _ in studio.seen] == ["/api/token/refresh", "/api/projects/1/export"]
    assert studio.seen[-1][2] == "Bearer an-access-token"


def test_what_label_studio_refuses_is_told_without_the_token(studio: Studio) -> None:
    with serving(studio) as address:
        with pytest.raises(SourceRejected, match="does not accept the connection's token") as wrong:
            LabelStudio(address, "wrong").exported(1)
        with pytest.raises(SourceRejected, match="there is no such project"):
            LabelStudio(address, TOKEN).exported(2)
        studio.fails = 503
        with pytest.raises(SourceUnavailable, match="answered /api/users/ with 503"):
            LabelStudio(address, TOKEN).people()
        studio.fails = 400
        with pytest.raises(SourceRejected, match="400: <h1>no</h1>"):
            LabelStudio(address, TOKEN).send(1, b"[]")
        studio.fails = 200  # the page of a proxy that wants people to log in
        with pytest.raises(SourceRejected, match="gave an answer to /api/users/ that Label Studio"):
            LabelStudio(address, TOKEN).people()
        with pytest.raises(SourceRejected, match="gave an answer to /api/token/refresh that"):
            LabelStudio(address, PERSONAL).exported(1)
    assert "wrong" not in str(wrong.value).replace("was wrong", "")
    with pytest.raises(SourceUnavailable, match="did not answer"):
        LabelStudio(address, TOKEN).exported(1)


@pytest.mark.parametrize(
    ("uri", "address"),
    [
        (f"http://:{TOKEN}@labels.example.org:8080", "http://labels.example.org:8080"),
        (f"http://ada:{TOKEN}@labels.example.org/https", "https://labels.example.org"),
        (f"https://:{TOKEN}@labels.example.org", "https://labels.example.org"),
        (f"http://:{TOKEN}@[2001:db8::7]:8080", "http://[2001:db8::7]:8080"),
        (f"http://:{TOKEN[:-1]}%2F@labels.example.org/?__extra__=x", "http://labels.example.org"),
    ],
)
def test_the_connection_says_where_it_is(uri: str, address: str) -> None:
    found = LabelStudio.at(uri)
    assert found.address == address
    assert found.token[:-1] == TOKEN[:-1]
    assert found.token[-1] in (TOKEN[-1], "/")


@pytest.mark.parametrize(
    "uri", ["http://labels.example.org", f"ftp://:{TOKEN}@x", f"http://:{TOKEN}@", "postgres://a:b@c"]
)
def test_a_connection_that_is_none_is_refused_without_its_token(uri: str) -> None:
    with pytest.raises(InvalidSettings, match="type http, with a host, and with the token") as error:
        LabelStudio.at(uri)
    assert TOKEN not in str(error.value)
    assert urlsplit(uri).scheme


@pytest.mark.parametrize(
    "content", [b"", b"{}", b'[{"id": 1}]', b'[{"id": 1, "data": {}, "annotations": [{"id": 3}]}]']
)
def test_what_is_no_export_is_refused(content: bytes) -> None:
    with pytest.raises(SourceRejected, match="Choose JSON"):
        label_studio.read(content)


def test_the_interface_is_the_one_that_was_tried(world: World) -> None:
    spec = world.use_case.spec
    assert label_studio.interface(spec) == INTERFACE
    number = ElementTree.fromstring(
        label_studio.interface(spec.model_copy(update={"task": Task.REGRESSION, "title": 'A "<b>'}))
    )
    assert [each.tag for each in number] == ["Header", "Table", "Number"]
    assert number[0].attrib["value"] == 'A "<b>: late?'


def test_a_number_answers_a_regression(world: World, studio: Studio) -> None:
    question = asked(world, 30)[0]
    spec = world.use_case.spec.model_copy(update={"task": Task.REGRESSION})
    numbers = replace(world.use_case, spec=spec)
    text = json.dumps(RECORDED["export"]["body"][:1]).replace("ENTITY0", question.entity)
    exported = label_studio.read(text.replace('"choices": ["yes"]', '"number": 12.5').encode())
    assert label_studio.take(numbers, exported, {}, world.ports, "run", NOW).new == 1
    assert entries(world)[0].value == 12.5
