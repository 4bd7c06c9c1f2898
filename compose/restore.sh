#!/bin/sh
# Brings a backup into a stack that is down and has no volumes: sh compose/restore.sh FOLDER
# It refuses a stack that holds something. The stack is then started as ever, by `make compose-up`.
set -eu
folder=$1
(cd "$folder" && sha256sum --check --quiet SHA256SUMS)
docker compose build init
docker compose up --no-build --detach --wait postgres s3
tables=$(docker compose exec -T postgres psql --username=postgres --no-psqlrc --tuples-only --no-align \
    --command="SELECT count(*) FROM pg_database WHERE datname IN ('airflow', 'mlflow', 'published', 'ledger')")
if [ "$tables" != 0 ]; then
    echo "This stack has databases already. Nothing was changed: a backup is restored into an empty stack only." >&2
    exit 1
fi
docker compose run --rm -T --no-deps init python -m perennial_stack.init databases
for database in airflow mlflow published ledger; do
    docker compose exec -T postgres pg_restore --username=postgres --exit-on-error --single-transaction \
        --dbname="$database" <"$folder/$database.dump"
done
docker compose run --rm -T --no-deps init python -m perennial_stack.objects load <"$folder/objects.tar"
echo "Restored from $folder. Start the stack now: make compose-up"
