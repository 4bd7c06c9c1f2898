#!/bin/sh
# Saves the databases and the buckets of the running stack to a folder: sh compose/backup.sh FOLDER
#
# Databases come first. What the lake has beyond the ledger is taken up or repaired by the tasks and by `reconcile`; what
# the ledger names and the lake lacks would be lost. The secrets in .env are not in the backup: keep them elsewhere.
set -eu
folder=$1
umask 077
mkdir -p "$(dirname "$folder")"
mkdir "$folder"
for database in airflow mlflow published ledger; do
    docker compose exec -T postgres pg_dump --username=postgres --format=custom "$database" >"$folder/$database.dump"
done
docker compose run --rm -T --no-deps init python -m perennial_stack.objects save >"$folder/objects.tar"
(cd "$folder" && sha256sum ./*.dump objects.tar >SHA256SUMS)
echo "Saved to $folder."
