"""How people log in to Airflow: by a password that Airflow keeps. docs/operations.md says how to change to OIDC."""

from flask_appbuilder.const import AUTH_DB

AUTH_TYPE = AUTH_DB
AUTH_ROLE_PUBLIC = None
WTF_CSRF_ENABLED = True
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = "10 per minute"
