"""Secrets of the local system: made once, kept in a file that only its owner reads."""

import base64
import json
import secrets
from dataclasses import asdict, dataclass, fields, replace

from perennial_local.home import Home, read_json, write_private

ADMIN = "admin"


@dataclass(frozen=True)
class Keys:
    """What Airflow's components share, the password of its one user, and that of the database user who only reads."""

    fernet: str
    jwt: str
    api: str
    admin_password: str
    reader_password: str


def load_keys(home: Home) -> Keys:
    """The keys of this home; each is made the first time that it is needed."""
    found = read_json(home.keys)
    names = [field.name for field in fields(Keys)]
    kept = {name: found[name] for name in names if name in found} if isinstance(found, dict) else {}
    if len(kept) == len(names):
        return Keys(**kept)
    made = Keys(
        fernet=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        jwt=secrets.token_urlsafe(48),
        api=secrets.token_urlsafe(32),
        admin_password=secrets.token_urlsafe(9),
        reader_password=secrets.token_urlsafe(18),
    )
    keys = replace(made, **kept)
    write_private(home.keys, json.dumps(asdict(keys)))
    return keys
