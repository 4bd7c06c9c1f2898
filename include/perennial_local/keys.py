"""Secrets of the local system: made once, kept in a file that only its owner reads."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass, fields

from perennial_local.home import Home, read_json, write_private

ADMIN = "admin"


@dataclass(frozen=True)
class Keys:
    """What Airflow's components share, and the password of its one user."""

    fernet: str
    jwt: str
    api: str
    admin_password: str


def load_keys(home: Home) -> Keys:
    """The keys of this home; they are made the first time."""
    kept = read_json(home.keys)
    if isinstance(kept, dict) and set(kept) == {field.name for field in fields(Keys)}:
        return Keys(**kept)
    keys = Keys(
        fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt=secrets.token_urlsafe(48),
        api=secrets.token_urlsafe(32),
        admin_password=secrets.token_urlsafe(9),
    )
    write_private(home.keys, json.dumps(asdict(keys)))
    return keys
