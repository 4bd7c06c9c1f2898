"""The options of Airflow's own configuration that Perennial reads: this module alone does."""

from airflow.configuration import conf


def base_url() -> str:
    """Where people reach Airflow, `[api] base_url`; "" when it is not set."""
    return str(conf.get("api", "base_url", fallback="") or "")
