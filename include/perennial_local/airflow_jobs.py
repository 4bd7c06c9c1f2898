"""What a killed Airflow left in its database, put right before the next one starts."""

import psycopg2

from perennial.errors import StoreUnavailable


def end_dead_jobs(url: str) -> int:
    """Mark the components that are recorded as running as failed; how many there were.

    Only for when none of them runs. Otherwise Airflow waits until their last heartbeat is old enough before it takes
    up the tasks they had, and that wait can't be short: a scheduler on a busy machine would give up its own tasks.
    Errors: `StoreUnavailable` when the database at the libpq `url` does not answer.
    """
    try:
        connection = psycopg2.connect(url)
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute("SELECT to_regclass('job') IS NOT NULL")
                if cursor.fetchone() == (False,):
                    return 0
                cursor.execute("UPDATE job SET state = 'failed', end_date = now() WHERE state = 'running'")
                return cursor.rowcount
        finally:
            connection.close()
    except psycopg2.OperationalError as error:
        raise StoreUnavailable(f"Airflow's database did not answer: {error}") from error
