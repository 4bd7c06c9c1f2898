"""Connections in the forms that Airflow reads."""

import json

import pytest

from perennial.addresses import AwsAddress, postgres_dsn
from perennial.errors import InvalidSettings
from perennial.sources.connections import EnvironmentConnections

ALIVE = "keepalives='1' keepalives_idle='30' keepalives_interval='10' keepalives_count='3' tcp_user_timeout='60000'"


def url(value: str) -> str:
    return EnvironmentConnections({"AIRFLOW_CONN_MY_DB": value}).url("my_db")


@pytest.mark.parametrize(
    ("value", "dsn"),
    [
        ("postgres://ann:p%40ss@db:5432/flights", "host='db' port='5432' user='ann' password='p@ss' dbname='flights'"),
        ("postgresql+psycopg2://db/flights", "host='db' dbname='flights'"),
        ("postgresql://db/flights?sslmode=require", "host='db' dbname='flights' sslmode='require'"),
        ("postgresql://db/f?__extra__=%7B%22connect_timeout%22%3A+3%7D", "host='db' dbname='f' connect_timeout='3'"),
        (
            json.dumps(
                {
                    "conn_type": "postgres",
                    "login": "ann",
                    "password": "p@s/s#'\\",
                    "host": "db",
                    "port": 5432,
                    "schema": "fl ights",
                    "extra": {"sslmode": "require"},
                }
            ),
            r"host='db' port='5432' user='ann' password='p@s/s#\'\\' dbname='fl ights' sslmode='require'",
        ),
        (
            json.dumps({"conn_type": "postgres", "host": "db", "extra": '{"sslmode": "require"}'}),
            "host='db' sslmode='require'",
        ),
    ],
)
def test_postgres_connections(value: str, dsn: str) -> None:
    assert postgres_dsn(url(value)) == f"{dsn} {ALIVE}"


def extras(**extra: object) -> str:
    return json.dumps({"conn_type": "postgres", "host": "db", "extra": extra})


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"connect_timeout": 5}, "connect_timeout='5'"),
        ({"keepalives": False}, "keepalives='0'"),
        ({"keepalives_idle": "120"}, "keepalives_idle='120'"),
        ({"extra__postgres__sslmode": "verify-full"}, "sslmode='verify-full'"),
        ({"sslmode": "require", "sslcert": None, "sslkey": ""}, "sslmode='require'"),
        ({"sslmode": "require", "cursor": "dictcursor", "iam": False}, "sslmode='require'"),
    ],
)
def test_extras_are_libpqs_options_whatever_type_they_have(given: dict[str, object], option: str) -> None:
    name = option.partition("=")[0]
    options = dict(part.split("=") for part in postgres_dsn(url(extras(**given))).split(" "))
    assert f"{name}={options.pop(name)}" == option
    alive = dict(part.split("=") for part in ALIVE.split(" "))
    assert options == {"host": "'db'", **{key: value for key, value in alive.items() if key != name}}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sslmode": {"hush": "hush"}}, "extra sslmode of the postgres connection holds several values"),
        ({"iam": True}, "extra iam, by which Airflow's hook fetches a password"),
    ],
)
def test_extras_that_libpq_could_not_follow_are_refused(given: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidSettings, match=said) as refused:
        postgres_dsn(url(extras(**given)))
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "aws://key:s%2F%2Bt@/?endpoint_url=http%3A%2F%2Fhost%3A9000&region_name=eu-central-1",
        "aws://key:s%2F%2Bt@/?__extra__=" + '{"endpoint_url": "http://host:9000", "region_name": "eu-central-1"}',
        json.dumps(
            {
                "conn_type": "aws",
                "login": "key",
                "password": "s/+t",
                "extra": {"endpoint_url": "http://host:9000", "region_name": "eu-central-1"},
            }
        ),
        json.dumps(
            {
                "conn_type": "aws",
                "extra": {
                    "aws_access_key_id": "key",
                    "aws_secret_access_key": "s/+t",
                    "endpoint_url": "http://host:9000",
                    "region_name": "eu-central-1",
                },
            }
        ),
    ],
)
def test_aws_connections(value: str) -> None:
    assert AwsAddress.from_uri(url(value)) == AwsAddress("key", "s/+t", None, "eu-central-1", "http://host:9000")


def test_what_airflow_writes_is_read_as_airflow_means_it() -> None:
    from airflow.sdk import Connection

    written = Connection(
        conn_id="x",
        conn_type="aws",
        login="k/y",
        password="s@c:ret",
        extra='{"endpoint_url": "http://h:9", "n": {"a": 1}}',
    ).get_uri()
    assert AwsAddress.from_uri(written) == AwsAddress("k/y", "s@c:ret", None, None, "http://h:9")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "AIRFLOW_CONN_MY_DB is not set"),
        ("{hushhush", "AIRFLOW_CONN_MY_DB starts like JSON"),
        ('{"password": "hushhush"}', 'no "conn_type"'),
    ],
)
def test_connections_that_cannot_be_read(value: str, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message) as raised:
        url(value)
    assert "hushhush" not in str(raised.value)


@pytest.mark.parametrize("uri", ["postgres://u:hush/hush@db/x", "postgres://u:[hush@db/x", "mysql://u:hush@db/x"])
def test_addresses_that_cannot_be_read(uri: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        postgres_dsn(uri)
    assert "hush" not in str(raised.value)
    assert raised.value.__cause__ is None
