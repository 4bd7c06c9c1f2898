"""How a message leaves: through the notifiers of Airflow's providers, over a connection that Airflow keeps.

A notifier is not called as Airflow would call it, but told to `notify`: before that, Airflow would take what it is
given for Jinja templates, and texts here come from data. What it raises is told apart once, here: the receiver answered
and does not want the message, or the message did not get there.
"""

import inspect
import smtplib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException
from requests.exceptions import RequestException, Timeout

from perennial.alerting.texts import Message
from perennial.errors import DeliveryRefused, NotDelivered
from perennial.spec.alerts import Route

SECONDS = 10.0  # that an HTTP receiver has to answer
HTTP = "airflow.providers.http.notifications.http.HttpNotifier"
SMTP = "airflow.providers.smtp.notifications.smtp.SmtpNotifier"
BY_TYPE = {"http": HTTP, "smtp": SMTP}  # of the connection, where the route names no class
TEXTS = ("message", "text", "message_body", "content", "html_content", "body", "data")  # parameters for the text
MOST_SAID, SHORTEST_SECRET = 500, 4  # characters
CONNECTION, SUBJECT = "conn_id", "subject"  # how the parameter for the connection ends, and that for the subject
AGAIN = (408, 425, 429)  # answers of HTTP that ask to try again
REFUSED_BELOW, PERMANENT_FROM = 500, 500  # answers of HTTP from 400 on, and of SMTP


def send(route: Route, message: Message) -> None:
    """Deliver the message over the route's connection.

    Errors: `DeliveryRefused` when the receiver answered that it does not take it; `NotDelivered` for everything else,
    a connection or a class that is not there among it: what waits is delivered when that is mended.
    """
    try:
        name = route.notifier or _by_type(route)
        kind = _class_of(name)
        kind(**ARGUMENTS.get(name, _of_any)(route, message, kind)).notify({})
    except (DeliveryRefused, NotDelivered):
        raise
    except Exception as error:
        outcome = DeliveryRefused if _refused(error) else NotDelivered
        raise outcome(_said(error, route)) from error


def _by_type(route: Route) -> str:
    try:
        kind = str(Connection.get(route.connection).conn_type)
    except AirflowNotFoundException as error:
        raise NotDelivered(
            f"Airflow has no connection {route.connection!r}, to which alerts go. Add it under Admin, Connections."
        ) from error
    if kind not in BY_TYPE:
        raise NotDelivered(
            f"The connection {route.connection} is of the type {kind}; alerts go over {' and '.join(BY_TYPE)} by "
            "themselves. Name the class that sends over it as the route's `notifier`."
        )
    return BY_TYPE[kind]


def _class_of(name: str) -> Callable[..., Any]:
    """The notifier's class, if an installed provider offers it: a spec can't name any other code."""
    if name not in BY_TYPE.values():
        from airflow.providers_manager import ProvidersManager

        manager: Any = ProvidersManager  # its constructor has no types
        offered = [str(each) for each in manager().notification]
        if name not in offered:
            raise NotDelivered(f"No installed provider offers the notifier {name}; there are {', '.join(offered)}.")
    module, _, kind = name.rpartition(".")
    found: Callable[..., Any] = getattr(import_module(module), kind)
    return found


def _of_http(route: Route, message: Message, _: Callable[..., Any]) -> dict[str, Any]:
    given = dict(route.arguments)
    headers = {"Content-Type": "application/json", **given.pop("headers", {}), "Idempotency-Key": message.id}
    options = {"timeout": SECONDS, **given.pop("extra_options", {}), "check_response": True}
    return {
        "http_conn_id": route.connection,
        "json": message.body,
        "headers": headers,
        "extra_options": options,
        **given,
    }


def _of_smtp(route: Route, message: Message, _: Callable[..., Any]) -> dict[str, Any]:
    if not route.recipients:
        raise NotDelivered(f"The route to {route.connection} names no recipients. Add them in use_case.yaml.")
    headers = {"Message-ID": f"<{message.id}@perennial>", "Auto-Submitted": "auto-generated"}
    return {
        "smtp_conn_id": route.connection,
        "to": list(route.recipients),
        "subject": message.subject,
        "html_content": message.html,
        "custom_headers": headers,
        **route.arguments,
    }


def _of_any(route: Route, message: Message, kind: Callable[..., Any]) -> dict[str, Any]:
    """The arguments of a notifier of which only its signature is known."""
    parameters = list(inspect.signature(kind).parameters)
    connection = next((each for each in parameters if each.endswith(CONNECTION)), None)
    text = next((each for each in TEXTS if each in parameters), None)
    if connection is None or text is None:
        raise NotDelivered(
            f"{route.notifier} takes {', '.join(parameters)}. Alerts can be sent only through a notifier that takes a "
            f"connection (…{CONNECTION}) and a text ({' or '.join(TEXTS)})."
        )
    subject = {SUBJECT: message.subject} if SUBJECT in parameters else {}
    return {connection: route.connection, text: message.text, **subject, **route.arguments}


ARGUMENTS: Mapping[str, Callable[[Route, Message, Callable[..., Any]], dict[str, Any]]] = {
    HTTP: _of_http,
    SMTP: _of_smtp,
}


def _refused(error: Exception) -> bool:
    """Whether the receiver answered, and would answer so again."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT_FROM for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError):
        return error.smtp_code >= PERMANENT_FROM
    status = _status(error)
    return status is not None and 400 <= status < REFUSED_BELOW and status not in AGAIN  # noqa: PLR2004 - HTTP's


def _status(error: BaseException | None) -> int | None:
    """The status of HTTP that an error, or what it comes from, holds."""
    while error is not None:
        response = getattr(error, "response", None)
        if isinstance(error, RequestException) and response is not None:
            return int(response.status_code)
        error = error.__cause__ or error.__context__
    return None


def _said(error: Exception, route: Route) -> str:
    """What went wrong, for the records: without the receiver's address, because those of webhooks are secrets."""
    if isinstance(error, Timeout):
        return f"The receiver did not answer within {SECONDS:g} s."
    if isinstance(error, RequestException):
        return f"The receiver could not be reached ({type(error).__name__}). Is it running?"
    text = " ".join(str(error).split())
    for secret in _secrets(route):
        text = text.replace(secret, "…")
    return f"{type(error).__name__}: {text[:MOST_SAID].rstrip('.')}."


def _secrets(route: Route) -> list[str]:
    """What the connection and the route's arguments hold, the longest first."""
    try:
        known = Connection.get(route.connection)
    except AirflowNotFoundException:
        return []
    parts = [known.host, known.schema, known.login, known.password, known.extra, *map(str, route.arguments.values())]
    return sorted({part for part in parts if part and len(part) >= SHORTEST_SECRET}, key=len, reverse=True)
