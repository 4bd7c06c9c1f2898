# The image of every service in docker-compose.yaml but the stores. BASE is any image that has Python 3.11 to 3.13
# with its module venv; it stays the same for both stages, because the environment links to its interpreter.
ARG BASE=python:3.11.14-slim-bookworm

# What changes with the lock only: a gigabyte that is made, and copied, once for many changes of the code.
FROM ${BASE} AS dependencies
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
WORKDIR /opt/perennial
RUN python3 -m venv /opt/environment
COPY requirements-uv.txt requirements-server.txt ./
RUN /opt/environment/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements-uv.txt \
    && /opt/environment/bin/uv pip install --quiet --python /opt/environment/bin/python --require-hashes \
        --compile-bytecode -r requirements-server.txt \
    && mkdir /opt/installer \
    && mv /opt/environment/bin/uv /opt/installer/ \
    && /opt/environment/bin/python -m pip uninstall --quiet --yes uv

FROM ${BASE}
RUN useradd --uid 50000 --create-home perennial \
    && mkdir -p /var/lib/perennial/airflow /var/lib/perennial/logs /var/lib/perennial/cache \
    && chown -R perennial:perennial /var/lib/perennial
COPY --from=dependencies /opt/environment /opt/environment
WORKDIR /opt/perennial
# Under this name the code looks for the lock that it runs with.
COPY requirements-server.txt requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY plugins plugins
COPY dags dags
RUN --mount=from=dependencies,source=/opt/installer,target=/opt/installer \
    UV_NO_CACHE=1 /opt/installer/uv pip install --quiet --python /opt/environment/bin/python --no-deps --editable . \
    && /opt/environment/bin/python -m compileall -q include plugins dags

USER perennial
ENV PATH=/opt/environment/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    AIRFLOW_HOME=/var/lib/perennial/airflow \
    PERENNIAL_HOME=/var/lib/perennial \
    DO_NOT_TRACK=1 \
    GX_ANALYTICS_ENABLED=false \
    MLFLOW_DISABLE_TELEMETRY=true
