"""The registry of models: a port, MLflow behind it, and its twin in memory.

Environment variables say how MLflow behaves; it reads some of them when it is imported. They are set here, once, before
anything in this package imports it, and never taken back: threads of MLflow read the environment at any time. They are
defaults: a variable that the process was started with keeps its value.
"""

import os

MLFLOW_MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow by default repeats a request for minutes; waiting is left to the task's own retries.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

for _name, _value in MLFLOW_MANNERS.items():
    os.environ.setdefault(_name, _value)
