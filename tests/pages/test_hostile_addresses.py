"""Hostile values in every parameter of every route's path and query, as somebody who may see everything."""

import json
import re
from contextlib import closing

import psycopg2
import pytest
from tests.pages import hostile
from tests.pages.routes import FILLED, QUERIES, address, routes
from tests.pages.server import PagesServer
from tests.pages.test_roles import has_headers

from perennial_airflow.pages.changes import OUR_HEADER, OUR_WORD
from perennial_airflow.pages.rights import MOST_ADDRESS
from perennial_airflow.pages.views import PREFIX

REFUSED = {400, 404, 414, 422}
USER = "admin"
BODY = {"rule": "expect_column_values_to_not_be_null(origin)", "snapshot": "s", "reason": "r"}
LONGEST_LINE = 60_000  # the web server refuses longer ones before any application sees them
PARAMETERS = [(m, path, name) for m, path in routes() for name in re.findall(r"{([^}]+)}", path)]
ASKED = [(path, name) for (method, path) in routes() for name in QUERIES.get(path, ()) if method == "GET"]
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'ledger' ORDER BY 1"


def reaches_us(asked: str) -> bool:
    """Whether Airflow hands the address on: a path with a line break in it belongs to no mounted application."""
    return len(asked) < LONGEST_LINE and "%0a" not in asked


@pytest.fixture
def tables(shared_ledger_url: str) -> list[tuple[object, ...]]:
    """The ledger's tables."""
    with closing(psycopg2.connect(shared_ledger_url)) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        return cursor.fetchall()


@pytest.mark.parametrize(("method", "path", "name"), PARAMETERS)
def test_a_path_that_names_nothing_is_refused(simple: PagesServer, method: str, path: str, name: str) -> None:
    for value in hostile.ALL:
        filled = FILLED[method, path]
        asked = address(path.replace("{" + name + "}", value), filled)
        answer = simple.ask(asked, USER, method)
        # A path with more slashes is not that route's; a form is asked first from where it was sent.
        refused = {"GET": REFUSED, "POST": {*REFUSED, 403, 405}}.get(method, {*REFUSED, 405})
        assert answer.status_code in refused, (asked[:200], answer.status_code, answer.text[:500])
        assert "root:" not in answer.text
        assert has_headers(answer) or not reaches_us(asked), asked[:200]


@pytest.mark.parametrize(("method", "path", "name"), [each for each in PARAMETERS if each[0] != "GET"])
def test_a_change_that_is_meant_of_what_is_not_there_changes_nothing(
    simple: PagesServer, method: str, path: str, name: str, shared_ledger_url: str
) -> None:
    """The same with all that a page of ours sends, so that it is the address that is refused."""
    before = interventions(shared_ledger_url)
    kind = "application/x-www-form-urlencoded" if method == "POST" else "application/json"
    meant = {OUR_HEADER: OUR_WORD, "Origin": simple.url, "Content-Type": kind}
    values = (*hostile.ALL, *(f"{value}.predict" for value in hostile.TRAVERSAL[:2] if name == "dag_id"))
    for value in values:
        asked = address(path.replace("{" + name + "}", value), FILLED[method, path])
        answer = simple.ask(asked, USER, method, meant, json.dumps(BODY).encode())
        assert answer.status_code in {*REFUSED, 405}, (asked[:200], answer.status_code, answer.text[:500])
        assert OUR_HEADER not in answer.text, asked[:200]
        assert "root:" not in answer.text
        assert has_headers(answer) or not reaches_us(asked), asked[:200]
    assert interventions(shared_ledger_url) == before


def interventions(ledger: str) -> int:
    """How many changes of people are on record."""
    with closing(psycopg2.connect(ledger)) as session, session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ledger.interventions")
        (found,) = cursor.fetchone() or (0,)
        return int(found)


def test_every_parameter_of_a_query_is_known_to_the_tests() -> None:
    assert set(QUERIES) <= {path for _, path in routes()}
    assert ASKED


@pytest.mark.parametrize(("path", "name"), ASKED)
def test_a_query_that_names_nothing_shows_nothing(
    simple: PagesServer, path: str, name: str, tables: list[tuple[object, ...]], shared_ledger_url: str
) -> None:
    for value in (*hostile.ALL, ""):
        others = "&".join(part for part in FILLED["GET", path].query[1:].split("&") if not part.startswith(f"{name}="))
        filled = FILLED["GET", path]
        asked = f"{address(path, filled).partition('?')[0]}?{others}&{name}={value}&{name}={value}&unknown={value}"
        answer = simple.ask(asked, USER)
        wanted = REFUSED | {200}  # a filter that nothing fits is a page; so is a form that is to be filled
        assert answer.status_code in wanted, (asked[:300], answer.status_code, answer.text[:500])
        if len(asked) < LONGEST_LINE:
            assert (answer.status_code == 414) == (len(asked) > MOST_ADDRESS), asked[:200]
        assert "root:" not in answer.text
        if path == "/home" and name != "sort" and value and answer.status_code == 200:
            assert f"{PREFIX}/dags/seen.predict" not in answer.text, asked
    with closing(psycopg2.connect(shared_ledger_url)) as session, session.cursor() as cursor:
        cursor.execute(TABLES)
        assert cursor.fetchall() == tables


@pytest.mark.parametrize(
    "asked",
    ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..;/home", "//home", "/style.css/../answer.py", "/.git"],
)
def test_nothing_is_served_from_other_folders(simple: PagesServer, asked: str) -> None:
    answer = simple.ask(f"{PREFIX}{asked}", USER)
    assert answer.status_code == 404
    assert "root:" not in answer.text
