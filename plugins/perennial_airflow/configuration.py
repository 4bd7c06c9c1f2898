"""The options of Airflow's own configuration that Perennial reads: this module alone does."""

import math

from airflow.configuration import conf


def base_url() -> str:
    """Where people reach Airflow, `[api] base_url`; "" when it is not set."""
    return str(conf.get("api", "base_url", fallback="") or "")


def tasks_are_pods() -> bool:
    """Whether one of the executors in `[core] executor` starts a pod for each task."""
    return "KubernetesExecutor" in str(conf.get("core", "executor", fallback="") or "")


def lineage_extractors() -> str:
    """`[openlineage] extractors`; "" where there are none."""
    return str(conf.get("openlineage", "extractors", fallback="") or "")


def version() -> str:
    """The version of Airflow."""
    from airflow import __version__

    return __version__


def dags_folder() -> str:
    """`[core] dags_folder`."""
    return str(conf.get_mandatory_value("core", "dags_folder"))


def parsing_limit() -> float:
    """For how many seconds a DAG file may be parsed: what ends first, the import or the process that does it.

    A limit of 0 is none; infinite where neither has one.
    """
    importing = conf.getfloat("core", "dagbag_import_timeout")
    processing = conf.getfloat("dag_processor", "dag_file_processor_timeout")
    return min((limit for limit in (importing, processing) if limit > 0), default=math.inf)


def fernet_key() -> str:
    """`[core] fernet_key`: several with commas between them while keys are changed."""
    return str(conf.get("core", "fernet_key", fallback="") or "")


def execution_api() -> str:
    """Where workers reach the API server, without a slash at the end."""
    given = conf.get("core", "execution_api_server_url", fallback="") or f"{base_url().rstrip('/')}/execution/"
    return str(given).rstrip("/")


def token(subject: str) -> tuple[str, str]:
    """A token for the API server as the scheduler signs them for tasks, good for a minute, and the key that signed it.

    Errors: Airflow's, when this host has no key.
    """
    from airflow.api_fastapi.auth.tokens import JWTGenerator, get_signing_args

    signed = get_signing_args(make_secret_key_if_needed=False)
    generator = JWTGenerator(
        valid_for=60,
        audience=conf.get_mandatory_list_value("execution_api", "jwt_audience")[0],
        issuer=conf.get("api_auth", "jwt_issuer", fallback=None),
        **signed,
    )
    return generator.generate({"sub": subject}), str(signed.get("secret_key") or signed.get("private_key"))
