# The image of every service in docker-compose.yaml but PostgreSQL.
FROM python:3.11.14-slim-bookworm

RUN useradd --uid 50000 --create-home perennial \
    && mkdir -p /var/lib/perennial/airflow /var/lib/perennial/lake /var/lib/perennial/logs /var/lib/perennial/mlflow \
    && chown -R perennial /var/lib/perennial

WORKDIR /opt/perennial
COPY requirements-uv.txt requirements.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-uv.txt \
    && uv pip install --system --no-cache --require-hashes --compile-bytecode -r requirements.txt

COPY pyproject.toml README.md LICENSE ./
COPY include include
COPY plugins plugins
COPY dags dags
RUN uv pip install --system --no-cache --no-deps --compile-bytecode --editable .

USER perennial
ENV AIRFLOW_HOME=/var/lib/perennial/airflow \
    PERENNIAL_HOME=/var/lib/perennial \
    DO_NOT_TRACK=1 \
    GX_ANALYTICS_ENABLED=false \
    MLFLOW_DISABLE_TELEMETRY=true
